"""Where a model stands beside the others: each score a dot on a line, the better the righter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from gengauge.aggregate import Estimate
from gengauge_reports import notation
from gengauge_reports.atlas.drawing import Scale
from gengauge_reports.atlas.ways import Chart
from gengauge_reports.table import Column, Row

WIDTH, INSET = 240, 8
_COSTS = ("train_seconds", "samples_per_second", "evaluations_per_sample", "parameters",
          "flops_per_sample", "peak_memory")  # fmt: skip
_TIMES = "\N{NO-BREAK SPACE}\N{MULTIPLICATION SIGN}"
_NARROW = 1e-4  # of a value
_REACH = 12.0  # the line ends at so many times the median's distance from the best


@dataclass(frozen=True)
class Line:
    """One score of one model and where the others are; places are in units of the drawing."""

    title: str
    arrow: str
    unit: str
    summary: str
    rank: str
    of: int
    first: bool
    text: str
    half: str
    sign: str
    caveat: str
    reason: str
    others: list[float]
    here: float | None
    span: tuple[float, float] | None
    beyond: bool
    real: float | None
    ratio: str


def quality(chart: Chart, label: str) -> list[Line]:
    """Return a line for each headline quality of a dataset that anybody has."""
    found = [_line(chart, c, label, log=False) for c in chart.quality]
    return sorted(found, key=lambda line: not line.text)


def costs(chart: Chart, label: str) -> list[Line]:
    """Return a line for each cost that was measured, on logarithmic axes."""
    columns = {c.metric: c for c in chart.table.columns if c.suite == "speed"}
    found = [_line(chart, columns[m], label, log=True) for m in _COSTS if m in columns]
    return [line for line in found if line.text]


def scale(column: Column, rows: Sequence[Row], log: bool, real: Estimate | None = None) -> Scale:
    """Return the axis of a column, the better end to the right, far outliers left off it."""
    values = [e.value for r in rows if (e := r.estimate(column)) is not None]
    lower = column.direction == "lower"
    log = log and min(values, default=0.0) > 0
    ends = values + ([real.value] if real and not log else [])
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if not log and len(values) > 2:
        reach = _REACH * max(abs(median(values) - (low if lower else high)), 1e-12)
        low, high = (low, min(high, low + reach)) if lower else (max(low, high - reach), high)
    inside = (INSET, WIDTH - INSET)
    start, end = inside[::-1] if lower else inside
    return Scale(low, high, start, end, log)


def real_row(chart: Chart) -> Row | None:
    """Return the control that draws real data, if the run has it."""
    rows = (r for r in chart.table.controls if r.trials[0].model.get("base") == "real")
    return next(rows, None)


def _line(chart: Chart, column: Column, label: str, *, log: bool) -> Line:
    row, controls = chart.row(label), real_row(chart)
    real = controls.estimate(column) if controls and not log else None
    models = chart.table.models
    axis = scale(column, models, log, real)
    others = [
        round(axis(e.value), 1)
        for r in models if r.label != label and (e := r.estimate(column)) is not None
    ]  # fmt: skip
    cell = row.cells[column.key] if row else None
    estimate = cell.estimate if cell else None
    text, half = _written(estimate, column, log)
    rank = cell.rank if cell else None
    return Line(
        column.title, notation.ARROWS.get(column.direction, ""),
        "" if log and column.unit == "s" else column.extra_unit, column.summary,
        notation.place(rank), rank.n if rank else 0, bool(rank and rank.low == 1 and not log),
        text, half, notation.SIGNS.get(estimate.kind, "?") if estimate else "",
        cell.caveat if cell else "", cell.reason if cell else "no part in this dataset",
        sorted(others), round(axis(estimate.value), 1) if estimate else None,
        _span(axis, estimate), bool(estimate and not axis.holds(estimate.value)),
        round(axis(real.value), 1) if real else None,
        _ratio(estimate, column, models) if log else "",
    )  # fmt: skip


def _written(estimate: Estimate | None, column: Column, cost: bool) -> tuple[str, str]:
    """Write a value and half its interval; of a cost three digits, and the interval is drawn."""
    if estimate is None:
        return "", ""
    if not cost:
        return _spread(estimate)
    if column.unit == "s":
        return notation.seconds(estimate.value), ""
    value = float(f"{estimate.value:.3g}")
    if value >= 1e4:
        return notation.compact(value), ""
    return (f"{value:g}" if value >= 1e-4 else notation.number(value)), ""


def _spread(estimate: Estimate) -> tuple[str, str]:
    """Write a value and its interval, but for one too narrow to be seen: of a count, say."""
    low, high = estimate.low, estimate.high
    if low is not None and high is not None and high - low < _NARROW * abs(estimate.value):
        return notation.number(estimate.value), ""
    return notation.spread(estimate.value, low, high)


def _span(axis: Scale, estimate: Estimate | None) -> tuple[float, float] | None:
    if estimate is None or estimate.low is None or estimate.high is None:
        return None
    first, last = sorted((axis(estimate.low), axis(estimate.high)))
    return round(first, 1), round(last, 1)


def _ratio(estimate: Estimate | None, column: Column, rows: Sequence[Row]) -> str:
    """Say how many times the median of the models a cost is; nothing where it is about that."""
    usual = typical(column, rows)
    if estimate is None or not usual or estimate.value <= 0:
        return ""
    times = estimate.value / usual
    return f"{_times(times)} the median" if times >= 1.5 or times <= 1 / 1.5 else "about the median"


def _times(ratio: float) -> str:
    """Write a ratio: 3.2, 1/250 or 128 times."""
    inverse = 1 / ratio
    if ratio < 1:
        return (
            f"1/{notation.compact(round(inverse, 1) if inverse < 10 else round(inverse))}{_TIMES}"
        )
    return f"{notation.compact(round(ratio, 1) if ratio < 10 else round(ratio))}{_TIMES}"


def typical(column: Column, rows: Sequence[Row]) -> float:
    """Return the median of the models' values in a column, 0 where there are fewer than three."""
    values = [e.value for r in rows if (e := r.estimate(column)) is not None]
    return median(values) if len(values) > 2 else 0.0
