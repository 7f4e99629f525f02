"""The test of one loss, against closed forms and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gengauge.gate.cells import Cell, Key
from gengauge.gate.losses import loss_of
from gengauge.gate.tolerance import Tolerance

NONE = Tolerance()


def cell(values, errors=0.0, direction="lower", examples=None, **more) -> Cell:
    values = tuple(np.atleast_1d(values).astype(float))
    errors = tuple(np.broadcast_to(errors, len(values)))
    return Cell(
        Key("m", "d", "fd", "", "test"), "fidelity", direction, "", "key", {},
        tuple(range(len(values))), values, errors, examples, **more,
    )  # fmt: skip


def of_examples(examples: np.ndarray, direction: str = "lower") -> Cell:
    examples = np.atleast_2d(examples)
    errors = examples.std(1, ddof=1) / np.sqrt(examples.shape[1])
    return cell(examples.mean(1), errors, direction, examples)


def test_one_seed_is_a_z_test_of_both_errors():
    loss = loss_of(cell(10.0, 0.3), cell(11.0, 0.4), NONE)
    assert loss.value == pytest.approx(1.0)
    assert loss.p == pytest.approx(stats.norm.sf(1.0 / 0.5))
    assert (loss.low, loss.high) == pytest.approx((1 - 1.96 * 0.5, 1 + 1.96 * 0.5), abs=1e-3)


def test_pairs_of_examples_are_the_paired_t_test():
    rng = np.random.default_rng(0)
    hard = rng.normal(5, 2, 200)
    b, c = hard + rng.normal(0, 0.1, 200), hard + 0.02 + rng.normal(0, 0.1, 200)
    loss = loss_of(of_examples(b), of_examples(c), NONE)
    assert loss.p == pytest.approx(stats.ttest_rel(c, b, alternative="greater").pvalue, rel=1e-9)
    unpaired = loss_of(cell(b.mean(), b.std() / 200**0.5), cell(c.mean(), c.std() / 200**0.5), NONE)
    assert loss.p < unpaired.p, "the difficulty of the examples did not cancel"


def test_seeds_alone_are_students_t_test_with_pooled_variance():
    b, c = np.array([1.0, 1.2, 1.1]), np.array([1.4, 1.2, 1.6, 1.5])
    loss = loss_of(cell(b), cell(c), NONE)
    assert loss.p == pytest.approx(stats.ttest_ind(c, b, alternative="greater").pvalue, rel=1e-9)


def test_one_seed_borrows_the_spread_of_the_other_sides_seeds():
    b = np.array([1.0, 1.2, 1.1])
    loss = loss_of(cell(b), cell(1.25), NONE)
    t = (1.25 - b.mean()) / (b.std(ddof=1) * np.sqrt(1 + 1 / 3))
    assert loss.p == pytest.approx(stats.t.sf(t, 2), rel=1e-9)


@pytest.mark.parametrize(("direction", "sign"), [("lower", 1), ("higher", -1)])
@pytest.mark.parametrize("at", [10.0, -10.0])
def test_direction_and_sign_are_known(direction, sign, at):
    worse = loss_of(cell(at, 0.1, direction), cell(at + sign, 0.1, direction), NONE)
    better = loss_of(cell(at, 0.1, direction), cell(at - sign, 0.1, direction), NONE)
    assert worse.value == pytest.approx(1.0)
    assert worse.p < 1e-6 < 1 - 1e-6 < worse.p_gain
    assert better.value == pytest.approx(-1.0)
    assert better.p_gain < 1e-6 < 1 - 1e-6 < better.p
    lenient = loss_of(
        cell(at, 0.1, direction), cell(at + sign, 0.1, direction), Tolerance(0.2, relative=True)
    )
    assert lenient.allowed == pytest.approx(2.0)
    assert lenient.p > 0.99


@pytest.mark.parametrize("tolerance", [Tolerance(1.0), Tolerance(0.1, relative=True)])
def test_a_loss_as_large_as_the_tolerance_is_even_odds(tolerance):
    loss = loss_of(cell(10.0, 0.3), cell(11.0, 0.4), tolerance)
    assert loss.p == pytest.approx(0.5, abs=1e-9)


def test_the_error_of_the_baseline_counts_in_a_relative_tolerance():
    b, c, r = cell(10.0, 0.3), cell(12.0, 0.4), 0.1
    error = np.hypot(0.4, (1 + r) * 0.3)
    assert loss_of(b, c, Tolerance(r, relative=True)).p == pytest.approx(stats.norm.sf(1 / error))


def test_equal_numbers_never_fail_whatever_their_errors():
    for error in (0.0, 0.5):
        loss = loss_of(cell(3.0, error), cell(3.0, error), NONE)
        assert loss.value == 0
        assert loss.p >= 0.5
    rounded = loss_of(cell(3.0), cell(3.0 * (1 + 1e-9)), NONE)
    assert rounded.p == 1.0


def test_counted_numbers_are_compared_as_they_are():
    assert loss_of(cell(1000), cell(1001), NONE).p == 0.0
    assert loss_of(cell(1000), cell(1001), Tolerance(0.01, relative=True)).p == 1.0


def test_without_an_uncertainty_there_is_no_test():
    loss = loss_of(cell(1.0, None), cell(2.0, None), NONE)
    assert (loss.p, loss.low) == (None, None)
    assert loss.beyond


def test_blocks_of_a_baseline_still_pair():
    rng = np.random.default_rng(1)
    hard = rng.normal(5, 2, 400)
    b, c = of_examples(hard), of_examples(hard + 0.05 + rng.normal(0, 0.1, 400))
    kept = cell(b.values, b.errors, examples=b.blocked(), in_blocks=True)
    whole, condensed = loss_of(b, c, NONE), loss_of(kept, c, NONE)
    assert condensed.value == pytest.approx(whole.value)
    assert "blocks" in condensed.method
    width = (condensed.high - condensed.low) / (whole.high - whole.low)
    assert 0.6 < width < 1.6, "twenty blocks tell the same error within their own"


def test_examples_of_other_numbers_fall_back_to_the_errors():
    rng = np.random.default_rng(2)
    loss = loss_of(of_examples(rng.normal(size=100)), of_examples(rng.normal(size=90)), NONE)
    assert loss.method == "both standard errors"


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("paired", [True, False])
def test_p_values_are_uniform_or_above_under_no_change(seeds, paired):
    """At 5 % no more than 5 % of tests alarm; 4,000 draws know that to a third of a per cent."""
    rng = np.random.default_rng(3 + seeds)
    n, alarms, draws = 100, 0, 4000
    for _ in range(draws):
        hard = rng.normal(0, 1, n)
        sides = []
        for _ in range(2):
            training = rng.normal(0, 0.1, (seeds, 1)) if seeds > 1 else 0.0
            values = training + rng.normal(0, 0.5, (seeds, n))
            sides.append(of_examples(values + hard) if paired else of_examples(values))
        if not paired:
            sides = [cell(s.values, s.errors) for s in sides]
        alarms += loss_of(*sides, NONE).p <= 0.05
    assert alarms / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    assert alarms / draws > (0.03 if seeds == 1 else 0.002), "a test that never alarms is none"
