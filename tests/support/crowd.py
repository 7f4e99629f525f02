"""A leaderboard of any size, made of numbers alone: as large as what is promised of pages."""

from __future__ import annotations

import numpy as np

from gengauge.aggregate import Estimate
from gengauge_reports.leaderboard import Board, DatasetBoards, Entrant, Leaderboard, Standing
from gengauge_reports.leaderboard.pareto import Cost, Front, Point
from gengauge_reports.table import Cell, Column, Rank, Row, Table

SUITES = ("likelihood", "fidelity", "memorisation", "utility", "speed")
FAMILIES = ("diffusion", "flow", "gan", "autoencoder", "transport")


def crowd(models: int = 500, metrics: int = 30) -> Leaderboard:
    """Return one data set with every model scored by every metric but for each 37th cell."""
    random = np.random.default_rng(0)
    entrants = [
        Entrant((f"model-{i:03d}",), f"model-{i:03d}", f"model-{i:03d}", f"model-{i:03d}",
                FAMILIES[i % 5], False, "a model of numbers", "", 1000 * (i + 1))
        for i in range(models)
    ]  # fmt: skip
    boards = [_board(j, metrics, entrants, random) for j in range(metrics)]
    rows = {e.slug: Row(e.label, False, []) for e in entrants}
    for board in boards:
        for s in board.all:
            rows[s.entrant.slug].cells[board.column.key] = Cell(s.estimate, s.rank)
    table = Table("crowd", [b.column for b in boards], list(rows.values()), [], [], [])
    by_slug = {e.slug: e for e in entrants}
    found = DatasetBoards(
        "crowd", "crowd", table, boards, rows, by_slug, [_front(boards[0], random)]
    )
    return Leaderboard("A crowd", entrants, [found])


def _board(j: int, n: int, entrants: list[Entrant], random: np.random.Generator) -> Board:
    suite = SUITES[j * len(SUITES) // n]
    column = Column(
        (f"m{j}",), suite, f"metric-{j}", "", "test", f"key-{j}", "", "lower", f"metric {j}",
        f"what metric {j} says", headline=j % 6 == 0, order=j,
    )  # fmt: skip
    values = np.sort(random.normal(10 + j, 3, len(entrants)))
    order = random.permutation(len(entrants))
    standings = [
        Standing(entrants[k], _estimate(v), Rank(max(1, i - 3), min(len(entrants), i + 5),
                 len(entrants)), seeds=(0, 1, 2), training_seconds=1.0 + i)
        for i, (k, v) in enumerate(zip(order, values, strict=True))
    ]  # fmt: skip
    scored = [s for i, s in enumerate(standings) if (i + j) % 37]
    missing = [
        Standing(s.entrant, reason="it was not measured")
        for i, s in enumerate(standings) if not (i + j) % 37
    ]  # fmt: skip
    return Board(
        f"crowd-m{j}", "crowd", column, ("crowd v1",), tuple(scored), (), tuple(missing), ()
    )


def _estimate(value: float) -> Estimate:
    return Estimate(float(value), value - 0.4, value + 0.4, 0.95, 0.2, 0.01, "estimate",
                    "jackknife", 3, 1000, 1000)  # fmt: skip


def _front(board: Board, random: np.random.Generator) -> Front:
    points = [
        Point(s.entrant.slug, s.estimate, _estimate(20 * random.random() + 1),
              "front" if i < 5 else "dominated", "" if i < 5 else board.ranked[0].entrant.slug)
        for i, s in enumerate(board.ranked[:100]) if s.estimate
    ]  # fmt: skip
    return Front("crowd-m0-training", board.slug, Cost("t", "training time", "s", "lower"),
                 tuple(points))  # fmt: skip
