"""Pairs of examples, bounds and caveats: what may be placed before what."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from gengauge.aggregate import difference_p
from gengauge.gather import gather
from gengauge.schema import ROW_SCHEMA
from gengauge.statistics import paired_difference
from gengauge_reports import html, markdown, terminal, tidy
from gengauge_reports.ranking import tables
from gengauge_reports.table import Rank, Row, Table

N = 400
LEAK = "leakage: clip/x judges a model that it has steered"


@pytest.fixture
def score(make_score: Callable[..., dict]) -> Callable[..., dict]:
    return make_score


def only(factory) -> Table:
    (table,) = tables(gather([factory.store]))
    return table


def rows(factory) -> dict[str, Row]:
    table = only(factory)
    return {r.label: r for r in (*table.models, *table.controls)}


def rank(row: Row) -> Rank | None:
    (cell,) = row.cells.values()
    return cell.rank


def mean_of(score, values, **changes) -> dict:
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return score("nll", float(np.mean(values)), error, kind="exact", **changes)


def hard_and_easy(n=N, seed=0) -> np.ndarray:
    return 3 * np.random.default_rng(seed).normal(size=n)


def two_close_models(factory, score, *, keep: bool, second: int = 0) -> dict[str, Row]:
    """A difference of 0.05 beside a spread of 3 between examples, which both models share."""
    random, hard = np.random.default_rng(1), hard_and_easy()
    for name, better in (("better", 0.05), ("worse", 0.0)):
        values = hard - better + 0.1 * random.normal(size=N)
        made = factory.add(name, [mean_of(score, values, n_reference=N)])
        if keep:
            factory.examples(made["trial"], nll=values[: N - second * (name == "worse")])
    return rows(factory)


def test_paired_examples_tell_apart_what_their_means_cannot(factory, score):
    found = two_close_models(factory, score, keep=True)
    assert (rank(found["better"]), rank(found["worse"])) == (Rank(1, 1, 2), Rank(2, 2, 2))
    assert rank(found["worse"]).paired == 1
    page = html.render([factory.store]).decode()
    assert "paired: by the differences on the same examples" in page


def test_without_the_examples_the_same_models_share_a_place(factory, score):
    found = two_close_models(factory, score, keep=False)
    assert (rank(found["better"]), rank(found["worse"])) == (Rank(1, 2, 2), Rank(1, 2, 2))
    assert rank(found["worse"]).paired == 0


def test_examples_that_are_not_the_scores_own_are_not_used(factory, score):
    found = two_close_models(factory, score, keep=True, second=7)  # another length, another mean
    assert rank(found["worse"]) == Rank(1, 2, 2)


def test_an_unreadable_file_falls_back(factory, score):
    two_close_models(factory, score, keep=True)
    for path in factory.store.folder.rglob("per_example.safetensors"):
        path.write_bytes(b"not this")
    assert rank(rows(factory)["worse"]) == Rank(1, 2, 2)


def test_variance_the_examples_do_not_show_is_added(factory, score):
    """Ten images a prompt: the score's own error knows, the values one by one do not."""
    random = np.random.default_rng(3)
    for name, shift in (("a", 0.0), ("b", 0.3)):
        values = np.repeat(random.normal(size=N // 10), 10) + shift
        clustered = float(values.reshape(-1, 10).mean(1).std(ddof=1)) / math.sqrt(N // 10)
        made = factory.add(name, [score("nll", float(values.mean()), clustered)])
        factory.examples(made["trial"], nll=values)
    (a, b) = rows(factory).values()
    assert rank(a).paired == 1
    assert (rank(a), rank(b)) == (Rank(1, 2, 2), Rank(1, 2, 2))


def test_pairs_against_scipy():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 50))
    ours, theirs = paired_difference(a, b), stats.ttest_rel(a, b)
    assert ours.p == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval(0.95)
    assert (ours.interval.low, ours.interval.high) == pytest.approx((interval.low, interval.high))
    assert ours.value == pytest.approx(float(a.mean() - b.mean()))


def test_a_model_does_not_differ_from_itself_and_a_shift_is_certain():
    hard = hard_and_easy()
    assert paired_difference(hard, hard).p == 1.0
    assert paired_difference(np.zeros(5), np.ones(5)).p == 0.0


@pytest.mark.parametrize(("a", "b"), [(np.zeros(3), np.zeros(4)), (np.zeros(1), np.zeros(1))])
def test_what_cannot_be_paired_is_refused(a, b):
    with pytest.raises(ValueError, match="the same of both"):
        paired_difference(a, b)


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_models_differ_in_5_percent_of_runs(seeds):
    """Under no difference the p-value is uniform, training luck between seeds included."""
    random, wrong, runs, luck = np.random.default_rng(5), 0, 1000, 0.1 * (seeds > 1)
    for _ in range(runs):
        hard = 3 * random.normal(size=60)
        a, b = (
            hard + luck * random.normal(size=(seeds, 1)) + 0.3 * random.normal(size=(seeds, 60))
            for _ in "ab"
        )
        wrong += paired_difference(a, b).p <= 0.05
    noise = 3 * math.sqrt(0.05 * 0.95 / runs)
    assert wrong / runs <= 0.05 + noise
    assert wrong / runs >= 0.02  # and the test has not gone blind


def test_seeds_of_both_models_are_averaged_before_they_are_paired(factory, score):
    random, hard = np.random.default_rng(2), hard_and_easy()
    for name, better in (("better", 0.05), ("worse", 0.0)):
        for seed in (0, 1, 2):
            values = hard - better + 0.01 * random.normal() + 0.1 * random.normal(size=N)
            made = factory.add(name, [mean_of(score, values)], seed=seed)
            factory.examples(made["trial"], nll=values)
    found = rows(factory)
    assert (rank(found["better"]), rank(found["worse"])) == (Rank(1, 1, 2), Rank(2, 2, 2))
    a, b = (r.cells[next(iter(r.cells))].estimate for r in found.values())
    assert difference_p(a, b) > 0.5


UPPER, LOWER = "upper_bound", "lower_bound"
BEST, LAST, OPEN = Rank(1, 1, 2), Rank(2, 2, 2), Rank(1, 2, 2)


@pytest.mark.parametrize(
    ("metric", "low", "high", "expected"),
    [
        # lower is better: the low value leads. An upper bound may win and not lose
        ("nll", "exact", "exact", (BEST, LAST)),
        ("nll", UPPER, "exact", (BEST, LAST)),
        ("nll", UPPER, "estimate", (BEST, LAST)),
        ("nll", "exact", UPPER, (OPEN, OPEN)),
        ("nll", UPPER, UPPER, (BEST, LAST)),  # of one kind: what each guarantees
        # a lower bound on a loss may lose and not win
        ("nll", "exact", LOWER, (BEST, LAST)),
        ("nll", LOWER, "exact", (OPEN, OPEN)),
        ("nll", UPPER, LOWER, (BEST, LAST)),
        # higher is better: the same, mirrored
        ("recall", "exact", LOWER, (LAST, BEST)),
        ("recall", LOWER, "exact", (OPEN, OPEN)),
        ("recall", UPPER, "exact", (LAST, BEST)),
        ("recall", "exact", UPPER, (OPEN, OPEN)),
        ("recall", UPPER, LOWER, (LAST, BEST)),
    ],
)
def test_a_bound_loses_nothing_by_being_loose(factory, score, metric, low, high, expected):
    factory.add("low", [score(metric, 1.0, 0.01, kind=low)])
    factory.add("high", [score(metric, 2.0, 0.01, kind=high)])
    found = rows(factory)
    assert (rank(found["low"]), rank(found["high"])) == expected


def test_every_format_marks_a_bound(factory, score):
    factory.add("vae", [score("nll", 3.0, 0.1, kind=UPPER)])
    factory.add("iwae", [score("nll", 4.0, 0.1, kind=LOWER)])
    factory.add("flow", [score("nll", 2.0, 0.1, kind="exact")])
    for render in (terminal.render, markdown.render, html.render):
        text = render([factory.store]).decode()
        assert "≤" in text
        assert "≥" in text
    kinds = {r["model"]: r["kind"] for r in json.loads(tidy.render_json([factory.store]))}
    assert kinds == {"vae": UPPER, "iwae": LOWER, "flow": "exact"}


@pytest.fixture
def leaky(factory, score):
    """The best by far was steered by its judge; so was a control that ends the scale."""
    for name, value, caveat in (("guided", 0.1, LEAK), ("honest", 5.0, None), ("other", 6.0, None)):
        factory.add(name, [score("nll", value, 0.01, caveat=caveat)])
    factory.add("real", [score("nll", 1.0, 0.01)], control=True)
    factory.add("noise", [score("nll", 9.0, 0.01)], control=True)
    return factory


def test_a_score_with_a_caveat_takes_no_place(leaky):
    found = rows(leaky)
    assert rank(found["guided"]) is None
    assert (rank(found["honest"]), rank(found["other"])) == (BEST, LAST)
    assert [r.label for r in only(leaky).models] == ["honest", "other", "guided"]
    (guided,), (honest,) = (found[n].cells.values() for n in ("guided", "honest"))
    assert guided.estimate.value == pytest.approx(0.1)
    assert (guided.normalised, honest.normalised) == (None, pytest.approx(0.5))


def test_an_end_of_the_scale_with_a_caveat_is_none(factory, score):
    factory.add("real", [score("nll", 1.0, 0.01, caveat=LEAK)], control=True)
    factory.add("noise", [score("nll", 9.0, 0.01)], control=True)
    factory.add("a", [score("nll", 2.0, 0.01)])
    (cell,) = rows(factory)["a"].cells.values()
    assert cell.normalised is None


def test_one_seed_with_a_caveat_marks_the_mean(factory, score):
    for seed, caveat in ((0, None), (1, LEAK)):
        factory.add("guided", [score("nll", 1.0, 0.1, caveat=caveat)], seed=seed)
    (cell,) = rows(factory)["guided"].cells.values()
    assert cell.caveat == LEAK


@pytest.mark.parametrize("render", [html.render, terminal.render, markdown.render])
def test_every_table_marks_a_caveat_and_states_it(leaky, render):
    text = render([leaky.store]).decode()
    assert "†" in text
    assert LEAK in " ".join(text.split())
    if render is not html.render:
        line = next(line for line in text.splitlines() if line.strip("| `").startswith("guided"))
        assert "†" in line


def test_the_tidy_table_carries_the_caveat(leaky):
    found = {r["model"]: r for r in json.loads(tidy.render_json([leaky.store]))}
    assert found["guided"]["caveat"] == LEAK
    assert found["honest"]["caveat"] is None
    assert b"caveat" in tidy.render_csv([leaky.store]).splitlines()[0]
    assert set(found["guided"]) <= set(ROW_SCHEMA["properties"])


def test_the_page_never_calls_it_first(leaky):
    assert (
        "guided"
        not in html.render([leaky.store])
        .decode()
        .partition('class="leaders"')[2]
        .partition("</dl>")[0]
    )
