from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from gengauge.aggregate import aggregate, difference_p, holm
from gengauge.gather import gather
from gengauge_reports.ranking import tables
from gengauge_reports.table import Rank, Table


@pytest.fixture
def score(make_score: Callable[..., dict]) -> Callable[..., dict]:
    return make_score


def only(factory) -> Table:
    (table,) = tables(gather([factory.store]))
    return table


def ranks(table: Table, column: int = 0) -> dict[str, Rank | None]:
    key = table.columns[column].key
    return {r.label: r.cells[key].rank for r in table.models}


def add(factory, score, **models: tuple[float, float]) -> Table:
    for name, (value, error) in models.items():
        factory.add(name, [score("nll", value, error)])
    return only(factory)


def test_models_within_noise_share_a_rank(factory, score):
    table = add(factory, score, a=(1.00, 0.1), b=(1.05, 0.1))
    assert ranks(table) == {"a": Rank(1, 2, 2), "b": Rank(1, 2, 2)}


def test_models_far_apart_do_not(factory, score):
    table = add(factory, score, worse=(2.0, 0.1), better=(1.0, 0.1))
    assert ranks(table) == {"better": Rank(1, 1, 2), "worse": Rank(2, 2, 2)}
    assert [r.label for r in table.models] == ["better", "worse"]


def test_a_model_between_shares_with_both_neighbours(factory, score):
    # neighbours are 2 standard errors of a difference apart, the ends 4
    step = 2 * math.hypot(0.1, 0.1)
    table = add(factory, score, a=(0.0, 0.1), b=(step, 0.1), c=(2 * step, 0.1))
    assert ranks(table) == {"a": Rank(1, 2, 3), "b": Rank(1, 3, 3), "c": Rank(2, 3, 3)}


def test_holm_takes_back_what_a_single_test_would_grant(factory, score):
    gap = 2.1 * math.hypot(0.1, 0.1)  # p = 0.036: enough for one pair, not for one of six
    pair = {"a": (0.0, 0.1), "b": (gap, 0.1)}
    assert ranks(add(factory, score, **pair))["b"] == Rank(2, 2, 2)
    table = add(factory, score, c=(0.0, 0.1), d=(gap / 2, 0.1))
    assert ranks(table)["b"] == Rank(1, 4, 4)


def test_holm_against_the_definition():
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_higher_is_better_where_the_metric_says_so(factory, score):
    factory.add("low", [score("recall", 0.2, 0.01)])
    factory.add("high", [score("recall", 0.8, 0.01)])
    assert ranks(only(factory)) == {"high": Rank(1, 1, 2), "low": Rank(2, 2, 2)}


def test_counted_values_need_no_error_to_be_ranked(factory, score):
    for name, value in (("a", 10.0), ("b", 20.0), ("c", 10.0)):
        factory.add(name, [score("nll", value, kind="exact")])
    assert ranks(only(factory)) == {"a": Rank(1, 2, 3), "c": Rank(1, 2, 3), "b": Rank(3, 3, 3)}


def test_unknown_uncertainty_orders_nothing(factory, score):
    factory.add("a", [score("nll", 1.0)])
    factory.add("b", [score("nll", 9.0)])
    assert ranks(only(factory)) == {"a": Rank(1, 2, 2), "b": Rank(1, 2, 2)}


def test_one_model_alone_takes_no_place(factory, score):
    assert ranks(add(factory, score, a=(1.0, 0.1))) == {"a": None}


def test_an_interval_stands_in_for_a_missing_error(score):
    bare = {**score("nll", 1.0, 0.5), "standard_error": None}
    assert aggregate([bare]).standard_error == pytest.approx(0.5, rel=1e-4)


def test_a_share_of_one_is_not_certain(factory, score):
    """All of 400 hit: the plain standard error is 0, Wilson's interval is not."""
    certain = {"standard_error": 0.0, "low": 0.9905, "high": 1.0, "interval_method": "wilson"}
    factory.add("all", [{**score("recall", 1.0), **certain}])
    factory.add("most", [score("recall", 0.9975, 0.0025)])
    assert ranks(only(factory))["most"] == Rank(1, 2, 2)


def test_different_keys_never_meet(factory, score):
    factory.add("a", [score("fd", 1.0, 0.1, comparability_key="x", n_samples=1000)])
    factory.add("b", [score("fd", 9.0, 0.1, comparability_key="y", n_samples=5000)])
    table = only(factory)
    assert [c.comparability_key for c in table.columns] == ["x", "y"]
    for column in table.columns:
        assert len([r for r in table.models if r.estimate(column)]) == 1
    first, second = (c.qualifier for c in table.columns)
    assert first != second
    assert "n = 1000" in first
    assert "n = 5000" in second


def test_embedders_and_splits_have_columns_of_their_own(factory, score):
    for split, embedder in (("test", "one"), ("test", "two"), ("train", "one")):
        sha = {"id": embedder, "sha256": "0" * 64}
        factory.add(f"{split}-{embedder}", [score("fd", 1.0, 0.1, split=split, embedder=sha)])
    assert len(only(factory).columns) == 3


