"""All models at a glance: what each can do, how it does on every dataset, and quality by cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gengauge_reports import notation
from gengauge_reports.atlas.abilities import SKILLS, Abilities
from gengauge_reports.atlas.drawing import Scale
from gengauge_reports.atlas.effort import Ticks, r, ticks, times
from gengauge_reports.atlas.labelling import labelled
from gengauge_reports.atlas.standing import real_row
from gengauge_reports.atlas.standing import scale as axis_of
from gengauge_reports.atlas.ways import Chart
from gengauge_reports.figures import training_seconds
from gengauge_reports.table import Column, Row

WIDTH, HEIGHT = 540, 320
LEFT, RIGHT, TOP, BOTTOM = 54, 16, 14, 40
_LONGEST = 24


@dataclass(frozen=True)
class Standing:
    """How a model does in the lead quality of one dataset."""

    text: str
    sign: str
    rank: str
    first: bool
    reason: str


@dataclass(frozen=True)
class Entry:
    """A row of the table at the top."""

    label: str
    family: str
    likelihood: list[str]
    skills: list[bool]
    parameters: str
    standings: list[Standing | None]


@dataclass(frozen=True)
class Spot:
    """A model on a map of quality by cost; ``at`` is how its label is anchored.

    ``line`` is the path from its mark to a label that stands apart, empty where it stands close.
    """

    label: str
    kind: str
    x: float
    y: float
    text_x: float
    text_y: float
    at: str
    line: str


@dataclass(frozen=True)
class Map:
    """Quality by one cost on one dataset."""

    title: str
    x_title: str
    y_title: str
    spots: list[Spot]
    real: float | None
    x_ticks: Ticks
    y_ticks: Ticks
    left_out: list[str]


def entry(
    label: str, family: str, can: Abilities, shared: Sequence[str], charts: Sequence[Chart]
) -> Entry:
    """Return the row of one model; ``shared`` are the skills that have a column."""
    rows = [row for c in charts if (row := c.row(label))]
    counts = [n for row in rows if (n := row.trials[0].model.get("n_parameters"))]
    sizes = list(dict.fromkeys(notation.compact(n) for n in sorted(counts)))
    shown = f" {notation.NONE} ".join([sizes[0], sizes[-1]] if len(sizes) > 1 else sizes)
    return Entry(
        label, family, can.kinds, [name in can.skills for name in shared], shown,
        [_standing(c, label) for c in charts],
    )  # fmt: skip


def skills(everybody: Sequence[Abilities]) -> list[str]:
    """Return the skills that anybody has, in their order."""
    return [name for name, _ in SKILLS if any(name in a.skills for a in everybody)]


def _standing(chart: Chart, label: str) -> Standing | None:
    row, column = chart.row(label), chart.lead
    if row is None or column is None:
        return None
    cell = row.cells[column.key]
    if cell.estimate is None:
        return Standing(notation.NONE, "", "", False, cell.reason)
    e = cell.estimate
    text, _ = notation.spread(e.value, e.low, e.high)
    rank = cell.rank
    return Standing(text, notation.SIGNS.get(e.kind, "?"), notation.place(rank),
                    bool(rank and rank.low == 1), "")  # fmt: skip


def maps(chart: Chart, kinds: dict[str, str]) -> list[Map]:
    """Return the lead quality by training time and by the time a sample takes, where known."""
    speed = next((c for c in chart.table.columns if c.metric == "samples_per_second"), None)
    training = {row.label: training_seconds(row) for row in chart.table.models}
    sampling = {
        row.label: 1 / e.value
        for row in chart.table.models
        if speed and (e := row.estimate(speed)) is not None and e.value > 0
    }
    found = [
        _map(chart, "Training", "training time", training, kinds),
        _map(chart, "Sampling", "time a sample, in batches", sampling, kinds),
    ]
    return [m for m in found if m]


def _map(chart: Chart, title: str, x_title: str, cost: dict[str, float | None] | dict[str, float],
         kinds: dict[str, str]) -> Map | None:  # fmt: skip
    column = chart.lead
    if column is None:
        return None
    known = [
        (row, seconds, e.value)
        for row in chart.table.models
        if (seconds := cost.get(row.label)) and (e := row.sound(column)) is not None
    ]
    if len(known) < 2:
        return None
    spent = [seconds for _, seconds, _ in known]
    x = Scale(min(spent) / 1.6, max(spent) * 1.6, LEFT, WIDTH - RIGHT, log=True)
    y, shown_by, real = _upward(chart, column, [row for row, _, _ in known])
    places = [  # a far outlier stands a little within the frame
        (row.label, kinds.get(row.label, ""), x(s), y(min(shown_by.high, max(shown_by.low, v))))
        for row, s, v in known
    ]
    shown = {row.label for row, _, _ in known}
    return Map(
        title, x_title, f"{column.title} {notation.ARROWS.get(column.direction, '')}".strip(),
        _spots(places, real), real, times(x, 6), ticks(y, 6),
        [row.label for row in chart.table.models if row.label not in shown],
    )  # fmt: skip


def _upward(chart: Chart, column: Column, rows: Sequence[Row]) -> tuple[Scale, Scale, float | None]:
    """Return the axis of a quality with the better end at the top, what it shows, and real data."""
    control = real_row(chart)
    floor = control.estimate(column) if control else None
    flat = axis_of(column, rows, log=False, real=floor)
    pad = 0.06 * (flat.high - flat.low)
    better_low = flat.start > flat.end
    ends = (TOP, HEIGHT - BOTTOM) if better_low else (HEIGHT - BOTTOM, TOP)
    y = Scale(flat.low - pad, flat.high + pad, *ends)
    return y, flat, r(y(floor.value)) if floor else None


def _spots(points: Sequence[tuple[str, str, float, float]], real: float | None) -> list[Spot]:
    """Return the marks with their names, which keep off the axis and off the word at its line."""
    blocked = []
    if real is not None:
        above = real > 20
        blocked.append((WIDTH - RIGHT - 60.0, real - 14.0 * above, WIDTH - RIGHT, real + 14.0))
    named = [
        (label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…", x, y)
        for label, _, x, y in points
    ]
    frame = (LEFT + 2.0, 0.0, WIDTH - 2.0, HEIGHT - BOTTOM - 1.0)
    return [
        Spot(label.text, kind, r(x), r(y), r(label.x), r(label.y), label.anchor,
             f"M{r(x)} {r(y)}L{r(label.line[0])} {r(label.line[1])}" if label.line else "")
        for label, (_, kind, x, y) in zip(labelled(named, frame, blocked), points, strict=True)
    ]  # fmt: skip
