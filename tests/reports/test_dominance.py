"""Fronts of quality against cost, and the history of a model over its versions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaderboards import board_of, record, runs, score
from scipy import stats

from gengauge_reports.leaderboard import leaderboard
from gengauge_reports.leaderboard.dominance import standings
from gengauge_reports.leaderboard.pareto import Front


def model(name: str, fd: tuple[float, float], speed: float | None = None, **changes) -> dict:
    scores = [score("fd", *fd)]
    if speed is not None:
        scores.append(score("samples_per_second", speed, 0.01))
    return record(name, "moons", scores, **changes)


def front(board, cost: str) -> Front:
    return next(f for f in board.datasets[0].fronts if f.cost.id == cost)


def test_front_noise_and_domination_by_hand():
    found = front(
        board_of(
            model("best", (1.0, 0.1), 10.0),
            model("fast", (3.0, 0.1), 90.0),
            model("near", (1.1, 0.1), 9.0),  # behind `best` by value in both, not significantly
            model("bad", (9.0, 0.1), 20.0),  # `fast` is faster and significantly better
            model("slow", (9.0, 0.1), 1.0),
        ),
        "samples_per_second",
    )
    assert [(p.entrant, p.standing, p.by) for p in found.points] == [
        ("fast", "front", ""), ("bad", "dominated", "fast"), ("best", "front", ""),
        ("near", "within noise", "best"), ("slow", "dominated", "best"),
    ]  # fmt: skip


def test_who_has_no_cost_is_named():
    found = front(
        board_of(model("a", (1.0, 0.1), 1.0), model("b", (2.0, 0.1), 2.0), model("c", (3, 0.1))),
        "samples_per_second",
    )
    assert found.without == ("c",)
    assert len(found.points) == 2


def test_training_times_of_different_machines_are_not_compared():
    made = runs(
        *(model(m, (v, 0.1), environment=e)
          for m, v, e in (("a", 1, "e"), ("b", 2, "e"), ("c", 3, "f"), ("d", 4, "f"))),
    )  # fmt: skip
    made.environments["f"] = {"cpu": "a cpu", "gpu": "a card"}
    found = [f for f in leaderboard(made).datasets[0].fronts if f.cost.id == "train_seconds"]
    assert [(f.cost.qualifier, [p.entrant for p in f.points]) for f in found] == [
        ("on a card", ["c", "d"]), ("on a cpu", ["a", "b"]),
    ]  # fmt: skip
    assert len({f.slug for f in found}) == 2


def test_training_flops_where_they_were_counted():
    made = [model(m, (v, 0.1), training={"seconds": 1.0, "flops": f})
            for m, v, f in (("a", 1.0, 2e12), ("b", 2.0, 1e12), ("c", 3.0, "many"))]  # fmt: skip
    found = front(board_of(*made), "training_flops")
    assert [(p.entrant, p.cost.value, p.standing) for p in found.points] == [
        ("b", 1e12, "front"), ("a", 2e12, "front"),
    ]  # fmt: skip


POINT = st.tuples(st.integers(0, 4), st.integers(0, 4))


@given(st.lists(POINT, min_size=1, max_size=9))
def test_somebody_is_always_on_the_front_and_nobody_there_is_dominated(points):
    good, cheap = np.array(points, dtype=float).T
    wins = good[:, None] > good + 1
    found = standings(good, cheap, wins)
    assert any(standing == "front" for standing, _ in found)
    for j, (standing, by) in enumerate(found):
        above = [i for i in range(len(points)) if good[i] >= good[j] and cheap[i] >= cheap[j]
                 and (good[i], cheap[i]) != (good[j], cheap[j])]  # fmt: skip
        assert (standing == "front") == (not above)
        assert by == -1 or by in above
        shown = any(wins[i, j] and cheap[i] >= cheap[j] for i in range(len(points)))
        assert (standing == "dominated") == shown


def version(number: int, value: float, error: float = 0.1, **changes) -> dict:
    about = {"version": f"{number}.0", "parameters": {"latent": 16 * number}, "code": "x"}
    return model("a", (value, error), model=about, started_at=f"2026-01-0{number}", **changes)


def test_history_in_the_order_of_time_with_differences():
    (found,) = board_of(version(2, 1.0), version(1, 3.0), version(3, 1.01)).histories
    assert [v.label for v in found.versions] == ["a (1.0)", "a (2.0)", "a (3.0)"]
    first, second, third = found.versions
    assert (first.change, first.p, first.what) == (None, None, ())
    assert (second.change, second.verdict) == (pytest.approx(-2.0), "better")
    assert second.what == ("latent 16 → 32", "version 1.0 → 2.0")
    assert third.verdict == "no difference shown"
    error = 0.1 * np.sqrt(2)
    assert third.p == pytest.approx(2 * stats.norm.sf(0.01 / error))
    assert (third.low, third.high) == pytest.approx(
        (0.01 - 1.96 * error, 0.01 + 1.96 * error), rel=1e-3
    )


def test_a_version_can_be_worse_and_a_bound_proves_nothing():
    worse, bounded = version(2, 9.0), version(2, 9.0)
    bounded["scores"][0]["kind"] = "upper_bound"
    for second, verdict in ((worse, "worse"), (bounded, "no difference shown")):
        (found,) = board_of(version(1, 1.0), second).histories
        assert found.versions[1].verdict == verdict


def test_one_version_has_no_history():
    assert board_of(version(1, 1.0), model("b", (2.0, 0.1))).histories == []
