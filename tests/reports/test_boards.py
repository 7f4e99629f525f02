"""Boards: who stands where, who is the same model, and what names are safe."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaderboards import board_of, record, records_of, score

from gengauge_reports.leaderboard import Board, Leaderboard
from gengauge_reports.leaderboard.slugs import slugged
from gengauge_reports.table import Rank


def the(board: Leaderboard, metric: str, dataset: str = "moons") -> Board:
    found = [b for d in board.datasets if d.dataset == dataset for b in d.boards]
    return next(b for b in found if b.column.metric == metric)


def order(board: Board) -> list[tuple[str, tuple[int, int] | None]]:
    ranks = [(s.entrant.label, s.rank) for s in board.ranked]
    return [(label, (rank.low, rank.high) if rank else None) for label, rank in ranks]


def test_ranked_in_order_of_value_with_shared_ranks():
    cells = {"c": {("moons", "fd"): (3.0, 0.1)}, "a": {("moons", "fd"): (1.0, 0.1)},
             "b": {("moons", "fd"): (1.1, 0.1)}}  # fmt: skip
    found = the(board_of(*records_of(cells)), "fd")
    assert order(found) == [("a", (1, 2)), ("b", (1, 2)), ("c", (3, 3))]


def test_higher_is_better_where_the_metric_says_so():
    cells = {"low": {("moons", "recall"): 0.1}, "high": {("moons", "recall"): 0.9}}
    assert order(the(board_of(*records_of(cells)), "recall")) == [("high", (1, 1)), ("low", (2, 2))]


def test_one_board_a_comparability_key():
    scores = [[score("fd", 1.0, comparability_key=key)] for key in ("one", "two")]
    found = board_of(*(record(f"m{i}", "moons", s) for i, s in enumerate(scores)))
    (dataset,) = found.datasets
    assert [b.column.comparability_key for b in dataset.boards] == ["one", "two"]
    assert len({b.slug for b in dataset.boards}) == 2
    # who is on the other board has no score here, and no rank against those who have
    assert [(len(b.ranked), len(b.unscored)) for b in dataset.boards] == [(1, 1), (1, 1)]
    assert all(b.ranked[0].rank is None for b in dataset.boards)


def test_controls_stand_apart_and_change_no_rank():
    cells = {"a": {("moons", "fd"): (1.0, 0.1)}, "b": {("moons", "fd"): (2.0, 0.1)}}
    controls = {"real": {("moons", "fd"): 0.1}, "noise": {("moons", "fd"): 9.1}}
    without, found = (the(board_of(*records_of(c)), "fd") for c in (cells, {**cells, **controls}))
    assert order(found) == order(without)
    assert [s.entrant.label for s in found.calibration] == ["real", "noise"]
    assert [s.rank for s in found.calibration] == [None, None]
    assert [round(s.normalised, 3) for s in found.ranked] == [0.9, 0.789]


def test_a_missing_score_has_its_reason_and_a_caveat_takes_no_part():
    found = the(
        board_of(
            record("a", "moons", [score("fd", 1.0)]),
            record("b", "moons", [score("fd", 0.5, caveat="it has seen the judge")]),
            record("c", "moons", [score("fd", None)]),
            record("d", "moons", [], status="failed", error={"type": "Boom", "message": "no"}),
            record("e", "moons", [score("nll", 2.0)]),
        ),
        "fd",
    )
    assert order(found) == [("a", None)]
    assert [(s.entrant.label, s.caveat) for s in found.unranked] == [("b", "it has seen the judge")]
    assert {s.entrant.label: s.reason for s in found.unscored} == {
        "c": "it has none", "d": "failed: Boom: no", "e": "it was not measured",
    }  # fmt: skip


def test_the_same_numbers_in_any_order_of_records():
    cells = {
        f"m{i}": {("moons", m): (v + i / 7, 0.2) for m, v in (("fd", 1.0), ("nll", 2.0))}
        for i in range(6)
    }
    records = [*records_of(cells), *records_of({"m9": {("rings", "fd"): 1.0}})]
    first = board_of(*records)
    random.Random(0).shuffle(records)
    again = board_of(*records)
    assert again.datasets[0].boards == first.datasets[0].boards
    assert (again.entrants, again.aggregates) == (first.entrants, first.aggregates)
    assert [d.dataset for d in again.datasets] == ["moons", "rings"]


def test_seeds_come_together_and_a_single_one_is_said():
    records = [record("a", "moons", [score("fd", v)], seed=s) for s, v in ((2, 1.0), (0, 1.2))]
    (standing,) = the(board_of(*records), "fd").ranked
    assert standing.seeds == (0, 2)
    assert standing.estimate.value == pytest.approx(1.1)
    assert standing.command == "gengauge run small -m 'a' -d moons --seeds 2"


def test_one_entrant_on_all_data_sets_although_budgets_differ():
    found = board_of(
        record("a", "moons", [score("fd", 1.0)], budget="10 steps"),
        record("a", "rings", [score("fd", 1.0)], budget="99 steps", model={"parameters": {"k": 1}}),
    )
    assert [e.label for e in found.entrants] == ["a"]


def test_what_one_data_set_holds_twice_makes_two_entrants():
    found = board_of(
        *(record("a", "moons", [score("fd", 1.0)], model={"parameters": {"k": k, "n": 1}})
          for k in (1, 2)),
        record("a", "rings", [score("fd", 1.0)], model={"parameters": {"k": 2, "n": 1}}),
        record("b", "moons", [score("fd", 1.0)], budget="1 steps"),
        record("b", "moons", [score("fd", 1.0)], budget="2 steps"),
    )  # fmt: skip
    assert [e.label for e in found.entrants] == [
        "a (k=1)", "a (k=2)", "b (1 steps)", "b (2 steps)",
    ]  # fmt: skip
    assert [len(d.rows) for d in found.datasets] == [4, 1]


def test_the_latest_version_is_current():
    found = board_of(
        record("a", "moons", [score("fd", 1.0)], started_at="2026-03", model={"version": "2.0"}),
        record("a", "moons", [score("fd", 2.0)], started_at="2026-02", model={"version": "1.0"}),
    )
    assert {e.label: e.current for e in found.entrants} == {"a (1.0)": False, "a (2.0)": True}
    assert order(the(found, "fd")) == [("a (2.0)", (1, 1)), ("a (1.0)", (2, 2))]


TEXTS = st.lists(st.text(max_size=40), unique=True, max_size=8)


@given(TEXTS)
def test_slugs_are_safe_and_never_alike(texts):
    texts += ["../..", "CON", "con", "a b", "a/b", "A-B", "<b>", "x" * 500, "x" * 501, "\ud800"]
    texts = list(dict.fromkeys(texts))
    names = [(t, repr(t)) for t in texts]
    found = slugged(names)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,118}[a-z0-9])?", s) for s in found)
    assert len(set(found)) == len(found)
    assert not {"con", "nul", "aux"} & set(found)
    assert dict(zip(texts, found, strict=True)) == dict(
        zip(reversed(texts), slugged(names[::-1]), strict=True)
    )


def test_a_name_that_looks_like_the_hash_of_another_cannot_take_its_place():
    first = slugged([("a b", "1"), ("a/b", "2")])
    assert len(set(slugged([("a b", "1"), ("a/b", "2"), (first[0], "3")]))) == 3


def test_ranks_are_what_the_report_says():
    cells = {f"m{i}": {("moons", "fd"): (i / 4, 0.1)} for i in range(5)}
    found = board_of(*records_of(cells))
    (dataset,) = found.datasets
    by_label = {r.label: r.cells[dataset.boards[0].column.key].rank for r in dataset.table.models}
    assert {s.entrant.label: s.rank for s in dataset.boards[0].ranked} == by_label
    assert by_label["m0"] == Rank(1, 2, 5)
