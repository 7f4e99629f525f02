"""Mean ranks and Borda counts: by hand, by law, and whether their intervals hold."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from leaderboards import board_of, record, records_of, score

from gengauge_reports.leaderboard.tracks import Aggregate, Total

Cells = dict[str, dict[tuple[str, str], tuple[float, float]]]


def aggregate(cells: Mapping, title: str) -> Aggregate:
    return next(a for a in board_of(*records_of(cells)).aggregates if a.title == title)


def totals(found: Aggregate) -> dict[str, Total]:
    return {t.label: t for t in found.totals}


def on(metric: str, **values: float | tuple[float, float]) -> dict[tuple[str, str], object]:
    return {(dataset, metric): value for dataset, value in values.items()}


# three models on three data sets; lower is better, and only `a` and `b` on `two` are within noise
THREE = {
    "a": on("fd", one=(1.0, 0.01), two=(1.0, 0.5), three=(3.0, 0.01)),
    "b": on("fd", one=(2.0, 0.01), two=(1.1, 0.5), three=(1.0, 0.01)),
    "c": on("fd", one=(3.0, 0.01), two=(9.0, 0.5), three=(2.0, 0.01)),
}


def test_mean_rank_by_hand():
    found = aggregate(THREE, "fidelity over data sets")
    assert [i.dataset for i in found.items] == ["one", "three", "two"]
    assert {m: t.ranks for m, t in totals(found).items()} == {
        "a": (1, 3, 1), "b": (2, 1, 2), "c": (3, 2, 3),
    }  # fmt: skip
    means = {m: t.mean_rank.value for m, t in totals(found).items()}
    assert means == pytest.approx({"a": 5 / 3, "b": 5 / 3, "c": 8 / 3})


def test_borda_by_hand_with_half_a_point_for_a_duel_within_noise():
    found = aggregate(THREE, "fidelity over data sets")
    # of two duels: on one 2, 1, 0 are won, on two 1.5, 1.5, 0, on three 0, 2, 1
    borda = {m: t.borda.value for m, t in totals(found).items()}
    assert borda == pytest.approx({"a": 3.5 / 6, "b": 4.5 / 6, "c": 1 / 6})
    assert [t.label for t in found.totals] == ["b", "a", "c"]  # equal mean ranks: Borda decides


def test_equal_values_share_the_middle_rank():
    cells = {m: on("fd", one=1.0, two=v) for m, v in (("a", 1.0), ("b", 2.0), ("c", 2.0))}
    found = totals(aggregate(cells, "fidelity over data sets"))
    assert {m: t.ranks for m, t in found.items()} == {"a": (2, 1), "b": (2, 2.5), "c": (2, 2.5)}
    assert found["b"].borda.value == pytest.approx((0.5 + 0.25) / 2)


def test_two_boards_are_too_few_for_an_interval_and_that_is_said():
    found = aggregate({m: on("fd", one=1.0, two=2.0) for m in "ab"}, "fidelity over data sets")
    assert {t.mean_rank.low for t in found.totals} == {None}
    assert found.notes == ("2 boards are too few for intervals",)


def test_of_a_quality_one_metric_counts_and_speed_is_none():
    metrics = ("fd", "recall", "kid", "nll", "excess_nll", "samples_per_second", "parameters")
    cells = {m: {("one", metric): 1.0 for metric in metrics} for m in "ab"}
    found = aggregate(cells, "one over its qualities")
    assert [(i.suite, i.title) for i in found.items] == [("fidelity", "FD"), ("likelihood", "NLL")]


def test_an_incomplete_model_is_shown_and_has_no_place():
    cells = {**THREE, "d": on("fd", one=0.1, two=0.1)}
    found = totals(aggregate(cells, "fidelity over data sets"))
    assert not found["d"].complete
    assert (found["d"].mean_rank, found["d"].borda, found["d"].place) == (None, None, None)
    assert found["d"].ranks == (1, None, 1)
    assert found["d"].missing == ("three-fd-key-fd",)
    assert found["a"].ranks == (2, 3, 2)  # as the boards show it, complete or not
    assert found["a"].place.n == 3


def test_a_board_that_few_are_on_is_left_out_for_all():
    models = {f"m{i}": on("fd", one=i, two=i, three=i) for i in range(5)}
    models["m0"] |= on("class_accuracy", one=1.0)
    found = aggregate(models, "All qualities on all data sets")
    assert (found.models, found.needed) == (5, 3)
    assert [(i.suite, i.scored) for i in found.left_out] == [("alignment", 1)]
    assert all(t.complete for t in found.totals)


def test_one_score_short_of_half_it_is_asked_for_all_the_same():
    models = {f"m{i}": on("fd", one=i, two=i) for i in range(5)}
    for m in ("m3", "m4"):
        models[m] |= on("class_accuracy", one=1.0)
    found = aggregate(models, "All qualities on all data sets")
    assert [(i.suite, i.scored) for i in found.required] == [("alignment", 2)]
    assert [t.label for t in found.totals if t.complete] == ["m3", "m4"]
    assert {i.suite for i in found.items} == {"fidelity"}


def test_of_a_model_only_the_latest_version_takes_part():
    records = [
        record("a", d, [score("fd", v)], started_at=f"2026-0{v}", model={"version": f"{v}.0"})
        for d in ("one", "two") for v in (1, 2)
    ] + [record("b", d, [score("fd", 1.5)]) for d in ("one", "two")]  # fmt: skip
    (found,) = (a for a in board_of(*records).aggregates if a.suites == ("fidelity",))
    assert {t.label: t.ranks for t in found.totals} == {"b": (1, 1), "a (2.0)": (2, 2)}


def test_a_version_counts_on_a_data_set_that_no_later_one_has_seen():
    def trial(number: int, dataset: str) -> dict:
        scores = [score("fd", number), score("nll", number)]
        about = {"version": f"{number}.0"}
        return record("a", dataset, scores, model=about, started_at=f"2026-0{number}")

    others = [record("b", d, [score("fd", 9), score("nll", 9)]) for d in ("one", "two")]
    found = board_of(trial(1, "one"), trial(1, "two"), trial(2, "two"), *others).aggregates
    who = {a.title: {t.label: t.complete for t in a.totals} for a in found}
    assert who["one over its qualities"] == {"a (1.0)": True, "b": True}
    assert who["two over its qualities"] == {"a (2.0)": True, "b": True}
    assert who["All qualities on all data sets"] == {"a (2.0)": False, "b": True}


def test_an_interval_of_no_level_stops_nothing():
    cells = [(m, d) for m in "abc" for d in ("one", "two", "three")]
    strange = {"level": 1e-300, "standard_error": None}
    found = board_of(*(record(m, d, [score("fd", 1.0, **strange)]) for m, d in cells)).aggregates
    assert found[-1].notes == ("9 scores state no error: their luck is not drawn anew",)


def test_controls_are_no_part_of_it():
    controls = {"real": on("fd", one=0.0, two=0.0, three=0.0)}
    with_controls = aggregate({**THREE, **controls}, "fidelity over data sets")
    assert with_controls.totals == aggregate(THREE, "fidelity over data sets").totals


METRICS = ("fd", "recall", "nll", "excess_nll", "fld", "class_accuracy", "samples_per_second")


def random_cells(seed: int) -> Cells:
    """Models with holes: of some metrics about half of the models have a score."""
    chance = random.Random(seed)
    shares = {(d, m): chance.choice([0.4, 0.5, 0.6, 1, 1]) for d in ("one", "two") for m in METRICS}
    found = {
        f"m{i}": {c: (chance.gauss(0, 1), 0.2) for c, p in shares.items() if chance.random() < p}
        for i in range(chance.randint(2, 9))
    }
    return {m: cells for m, cells in found.items() if cells}


def standing(cells: Cells, model: str) -> dict[str, tuple[int, int, int]]:
    """In each aggregate where it has a place: its position, the ends of its place."""
    return {
        a.title: (i, t.place.low, t.place.high)
        for a in board_of(*records_of(cells)).aggregates
        for i, t in enumerate(a.totals)
        if t.label == model and t.place
    }


@pytest.mark.parametrize("seed", range(8))
def test_withholding_any_score_never_improves_a_place(seed):
    cells = random_cells(seed)
    chance = random.Random(seed)
    for model in chance.sample(sorted(cells), 2):
        before = standing(cells, model)
        for cell in chance.sample(sorted(cells[model]), min(5, len(cells[model]))):
            rest = {c: v for c, v in cells[model].items() if c != cell}
            if not rest:
                continue
            after = standing({**cells, model: rest}, model)
            for title, place in after.items():
                assert title in before, (model, cell)
                assert all(b >= a for a, b in zip(before[title], place, strict=True))


def test_a_model_that_withholds_its_worst_board_falls_out():
    worst = max(THREE["a"], key=lambda c: THREE["a"][c])
    rest = {c: v for c, v in THREE["a"].items() if c != worst}
    found = totals(aggregate({**THREE, "a": rest}, "fidelity over data sets"))
    assert found["a"].place is None


def test_the_order_of_models_changes_nothing():
    cells = random_cells(3)
    found = board_of(*records_of(cells)).aggregates
    assert board_of(*reversed(records_of(cells))).aggregates == found
    assert found