def test_seeds_are_averaged_with_both_variances(score):
    merged = aggregate([score("nll", v, 0.3) for v in (1.0, 2.0, 3.0)])
    assert merged.value == pytest.approx(2.0)
    assert merged.standard_error == pytest.approx(math.sqrt(1.0 / 3 + 0.09))
    # Welch-Satterthwaite: only the part between the seeds, 1/3, was estimated
    degrees = (1 / 3 + 0.09) ** 2 / ((1 / 3) ** 2 / 2)
    half = stats.t.ppf(0.975, degrees) * merged.standard_error
    assert (merged.low, merged.high) == pytest.approx((2.0 - half, 2.0 + half))
    assert merged.values == (1.0, 2.0, 3.0)


def test_one_seed_keeps_its_own_interval(score):
    lopsided = {**score("nll", 1.0, 0.1), "low": 0.9, "high": 1.4}
    merged = aggregate([lopsided])
    assert (merged.low, merged.high, merged.method) == (0.9, 1.4, "student-t, n = 1000")


def test_of_mixed_kinds_the_bound_is_shown(score):
    kinds = [score("nll", 1.0, 0.1, kind=k) for k in ("exact", "upper_bound")]
    assert aggregate(kinds).kind == "upper_bound"


def test_seeds_make_one_row_and_parameters_another(factory, score):
    for seed in (0, 1):
        factory.add("vae", [score("nll", 1.0 + seed, 0.1)], seed=seed)
    factory.add("vae", [score("nll", 3.0, 0.1)], seed=2, budget="50 steps")
    table = only(factory)
    assert [r.label for r in table.models] == ["vae (2000 steps)", "vae (50 steps)"]
    assert [len(r.trials) for r in table.models] == [2, 1]


def test_controls_are_shown_but_never_ranked(factory, score):
    factory.add("real", [score("nll", 0.0, 0.01)], control=True)
    factory.add("noise", [score("nll", 10.0, 0.01)], control=True)
    table = add(factory, score, a=(2.5, 0.1), b=(9.0, 0.1))
    key = table.columns[0].key
    assert ranks(table) == {"a": Rank(1, 1, 2), "b": Rank(2, 2, 2)}
    assert [r.cells[key].rank for r in table.controls] == [None, None]
    assert table.models[0].cells[key].normalised == pytest.approx(0.75)
    assert [r.cells[key].normalised for r in table.controls] == pytest.approx([1.0, 0.0])


def test_without_both_ends_nothing_is_normalised(factory, score):
    factory.add("real", [score("nll", 0.0, 0.01)], control=True)
    table = add(factory, score, a=(2.5, 0.1))
    assert table.models[0].cells[table.columns[0].key].normalised is None


def test_failures_and_reasons_are_kept(factory, score):
    factory.add("gan", [score("nll", None, unscored_reason="no likelihood", comparability_key="")])
    factory.add("bad", [], status="failed", error={"type": "ValueError", "message": "boom"})
    table = add(factory, score, a=(1.0, 0.1))
    assert [(r.label, r.trials[0].reason) for r in table.failed] == [("bad", "ValueError: boom")]
    gan = next(r for r in table.models if r.label == "gan")
    assert gan.cells[table.columns[0].key].reason == "no likelihood"
    assert table.models[-1] is gan


def test_a_metric_nobody_has_is_listed_with_its_reason(factory, score):
    factory.add("gan", [score("nll", None, unscored_reason="no likelihood")])
    table = only(factory)
    assert (table.columns, table.unscored) == ([], [("gan", "nll", "no likelihood")])


def test_one_failed_seed_does_not_hide_the_others(factory, score):
    factory.add("vae", [score("nll", 1.0, 0.1)], seed=0)
    factory.add("vae", [], seed=1, status="timeout", error={"type": "Timeout", "message": "30 s"})
    (row,) = only(factory).models
    assert [t.seed for t in row.failures] == [1]
    assert row.estimate(only(factory).columns[0]).n_seeds == 1


def test_rows_follow_the_headline_metric_most_models_have(factory, score):
    factory.add("a", [score("bits_per_dim", 1.0, 0.1), score("nll", 9.0, 0.1)])
    factory.add("b", [score("nll", 1.0, 0.1)])
    assert [r.label for r in only(factory).models] == ["b", "a"]


def test_the_same_trial_in_two_runs_counts_once(factory, score):
    add(factory, score, a=(1.0, 0.1))
    (table,) = tables(gather([factory.store, factory.store]))
    assert [r.estimate(table.columns[0]).n_seeds for r in table.models] == [1]


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_models_share_the_first_rank_in_95_percent_of_runs(score, seeds):
    """Family-wise: any wrongly separated pair among five equal models counts as an error."""
    random, wrong, runs = np.random.default_rng(7), 0, 400
    for _ in range(runs):
        models = []
        for _ in range(5):
            # a test-set error of 0.1 always; a training error of 0.3 where seeds can show it
            training = 0.3 * random.normal(size=seeds) if seeds > 1 else np.zeros(1)
            values = training + 0.1 * random.normal()
            models.append(aggregate([score("nll", float(v), 0.1) for v in values]))
        p = [difference_p(a, b) for i, a in enumerate(models) for b in models[i + 1 :]]
        wrong += min(holm(p)) <= 0.05
    # the rate must be at most 5 %; three standard errors of a rate of 400 runs are allowed
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_unequal_models_are_told_apart(score):
    """The other side of the simulation: without power, sharing ranks would be worth nothing."""
    random, found = np.random.default_rng(8), 0
    for _ in range(200):
        pair = [aggregate([score("nll", m + 0.1 * random.normal(), 0.1)]) for m in (0.0, 0.6)]
        found += difference_p(*pair) <= 0.05
    assert found / 200 > 0.95
