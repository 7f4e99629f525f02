"""FLD, its gap and C_T on known cases and on bad input; tests/peers has the authors' formulas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from standins import evidence, normal

from gengauge_suites.memorisation.copying import c_t, partitioned
from gengauge_suites.memorisation.likelihood import fld, fld_gap
from gengauge_suites.memorisation.mixture import Mixture


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


def made(samples, train, test):
    return evidence(samples=samples, train=train, test=test)


def stream():
    return torch.Generator().manual_seed(0)


def test_one_gaussian_has_its_closed_form():
    mixture = Mixture(
        torch.zeros(1, 3).double(), torch.full((1,), math.log(4.0), dtype=torch.float64)
    )
    x = torch.tensor([[2.0, 0.0, 0.0]]).double()
    expected = (0.5 * 4 / 4 + 1.5 * math.log(2 * math.pi * 4)) / 3
    assert float(mixture.negative_log_likelihood(x)) == pytest.approx(expected, abs=1e-12)


def test_leaving_blocks_out_is_a_mixture_of_the_rest():
    centres, x = normal(90, 4, 1), normal(50, 4, 2)
    mixture = Mixture(centres, normal(90, 1, 3)[:, 0])
    block = torch.arange(90) % 7
    found = mixture.negative_log_likelihood(x, block)
    for b in (0, 6):
        kept = block != b
        rest = Mixture(centres[kept], mixture.log_variances[kept])
        torch.testing.assert_close(found[:, [b]], rest.negative_log_likelihood(x))
    torch.testing.assert_close(found[:, [-1]], mixture.negative_log_likelihood(x))


def test_theory_orders_the_cases():
    train, test = normal(400, 5, 1), normal(300, 5, 2)
    cases = {
        "real": normal(300, 5, 3),
        "copies": train[:300],
        "near copies": train[:300] + 0.05 * normal(300, 5, 4),
        "noise": 6 * normal(300, 5, 5),
    }
    scores = {k: fld(made(x, train, test), Plain()).value for k, x in cases.items()}
    gaps = {k: fld_gap(made(x, train, test), Plain()) for k, x in cases.items()}
    copying = {k: c_t(made(x, train, test), Plain(), 3) for k, x in cases.items()}
    assert abs(scores["real"]) < 5
    assert min(scores, key=scores.__getitem__) == "real"
    assert scores["copies"] > 1e6  # test data has no likelihood at a spike
    for copies in ("copies", "near copies"):
        assert gaps[copies].interval.high < -20
        assert copying[copies].interval.high < -5
    for honest in ("real", "noise"):
        assert gaps[honest].value > -10
    assert abs(copying["real"].value) < 2
    assert copying["noise"].interval.low > 5
    assert all(score.caveat for score in copying.values())


def test_intervals_cover_other_draws():
    """95 % intervals, 40 draws of 250 samples and test examples: at least 85 % must cover."""
    train = normal(500, 6, 0)
    measures = {"fld": fld, "gap": fld_gap, "c_t": lambda e, f: c_t(e, f, 3)}
    found = [made(0.9 * normal(250, 6, 2 * i + 1), train, normal(250, 6, 2 * i + 2))
             for i in range(40)]  # fmt: skip
    for name, measure in measures.items():
        scores = [measure(e, Plain()) for e in found]
        centre = sum(s.value for s in scores) / len(scores)
        covered = sum(s.interval.low <= centre <= s.interval.high for s in scores)
        assert covered >= 0.85 * len(found), (name, covered)
        spread = np.std([s.value for s in scores])
        errors = np.mean([s.interval.standard_error for s in scores])
        assert errors == pytest.approx(spread, rel=0.5), name


def test_c_t_is_about_standard_normal_over_cells_for_fresh_data():
    """Each cell is N(0, 1) given the training data, so three average to a deviation of 0.58."""
    train = normal(1500, 3, 1000)
    values = [c_t(made(normal(240, 3, 2 * i), train, normal(240, 3, 2 * i + 1)), Plain(), 3).value
              for i in range(60)]  # fmt: skip
    assert np.mean(values) == pytest.approx(0, abs=0.25)
    assert np.std(values) == pytest.approx(1 / math.sqrt(3), rel=0.3)


def test_many_features_are_brought_to_64_directions():
    train = normal(300, 80, 1) * torch.linspace(0.1, 2, 80)
    partition = partitioned(train, 2, "x")
    assert partition.points.shape == (300, 64)
    variance = partition.points.var(0).sum() / train.var(0).sum()
    assert 0.9 < float(variance) <= 1


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.05, 50), st.floats(-100, 100))
def test_scale_and_place_of_features_do_not_matter(seed, scale, shift):
    clouds = [normal(60, 3, seed + i) for i in range(3)]
    one, other = made(*clouds), made(*[scale * z + shift for z in clouds])
    for measure in (fld, fld_gap, lambda e, f: c_t(e, f, 1)):
        a, b = measure(one, Plain()).value, measure(other, Plain()).value
        assert a == pytest.approx(b, abs=1e-3)


@pytest.mark.parametrize("measure", [fld, fld_gap, lambda e, f: c_t(e, f, 3)])
def test_bad_input_is_unscored_with_the_reason(measure):
    x = normal(60, 3, 1)
    broken = x.clone()
    broken[3, 1] = math.nan

    class Failing(Plain):
        def features(self, x):
            return x.flatten(1).double() / 0

    cases = (
        (made(x[:10], x, x), Plain(), "at least 40 samples"),
        (made(x, x[:10], x), Plain(), "at least 40 training examples, got 10"),
        (made(broken, x, x), Plain(), "1 of 60 samples are not finite"),
        (made(x, x, x), Failing(), "features of 60 of 60 samples are not finite"),
        (made(x, x, x * 0), Plain(), "all features of the test examples are constant"),
    )
    for found, embedder, reason in cases:
        score = measure(found, embedder)
        assert score.value is None
        assert reason in score.reason


def test_a_constant_feature_and_repeated_samples_keep_finite_values():
    train, test = normal(80, 3, 1), normal(80, 3, 2)
    for z in (train, test):
        z[:, 2] = 4.0
    samples = train[:1].repeat(50, 1)
    score = fld(made(samples, train, test), Plain())
    assert math.isfinite(score.value)
    assert score.details["constant_features"] == 1
    assert math.isfinite(fld_gap(made(samples, train, test), Plain()).value)


def test_samples_that_reach_no_cell_are_unscored():
    train, test = normal(90, 2, 1), normal(90, 2, 2)
    found = c_t(made(normal(45, 2, 3), train, test), Plain(), 12)
    assert found.value is None or found.details["left_out"] > 0
