"""Who is on the front of quality against a cost, and who is shown to be behind it.

One model is dominated by another that is at least as good and at least as cheap, and better in one
of the two. Values are noisy: a model is called dominated only where somebody who costs no more is
*significantly* better, with the tests of the board (every pair, Holm-corrected). Dominated by value
alone it is ``within noise``: nobody has shown it to be behind. Costs are compared by value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gengauge.aggregate import Estimate, aggregate
from gengauge_reports.leaderboard.board import Board, DatasetBoards
from gengauge_reports.leaderboard.pareto import Cost, Dominance, Front, Point
from gengauge_reports.leaderboard.slugs import slugged
from gengauge_reports.table import Column, Row

QUALITIES_NOT = "speed"  # the suite whose columns are costs
_LARGEST = 1e75  # of a number that a record may state
_COLUMNS = {
    "train_seconds": "training time",
    "samples_per_second": "samples per second",
    "evaluations_per_sample": "function evaluations per sample",
    "flops_per_sample": "FLOPs per sample",
    "peak_memory": "peak memory",
    "parameters": "parameters",
}


@dataclass(frozen=True)
class Price:
    """One cost of the models of a data set, by the slugs of their entrants."""

    cost: Cost
    estimates: dict[str, Estimate]


def fronts(dataset: DatasetBoards, environments: Mapping[str, Mapping[str, Any]]) -> list[Front]:
    """Return a front of each headline quality against each cost that two models or more have."""
    prices = list(_prices(dataset, environments))
    qualities = [b for b in dataset.headline if b.column.suite != QUALITIES_NOT]
    found = [f for b in qualities for price in prices if (f := _front(dataset, b, price))]
    names = [
        (f"{f.board} {f.cost.id} {f.cost.key[:8] if f.cost.qualifier else ''}", _key(f))
        for f in found
    ]
    return [replace(f, slug=s) for f, s in zip(found, slugged(names), strict=True)]


def _key(front: Front) -> str:
    return json.dumps([front.board, front.cost.id, front.cost.key])


def _prices(
    dataset: DatasetBoards, environments: Mapping[str, Mapping[str, Any]]
) -> Iterator[Price]:
    models = {slug: row for slug, row in dataset.rows.items() if not row.control}
    if not any(c.metric == "train_seconds" for c in dataset.table.columns):
        yield from _trained(models, environments)
    yield from _counted(models)
    for metric, label in _COLUMNS.items():
        columns = [c for c in dataset.table.columns if c.metric == metric]
        for column in columns:
            several = column.qualifier if len(columns) > 1 else ""
            cost = Cost(
                metric, label, column.unit, column.direction, column.comparability_key, several
            )
            yield Price(cost, _scored(models, column))


def _scored(models: Mapping[str, Row], column: Column) -> dict[str, Estimate]:
    return {slug: e for slug, row in models.items() if (e := row.sound(column)) is not None}


def _trained(
    models: Mapping[str, Row], environments: Mapping[str, Mapping[str, Any]]
) -> Iterator[Price]:
    """Return the training times that records state, those of each machine apart."""
    machines: dict[str, dict[str, list[float]]] = {}
    for slug, row in models.items():
        for trial in (t for t in row.trials if t.ok):
            seconds = (trial.record.get("training") or {}).get("seconds")
            about = environments.get(str(trial.record.get("environment")), {})
            if seconds is not None:
                on = str(about.get("gpu") or about.get("cpu") or "an unknown machine")
                machines.setdefault(on, {}).setdefault(slug, []).append(float(seconds))
    for on, found in sorted(machines.items()):
        several = f"on {on}" if len(machines) > 1 else ""
        cost = Cost("train_seconds", _COLUMNS["train_seconds"], "s", "lower", on, several)
        yield Price(cost, {slug: _mean(values) for slug, values in found.items()})


def _counted(models: Mapping[str, Row]) -> Iterator[Price]:
    """Return the FLOPs that trainings were counted to take, where they were."""
    found = {
        slug: values
        for slug, row in models.items()
        if (values := [f for t in row.trials if t.ok and (f := _flops(t.record)) is not None])
    }
    if found:
        cost = Cost("training_flops", "training FLOPs", "FLOPs", "lower")
        yield Price(cost, {slug: _mean(values) for slug, values in found.items()})


def _flops(record: Mapping[str, Any]) -> float | None:
    found = (record.get("training") or {}).get("flops")
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if 0 < found < _LARGEST else None


def _mean(values: Sequence[float]) -> Estimate:
    return aggregate([{"value": v, "kind": "exact"} for v in values])


def _front(dataset: DatasetBoards, board: Board, price: Price) -> Front | None:
    quality = {s.entrant.slug: s.estimate for s in board.ranked if s.estimate}
    slugs = sorted(quality.keys() & price.estimates.keys())
    if len(slugs) < 2:
        return None
    good = _oriented(board.column.direction, [quality[s].value for s in slugs])
    cheap = _oriented(price.cost.direction, [price.estimates[s].value for s in slugs])
    fought = dataset.table.fought[board.column.key]
    row_at = {id(row): i for i, row in enumerate(fought.rows)}
    at = [row_at[id(dataset.rows[s])] for s in slugs]
    found = standings(good, cheap, fought.wins[np.ix_(at, at)])
    points = [
        Point(s, quality[s], price.estimates[s], standing, "" if by < 0 else slugs[by])
        for s, (standing, by) in zip(slugs, found, strict=True)
    ]
    order = sorted(range(len(slugs)), key=lambda i: (-cheap[i], -good[i], slugs[i]))
    without = tuple(sorted(quality.keys() - price.estimates.keys()))
    return Front("", board.slug, price.cost, tuple(points[i] for i in order), without)


def _oriented(direction: str, values: Sequence[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64) * (1 if direction == "higher" else -1)


def standings(
    good: NDArray[np.float64], cheap: NDArray[np.float64], wins: NDArray[np.bool_]
) -> list[tuple[Dominance, int]]:
    """Return how each model stands, and the index of the best that dominates it, or -1.

    ``good`` and ``cheap`` are better the higher; ``wins[i, j]``: i is significantly better than j.

    >>> wins = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0]], dtype=bool)
    >>> standings(np.array([3.0, 2.9, 1.0]), np.array([5.0, 4.0, 3.0]), wins)
    [('front', -1), ('within noise', 0), ('dominated', 0)]
    """
    no_worse = (good[:, None] >= good) & (cheap[:, None] >= cheap)
    dominates = no_worse & ((good[:, None] > good) | (cheap[:, None] > cheap))
    shown = wins & (cheap[:, None] >= cheap)
    return [_standing(good, shown[:, j], dominates[:, j]) for j in range(len(good))]


def _standing(
    good: NDArray[np.float64], shown: NDArray[np.bool_], dominates: NDArray[np.bool_]
) -> tuple[Dominance, int]:
    if not dominates.any() and not shown.any():
        return "front", -1
    by = shown if shown.any() else dominates
    best = int(np.flatnonzero(by)[np.argmax(good[by])])
    return ("dominated" if shown.any() else "within noise"), best
