"""Estimates as the pages write them: text, margin, rank, and the interval as a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gengauge.aggregate import Estimate
from gengauge_reports import notation
from gengauge_reports.leaderboard.board import Board, Standing

_STEEP = 50  # the largest over the smallest value from which an axis is logarithmic


@dataclass(frozen=True)
class Figure:
    """A number as text; ``pad`` are the digits it lacks for points to stand under each other."""

    text: str
    value: float | None = None
    half: str = ""
    sign: str = ""
    pad: str = ""


@dataclass(frozen=True)
class Axis:
    """What a column of drawings spans; ``log``: tenfold steps are equally wide."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float | None:
        """Return where a value stands, in percent; None where it is outside.

        >>> Axis(1, 100, log=True).at(10), Axis(0, 10).at(11)
        (50.0, None)
        """
        if not self.low <= value <= self.high or self.high <= self.low:
            return None
        low, high, x = (self._scaled(v) for v in (self.low, self.high, value))
        return round(3 + 94 * (x - low) / (high - low), 2)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value


@dataclass(frozen=True)
class Marks:
    """Where an interval and its value are drawn, in percent of the axis."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Line:
    """One row of a board: its standing with everything written out."""

    standing: Standing
    figure: Figure
    place: str
    marks: Marks | None
    costs: tuple[Figure, ...] = field(default=())

    @property
    def first(self) -> bool:
        """Whether it shares the first place."""
        return self.standing.rank is not None and self.standing.rank.low == 1


def figure(estimate: Estimate | None) -> Figure:
    """Write an estimate; an en dash where there is none."""
    if estimate is None:
        return Figure(notation.NONE)
    text, half = notation.spread(estimate.value, estimate.low, estimate.high)
    return Figure(text, estimate.value, half, notation.SIGNS.get(estimate.kind, "?"))


def aligned(figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures with what each lacks behind its point, so that the points align.

    >>> [f.pad for f in aligned([Figure("1.25", 1.25), Figure("3", 3), Figure("2.6 M", 2.6e6)])]
    ['', '.00', '']
    """
    most = max((len(_decimals(f.text)) for f in figures if _plain(f.text)), default=0)
    return [replace(f, pad=_spare(f.text, most)) if _plain(f.text) else f for f in figures]


def _spare(text: str, most: int) -> str:
    """Return what ``text`` lacks of ``most`` decimals, with a point where it has none."""
    found = _decimals(text)
    return "0" * (most - len(found)) if found or not most else "." + "0" * most


def _plain(text: str) -> bool:
    return all(c.isdigit() or c in ".,-" for c in text)


def _decimals(text: str) -> str:
    return text.partition(".")[2]


def axis(estimates: Iterable[Estimate]) -> Axis | None:
    """Return an axis for these estimates and their intervals; None where there are no two."""
    found = list(estimates)
    ends = [v for e in found for v in (e.value, e.low, e.high) if v is not None]
    if len(found) < 2 or max(ends) <= min(ends):
        return None
    log = min(ends) > 0 and max(ends) > _STEEP * min(ends)
    return Axis(min(ends), max(ends), log)


def marks(estimate: Estimate | None, span: Axis | None) -> Marks | None:
    """Return where to draw an estimate; None where there is nothing to draw or it is outside."""
    if estimate is None or span is None:
        return None
    value = span.at(estimate.value)
    if value is None:
        return None

    def end(edge: float | None) -> float:
        clipped = estimate.value if edge is None else min(span.high, max(span.low, edge))
        found = span.at(clipped)
        return value if found is None else found

    return Marks(end(estimate.low), value, end(estimate.high))


def board_axis(board: Board) -> Axis | None:
    """Return the axis of a board's drawings: of its models, not of its controls."""
    return axis(s.estimate for s in (*board.ranked, *board.unranked) if s.estimate)


def lines(board: Board, standings: Sequence[Standing]) -> list[Line]:
    """Write the rows of a board."""
    span = board_axis(board)
    figures = aligned([figure(s.estimate) for s in standings])
    return [
        Line(s, f, notation.place(s.rank), marks(s.estimate, span))
        for s, f in zip(standings, figures, strict=True)
    ]
