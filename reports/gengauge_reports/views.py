"""Ranked tables as the page shows them: every text final, nothing for the template to work out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gengauge.aggregate import Estimate
from gengauge.gather import Trial
from gengauge_reports import notation
from gengauge_reports.explaining import explanation
from gengauge_reports.table import Column, Row, Table


@dataclass
class Tips:
    """The explanations behind numbers: ``columns`` and ``cells`` are referred to by index."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class CellView:
    """One number of the page; ``marks`` are low, value and high in percent of the column."""

    text: str
    caveat: bool
    sign: str
    half: str
    rank: str
    first: bool
    value: float | None
    tip: int
    marks: tuple[float, float, float] | None


@dataclass(frozen=True)
class HeadView:
    """The head of a column."""

    title: str
    arrow: str
    unit: str
    qualifier: str
    suite: str
    headline: bool
    better: str
    tip: int
    opens: bool


@dataclass(frozen=True)
class RowView:
    """One row of the page."""

    label: str
    family: str
    summary: str
    finished_seeds: int
    parameters: int | None
    failed_seeds: int
    cells: list[CellView]


@dataclass(frozen=True)
class TableView:
    """The ranked table of one dataset and what is said beside it."""

    heads: list[HeadView]
    models: list[RowView]
    controls: list[RowView]
    leaders: list[tuple[str, list[tuple[str, str, bool]]]]
    suites: list[str]
    signs: list[tuple[str, str]]
    caveats: list[tuple[str, str, str]]
    bounds: bool


def table_view(table: Table, tips: Tips) -> TableView:
    """Return the view of one table, adding its explanations to ``tips``."""
    before = ["", *(c.suite for c in table.columns)]
    heads = [_head(c, tips, c.suite != b) for c, b in zip(table.columns, before, strict=False)]
    spans = [_span(c, table.models or table.controls) for c in table.columns]
    return TableView(
        heads,
        [_row(r, table.columns, heads, spans, tips) for r in table.models],
        [_row(r, table.columns, heads, spans, tips) for r in table.controls],
        _leaders(table),
        list(dict.fromkeys(c.suite for c in table.columns)),
        _signs([*table.models, *table.controls]),
        table.caveats(table.columns),
        any("bound" in e.kind for c in table.columns for r in table.models if (e := r.sound(c))),
    )


def _signs(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the signs these rows use, with what each says."""
    kinds = {c.estimate.kind for r in rows for c in r.cells.values() if c.estimate}
    signed = [k for k in ("upper_bound", "lower_bound", "estimate") if k in kinds]
    return [(notation.SIGNS[k], k.replace("_", " ")) for k in signed]


def _head(column: Column, tips: Tips, opens: bool) -> HeadView:
    better = f"{column.direction} is better"
    facts = [
        ("Meaning", column.summary),
        ("Unit", column.unit),
        ("Direction", better),
        ("Embedder", column.embedder),
        ("Split", column.split),
        ("Source", column.reference),
        ("Comparable", f"only under key {column.comparability_key[:16]}"),
    ]
    tips.columns.append({"title": column.title, "facts": [f for f in facts if f[1]]})
    return HeadView(
        column.title, notation.ARROWS.get(column.direction, ""),
        column.extra_unit, column.qualifier, column.suite, column.headline, better,
        len(tips.columns) - 1, opens,
    )  # fmt: skip


def _span(column: Column, rows: Sequence[Row]) -> tuple[float, float]:
    """Return the range of the models' intervals; a control beyond it gets no mark."""
    found = [e for r in rows if (e := r.estimate(column))]
    ends = [v for e in found for v in (e.value, e.low, e.high) if v is not None]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _row(
    row: Row,
    columns: Sequence[Column],
    heads: Sequence[HeadView],
    spans: Sequence[tuple[float, float]],
    tips: Tips,
) -> RowView:
    model = row.trials[0].model
    cells = [
        _cell(row, c, head.tip, span, tips)
        for c, head, span in zip(columns, heads, spans, strict=True)
    ]
    return RowView(
        row.label, str(model.get("family", "")), str(model.get("summary") or ""),
        len(row.trials) - len(row.failures), model.get("n_parameters"), len(row.failures), cells,
    )  # fmt: skip


def _cell(
    row: Row, column: Column, head: int, span: tuple[float, float], tips: Tips
) -> CellView:  # fmt: skip
    cell = row.cells[column.key]
    tips.cells.append({"row": row.label, "column": head, "facts": explanation(cell, column)})
    tip = len(tips.cells) - 1
    estimate = cell.estimate
    if estimate is None:
        return CellView(notation.NONE, False, "", "", "", False, None, tip, None)
    value, spread = notation.spread(estimate.value, estimate.low, estimate.high)
    return CellView(
        value, bool(cell.caveat), notation.SIGNS.get(estimate.kind, "?"), spread,
        notation.place(cell.rank),
        cell.rank is not None and cell.rank.low == 1, estimate.value, tip, _marks(estimate, span),
    )  # fmt: skip


def _marks(estimate: Estimate, span: tuple[float, float]) -> tuple[float, float, float] | None:
    low, high = span
    if high <= low or not low <= estimate.value <= high:
        return None

    def percent(value: float | None) -> float:
        share = ((estimate.value if value is None else value) - low) / (high - low)
        return round(4 + 92 * min(1.0, max(0.0, share)), 1)

    return percent(estimate.low), percent(estimate.value), percent(estimate.high)


def _leaders(table: Table) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """Return, for each suite, the headline columns and who leads them."""
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for column in table.headline:
        if leader := _leader(column, table.models):
            found.setdefault(column.suite, []).append(leader)
    return list(found.items())


def _leader(column: Column, models: Sequence[Row]) -> tuple[str, str, bool] | None:
    """Return a column's title, the models that share its first place, and whether it names any."""
    first = [r.label for r in models if (k := r.cells[column.key].rank) and k.low == 1]
    if not first:
        return None
    arrow = "\N{NO-BREAK SPACE}" + notation.ARROWS.get(column.direction, "")
    title = column.title + arrow + (f", {column.qualifier}" if column.qualifier else "")
    scored = sum(r.sound(column) is not None for r in models)
    if len(first) == scored:
        return title, f"no difference shown between {scored} models", False
    if len(first) > 3:
        return title, f"{len(first)} of {scored} models share it", False
    return title, ", ".join(first), True


def trial_facts(trial: Trial) -> dict[str, Any]:
    """Return what the list of trials shows of one: cost, status, reason and its command."""
    record, model = trial.record, trial.model
    timing = record.get("timing") or {}
    return {
        "model": model["id"],
        "seed": trial.seed,
        "status": record["status"],
        "reason": trial.reason,
        "budget": "" if model.get("control") else record.get("budget") or "",
        "times": [(name, timing.get(name)) for name in ("load", "train", "sample", "score")],
        "started": record.get("started_at") or "",
        "environment": record.get("environment") or "",
        "command": record.get("command") or "",
        "command_line": record.get("command_line") or "",
        "key": trial.key,
    }
