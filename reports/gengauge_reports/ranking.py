"""From records to ranked tables, one a dataset; numbers only, no formatting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from gengauge.aggregate import Score, aggregate
from gengauge.examples import examples
from gengauge.gather import Runs, Trial, identity, labels
from gengauge_reports.comparing import Entry, duels
from gengauge_reports.table import (
    LAST,
    Cell,
    Column,
    Fought,
    Rank,
    Row,
    Table,
    column_key,
    protocol,
)


def tables(runs: Runs) -> list[Table]:
    """Return one ranked table for each dataset."""
    return [_table(runs, dataset) for dataset in runs.datasets]


def _table(runs: Runs, dataset: str) -> Table:
    trials = runs.on(dataset)
    columns = _columns(trials, runs.metrics)
    rows = _rows(trials)
    for row in rows:
        _fill(row, columns)
    alive = [r for r in rows if not r.failed]
    models = [r for r in alive if not r.control]
    controls = [r for r in alive if r.control]
    fought = {}
    for column in columns:
        fought[column.key] = rank(column, models)
        _normalise(column, models, controls)
    table = Table(dataset, columns, models, controls, [r for r in rows if r.failed], [], fought)
    table.unscored = _unscored(alive, columns)
    table.models = _ordered(models, table.headline)
    return table


def _rows(trials: Sequence[Trial]) -> list[Row]:
    named = labels(trials)
    groups: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        groups.setdefault(identity(trial), []).append(trial)
    return [
        Row(named[key], bool(group[0].model.get("control")), group)
        for key, group in groups.items()
    ]  # fmt: skip


def _columns(trials: Iterable[Trial], metrics: dict[str, dict[str, Any]]) -> list[Column]:
    scores: dict[tuple[str, ...], Score] = {}
    benchmarks: dict[tuple[str, ...], str] = {}
    for trial in trials:
        benchmark = trial.record.get("benchmark") or {}
        for score in trial.record["scores"] if trial.ok else ():
            if score.get("value") is not None:
                scores.setdefault(column_key(score), score)
                name = f"{benchmark.get('name', '')} v{benchmark.get('version', '')}"
                benchmarks.setdefault(column_key(score), name)
    columns = [_column(key, score, metrics) for key, score in scores.items()]
    columns = [_qualified(c, columns, scores, benchmarks) for c in columns]
    return sorted(columns, key=lambda c: (c.order, c.key))


def _column(key: tuple[str, ...], score: Score, metrics: dict[str, dict[str, Any]]) -> Column:
    about = metrics.get(score["metric"], {})
    suite, metric, embedder, split, comparability_key = key
    return Column(
        key, suite, metric, embedder, split, comparability_key,
        unit=score.get("unit") or about.get("unit") or "",
        direction=score.get("direction") or about.get("direction") or "lower",
        label=about.get("label") or score["metric"],
        summary=about.get("summary") or "",
        reference=about.get("reference") or "",
        headline=bool(about.get("headline")),
        order=int(about.get("order", LAST)),
    )  # fmt: skip


def _qualified(
    column: Column,
    columns: Sequence[Column],
    scores: dict[tuple[str, ...], Score],
    benchmarks: dict[tuple[str, ...], str],
) -> Column:
    """Say what sets a column apart from its twins; the key itself where nothing else does."""
    twins = [c for c in columns if (c.metric, c.embedder) == (column.metric, column.embedder)]
    if len(twins) == 1:
        return column

    def facts(key: tuple[str, ...]) -> dict[str, str]:
        score = scores[key]
        weights = (score.get("embedder") or {}).get("sha256") or ""
        return {
            "": score.get("split") or "", "n = ": str(score.get("n_samples")),
            "n ref. = ": str(score.get("n_reference")), "weights ": weights[:8],
            "on ": benchmarks[key], "suite ": score["suite"],
        }  # fmt: skip

    mine, others = facts(column.key), [facts(c.key) for c in twins]
    parts = [f"{k}{v}" for k, v in mine.items() if len({o[k] for o in others}) > 1]
    parts.append(f"key {column.comparability_key[:8] or 'none'}")
    return replace(column, qualifier=", ".join(parts))


def _fill(row: Row, columns: Iterable[Column]) -> None:
    # an unscored metric may carry any key, or none: its reason holds for every column of it
    reasons: dict[tuple[str, ...], str] = {}
    for score in (s for t in row.trials if t.ok for s in t.record["scores"]):
        if score.get("value") is None and score.get("unscored_reason"):
            reasons.setdefault(protocol(score)[:3], score["unscored_reason"])
    for column in columns:
        mine = [s for _, s in row.measured(column)]
        if mine:
            caveats = dict.fromkeys(s["caveat"] for s in mine if s.get("caveat"))
            row.cells[column.key] = Cell(aggregate(mine), caveat="; ".join(caveats))
            continue
        row.cells[column.key] = Cell(reason=reasons.get(column.key[:3], ""))


def rank(column: Column, rows: Sequence[Row]) -> Fought:
    """Give the scored rows of ``column`` their shared ranks, and return who beats whom.

    What has a caveat takes no part.

    ``rank = 1 + number of models significantly better``, and it could be as far as ``n - number
    significantly worse``.
    """
    scored = [(r, e) for r in rows if (e := r.sound(column)) is not None]
    entries = []
    for row, estimate in scored:
        trials, scores = zip(*row.measured(column), strict=True)
        entries.append(Entry(estimate, examples(trials, scores)))
    fought = duels(column, entries)
    n = len(scored)
    for (row, _), better, worse, paired in zip(
        scored, fought.better, fought.worse, fought.paired.tolist(), strict=True
    ):
        place = Rank(1 + better, n - worse, n, paired=paired)
        # alone there is no place to take
        row.cells[column.key] = replace(row.cells[column.key], rank=place if n > 1 else None)
    return Fought([row for row, _ in scored], fought.wins)


def _normalise(column: Column, models: Sequence[Row], controls: Sequence[Row]) -> None:
    ends = {
        str(r.trials[0].model.get("base") or r.label): e.value
        for r in controls if (e := r.sound(column)) is not None
    }  # fmt: skip
    if "real" not in ends or "noise" not in ends or ends["real"] == ends["noise"]:
        return
    span = ends["real"] - ends["noise"]
    for row in (*models, *controls):
        estimate = row.sound(column)
        if estimate is not None:
            share = (estimate.value - ends["noise"]) / span
            row.cells[column.key] = replace(row.cells[column.key], normalised=share)


def _unscored(rows: Iterable[Row], columns: Iterable[Column]) -> list[tuple[str, str, str]]:
    known = {c.key[:3] for c in columns}
    found: dict[tuple[str, str, str], None] = {}
    for row in rows:
        for score in (s for t in row.trials if t.ok for s in t.record["scores"]):
            if score.get("value") is None and protocol(score)[:3] not in known:
                reason = score.get("unscored_reason") or "no reason was recorded"
                found[(row.label, score["metric"], reason)] = None
    return list(found)


def _ordered(models: Sequence[Row], headline: Sequence[Column]) -> list[Row]:
    """Order by the first headline column on which most models are scored, best first."""
    if not headline:
        return sorted(models, key=lambda r: r.label)

    def scored(column: Column) -> int:
        return sum(r.sound(column) is not None for r in models)

    lead = max(headline, key=scored)  # max keeps the first of equals
    sign = -1 if lead.direction == "higher" else 1

    def place(row: Row) -> tuple[bool, float, str]:
        estimate = row.sound(lead)
        return (estimate is None, sign * estimate.value if estimate else 0.0, row.label)

    return sorted(models, key=place)
