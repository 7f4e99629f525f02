"""Curves over training: what each stage scored beside the others', and the model's own loss."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gengauge_reports import notation
from gengauge_reports.atlas.drawing import Scale
from gengauge_reports.atlas.standing import real_row
from gengauge_reports.atlas.ways import Chart, Stage
from gengauge_reports.figures import curves
from gengauge_reports.table import Column

WIDTH = HEIGHT = 240
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 22, 36
_QUANTILE = 0.97  # of losses are within the frame: the first steps would flatten the rest

Ticks = list[tuple[float, str]]


@dataclass(frozen=True)
class Mark:
    """A point of a curve with its interval, in units of the drawing."""

    x: float
    y: float
    low: float | None
    high: float | None
    told: str


@dataclass(frozen=True)
class Plot:
    """A small plot: quiet lines of the others, marks of this one, ticks of both axes."""

    title: str
    x_title: str
    others: list[str]
    own: str
    faint: str
    marks: list[Mark]
    real: float | None
    x_ticks: Ticks
    y_ticks: Ticks
    told: str


def progress(chart: Chart, label: str) -> Plot | None:
    """Return quality against training time, a mark a stage; None with fewer than two stages."""
    column = chart.lead
    if column is None:
        return None
    found = {name: _points(stages, column) for name, stages in chart.ways.items()}
    mine = found.get(label, [])
    if len(mine) < 2:
        return None
    xs = [x for points in found.values() for x, _, _ in points]
    ys = [e.value for points in found.values() for _, e, _ in points]
    control = real_row(chart)
    floor = control.estimate(column) if control else None
    wide = min(ys) > 0 and max(ys) > 20 * min(ys) and (floor is None or floor.value > 0)
    log = wide and column.direction == "lower"  # of a share, what is near 1 counts
    ends = ys + ([floor.value] if floor else [])
    x = Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT, log=True)
    y = Scale(min(ends), max(ends), HEIGHT - BOTTOM, TOP, log=log)
    marks = [
        Mark(r(x(at)), r(y(e.value)), _place(y, e.low), _place(y, e.high),
             f"{stage.budget}: {notation.number(e.value, e.half)}")
        for at, e, stage in mine
    ]  # fmt: skip
    arrow = notation.ARROWS.get(column.direction, "")
    return Plot(
        f"{column.title} {arrow}".strip(), "training time",
        [_path((x(a), y(e.value)) for a, e, _ in p) for n, p in found.items() if n != label],
        _path((m.x, m.y) for m in marks), "", marks, r(y(floor.value)) if floor else None,
        times(x, 4), ticks(y, 5), "; ".join(m.told for m in marks),
    )  # fmt: skip


def _points(stages: Sequence[Stage], column: Column) -> list[tuple[float, Any, Stage]]:
    return [
        (seconds, estimate, stage)
        for stage in stages
        if (seconds := stage.seconds) and (estimate := stage.estimate(column)) is not None
    ]


def losses(chart: Chart) -> dict[str, Plot]:
    """Return the learning curve of each model's first seed; every loss is a model's own."""
    found = ((c["model"], _loss(c["lines"][0])) for c in curves(chart.table))
    return {name: plot for name, plot in found if plot}


def _loss(line: dict[str, Any]) -> Plot | None:
    train, validation = _series(line["train"]), _series(line["validation"])
    both = [*train, *validation]
    if len(both) < 3:
        return None
    values = sorted(y for _, y in both)
    high = values[min(len(values) - 1, math.floor(_QUANTILE * len(values)))]
    steps = [x for x, _ in both]
    x = Scale(0, max(steps), LEFT, WIDTH - RIGHT)
    y = Scale(values[0], high, HEIGHT - BOTTOM, TOP)
    marks = [Mark(r(x(a)), r(y(b)), None, None, "") for a, b in validation]
    told = f"from {notation.number(both[0][1])} to {notation.number((validation or train)[-1][1])}"
    return Plot(
        "its own loss", "steps", [], _path((m.x, m.y) for m in marks),
        _path((x(a), y(b)) for a, b in train), marks[-1:], None, ticks(x, 4), ticks(y, 5), told,
    )  # fmt: skip


def _series(part: dict[str, Any]) -> list[tuple[float, float]]:
    pairs = zip(part["step"], part["loss"], strict=False)
    return [(float(x), float(y)) for x, y in pairs if x is not None and y is not None]


def ticks(scale: Scale, most: int) -> Ticks:
    """Return places and texts of round values on an axis."""
    return [(r(scale(v)), _written(v)) for v in scale.ticks(most)]


def times(scale: Scale, most: int) -> Ticks:
    """Return places and texts of round durations in seconds."""
    return [(r(scale(v)), duration(v)) for v in scale.ticks(most)]


def duration(seconds: float) -> str:
    """Write a round duration in the unit that needs the fewest digits.

    >>> duration(2e-05), duration(0.5), duration(20.0), duration(5000.0)
    ('20 µs', '500 ms', '20 s', '5000 s')
    """
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds / 1e-9:g} ns"


def _written(value: float) -> str:
    if abs(value) >= 1000:
        return ("-" if value < 0 else "") + notation.compact(abs(value)).replace(" ", "")
    return f"{value:g}"


def _path(points: Iterable[tuple[float, float]]) -> str:
    parts = [f"{r(x)} {r(y)}" for x, y in points]
    return "M" + "L".join(parts) if parts else ""


def _place(scale: Scale, value: float | None) -> float | None:
    return None if value is None else r(scale(value))


def r(value: float) -> float:
    """Round a place: a tenth of a unit is less than can be seen."""
    return round(value, 1)
