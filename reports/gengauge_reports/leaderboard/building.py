"""From runs to a leaderboard."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gengauge.gather import Runs, Trial, identity
from gengauge_reports.figures import training_seconds
from gengauge_reports.leaderboard.aggregating import aggregates
from gengauge_reports.leaderboard.board import (
    Board,
    DatasetBoards,
    Entrant,
    Leaderboard,
    Standing,
)
from gengauge_reports.leaderboard.dominance import fronts
from gengauge_reports.leaderboard.entrants import Key, entrants, latest
from gengauge_reports.leaderboard.history import histories
from gengauge_reports.leaderboard.slugs import slugged
from gengauge_reports.ranking import tables
from gengauge_reports.table import Column, Row, Table, column_key


def leaderboard(runs: Runs, title: str = "") -> Leaderboard:
    """Return everything that is published of ``runs``; the same records give the same numbers."""
    found, by_identity = entrants(runs.trials)
    datasets = _datasets(runs, by_identity)
    for dataset in datasets:
        dataset.fronts = fronts(dataset, runs.environments)
    return Leaderboard(
        title or _title(runs), found, datasets, aggregates(datasets, found), histories(datasets),
        trials=runs.trials, metrics=runs.metrics, environments=runs.environments,
        warnings=list(runs.warnings),
    )  # fmt: skip


def _title(runs: Runs) -> str:
    names = {_benchmark(t) for t in runs.trials}
    return " + ".join(sorted(filter(None, names))) or "leaderboard"


def _benchmark(trial: Trial) -> str:
    about = trial.record.get("benchmark") or {}
    version = about.get("version")
    return str(about.get("name") or "") + (f" v{version}" if version else "")


def _datasets(runs: Runs, who: dict[Key, Entrant]) -> list[DatasetBoards]:
    found = sorted(tables(runs), key=lambda t: t.dataset)
    slugs = slugged([(t.dataset, t.dataset) for t in found])
    made = []
    for table, slug in zip(found, slugs, strict=True):
        rows: dict[str, Row] = {}
        there: dict[str, Entrant] = {}
        for row in (*table.models, *table.controls, *table.failed):
            entrant = who[identity(row.trials[0])]
            row.label = entrant.label
            rows[entrant.slug], there[entrant.slug] = row, entrant
        boards = _boards(table, slug, [(there[s], row) for s, row in rows.items()])
        current = latest({there[s]: row.trials for s, row in rows.items()})
        made.append(DatasetBoards(table.dataset, slug, table, boards, rows, there, current))
    return made


def _boards(table: Table, slug: str, rows: Sequence[tuple[Entrant, Row]]) -> list[Board]:
    names = [
        (f"{slug} {c.metric} {c.embedder} {c.comparability_key[:8]}", json.dumps(c.key))
        for c in table.columns
    ]
    benchmarks = _benchmarks(rows)
    return [
        _board(name, table.dataset, column, benchmarks.get(column.key, ()), rows)
        for name, column in zip(slugged(names), table.columns, strict=True)
    ]


def _benchmarks(rows: Sequence[tuple[Entrant, Row]]) -> dict[Key, tuple[str, ...]]:
    """Return the benchmarks whose scores each column holds."""
    found: dict[Key, set[str]] = {}
    for trial in (t for _, row in rows for t in row.trials if t.ok):
        for score in trial.record["scores"]:
            if score.get("value") is not None:
                found.setdefault(column_key(score), set()).add(_benchmark(trial))
    return {key: tuple(sorted(filter(None, names))) for key, names in found.items()}


def _board(
    slug: str,
    dataset: str,
    column: Column,
    benchmarks: tuple[str, ...],
    rows: Sequence[tuple[Entrant, Row]],
) -> Board:
    sign = -1 if column.direction == "higher" else 1

    def place(standing: Standing) -> tuple[float, str]:
        estimate = standing.estimate
        return (sign * estimate.value if estimate else 0.0, standing.entrant.label)

    found = sorted((_standing(e, row, column) for e, row in rows), key=place)
    models = [s for s in found if not s.entrant.control]
    scored = [s for s in models if s.estimate is not None]
    return Board(
        slug, dataset, column, benchmarks,
        tuple(s for s in scored if not s.caveat), tuple(s for s in scored if s.caveat),
        tuple(s for s in models if s.estimate is None),
        tuple(s for s in found if s.entrant.control),
    )  # fmt: skip


def _standing(entrant: Entrant, row: Row, column: Column) -> Standing:
    cell = row.cells[column.key]
    reason = cell.reason
    if cell.estimate is None and not reason:
        reason = "; ".join(f"{status}: {why}" for status, why, _ in row.failure_reasons)
    seeds = [t.seed for t, _ in row.measured(column)] or [t.seed for t in row.trials if t.ok]
    return Standing(
        entrant, cell.estimate, cell.rank, cell.normalised,
        reason or ("" if cell.estimate else "it was not measured"), cell.caveat,
        tuple(sorted(s for s in seeds if s is not None)), training_seconds(row),
        next((str(c) for t in row.trials if (c := t.record.get("command"))), ""),
    )  # fmt: skip
