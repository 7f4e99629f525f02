"""What became of a model from version to version."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from gengauge.aggregate import Estimate, difference_p, freedom, quantile
from gengauge.examples import Examples, examples
from gengauge.gather import identity
from gengauge.statistics import LEVEL, paired_difference
from gengauge_reports.comparing import ALPHA, may_beat
from gengauge_reports.leaderboard.board import Board, DatasetBoards, Entrant
from gengauge_reports.leaderboard.versions import History, Version
from gengauge_reports.table import Column, Row

_Past = tuple[Entrant, Row, str]  # with the time of its first trial
_FIELDS = ("", "parameters", "budget", "version", "precision")


def histories(datasets: Iterable[DatasetBoards]) -> list[History]:
    """Return, for each model id that stands several times on a board, what each version changed.

    Versions are in the order in which they were first run. Each is tested against the one before,
    on paired examples where both have them; the p-values are not corrected for their number.
    """
    found = []
    for dataset in datasets:
        pasts = _pasts(dataset)
        for board in dataset.boards:
            for id_, versions in pasts.items():
                if history := _history(id_, board, versions):
                    found.append(history)
    return found


def _pasts(dataset: DatasetBoards) -> dict[str, list[_Past]]:
    by_id: dict[str, list[_Past]] = {}
    for slug, row in dataset.rows.items():
        if not row.control:
            started = min(str(t.record.get("started_at") or "") for t in row.trials)
            entrant = dataset.entrants[slug]
            by_id.setdefault(entrant.id, []).append((entrant, row, started))
    return {
        id_: sorted(past, key=lambda p: (p[2], p[0].key))
        for id_, past in sorted(by_id.items()) if len(past) > 1
    }  # fmt: skip


def _history(id_: str, board: Board, past: Sequence[_Past]) -> History | None:
    column = board.column
    scored = [(p, e) for p in past if (e := p[1].sound(column)) is not None]
    if len(scored) < 2:
        return None
    versions = [Version(p[0].slug, p[0].label, p[2], e) for p, e in scored[:1]]
    for (old, _), (new, estimate) in pairwise(scored):
        change, low, high, p = difference(old[1], new[1], column)
        versions.append(
            Version(
                new[0].slug, new[0].label, new[2], estimate, _what(old[1], new[1]),
                change, low, high, p, _verdict(column, old[1], new[1], p),
            )
        )  # fmt: skip
    return History(id_, board.slug, board.dataset, column.title, tuple(versions))


def difference(
    old: Row, new: Row, column: Column
) -> tuple[float, float | None, float | None, float]:
    """Return new minus old, its 95 % interval, and the p-value of there being no difference."""
    a, b = new.sound(column), old.sound(column)
    assert a is not None
    assert b is not None
    x, y = _examples(new, column), _examples(old, column)
    if x is not None and y is not None and x.values.shape[1] == y.values.shape[1]:
        found = paired_difference(x.values, y.values, hidden=x.hidden + y.hidden)
        return found.value, found.interval.low, found.interval.high, found.p
    change = a.value - b.value
    if a.standard_error is None or b.standard_error is None:
        return change, None, None, 1.0
    half = _half(a, b, a.standard_error**2 + b.standard_error**2)
    return change, change - half, change + half, difference_p(a, b)


def _half(a: Estimate, b: Estimate, variance: float) -> float:
    if variance == 0:
        return 0.0
    degrees = freedom((a.between, b.between), (a.n_seeds, b.n_seeds), variance)
    return quantile(LEVEL, degrees) * math.sqrt(variance)


def _examples(row: Row, column: Column) -> Examples | None:
    trials, scores = zip(*row.measured(column), strict=True)
    return examples(trials, scores)


def _verdict(column: Column, old: Row, new: Row, p: float) -> str:
    a, b = new.sound(column), old.sound(column)
    assert a is not None
    assert b is not None
    improved = (a.value > b.value) == (column.direction == "higher")
    ahead, behind = (a, b) if improved else (b, a)
    if p > ALPHA or not may_beat(column, ahead, behind):
        return "no difference shown"
    return "better" if improved else "worse"


def _what(old: Row, new: Row) -> tuple[str, ...]:
    """Say what differs: ``latent 16 → 32``, ``version 0.1.0 → 0.2.0``."""
    before, after = identity(old.trials[0]), identity(new.trials[0])
    changes = []
    for name, a, b in zip(_FIELDS[1:], before[1:], after[1:], strict=True):
        if a != b and name == "parameters":
            changes += _parameters(json.loads(a), json.loads(b))
        elif a != b:
            changes.append(f"{name} {a.strip() or 'unknown'} → {b.strip() or 'unknown'}")
    return tuple(changes)


def _parameters(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [
        f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
