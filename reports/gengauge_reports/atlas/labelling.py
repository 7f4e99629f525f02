"""Where names stand on a map, so that each can be read and is seen to belong to its mark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin

LETTER, ABOVE, BELOW = 6.3, 10.0, 3.0  # of a label, in units of the drawing
_MARK = 6.0  # half a mark's side
_NEAR = 9.0  # from a mark to a name that needs no line
_RINGS = (20.0, 32.0, 46.0, 62.0, 80.0, 100.0)
_DIRECTIONS = 16
_ROUNDS = 4  # in which each name may move again, all others standing still
_TOUCHED = 60.0  # what two names that meet cost at least
_CROSSED = 60.0  # what a line through another name costs, beside the area of it that it takes

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Label:
    """A name: where its text is anchored, and the line from its mark where it stands apart."""

    text: str
    x: float
    y: float
    anchor: str
    line: tuple[float, float] | None  # where the line from the mark ends

    @property
    def box(self) -> Box:
        """What the text covers: left, top, right, bottom."""
        wide = LETTER * len(self.text)
        left = self.x - {"start": 0.0, "middle": wide / 2, "end": wide}[self.anchor]
        return left, self.y - ABOVE, left + wide, self.y + BELOW


def labelled(
    points: Sequence[tuple[str, float, float]], frame: Box, blocked: Sequence[Box] = ()
) -> list[Label]:
    """Return a label for each named point: close to it where there is room, else on a line.

    A label keeps to ``frame``, and off marks, other labels and what is ``blocked`` as far as that
    can be done: names are put down in turn and then moved, one at a time, to where they do best.
    """
    marks = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for _, x, y in points]
    fixed = [*marks, *blocked]
    choices = [list(_places(text, x, y)) for text, x, y in points]
    found: list[Label | None] = [None] * len(points)
    for _ in range(_ROUNDS):
        for i, point in enumerate(points):
            others = [label for j, label in enumerate(found) if label is not None and j != i]
            lines = [
                ((points[j][1], points[j][2]), label.line)
                for j, label in enumerate(found)
                if label is not None and label.line and j != i
            ]
            found[i] = min(
                choices[i], key=lambda c: _cost(c, point[1:], frame, fixed, others, lines)
            )
    return [label for label in found if label is not None]


def _places(text: str, x: float, y: float) -> Iterator[Label]:
    for anchor, side in (("start", 1), ("end", -1)):
        for down in (4.0, -5.0, 13.0):
            yield Label(text, x + side * _NEAR, y + down, anchor, None)
    for down in (-10.0, 19.0):
        yield Label(text, x, y + down, "middle", None)
    for ring in _RINGS:
        for k in range(_DIRECTIONS):
            ex, ey = cos(2 * pi * k / _DIRECTIONS), sin(2 * pi * k / _DIRECTIONS)
            end = (x + ring * ex, y + ring * ey)
            anchor = "middle" if abs(ex) < 0.3 else "start" if ex > 0 else "end"
            down = (ABOVE + 1 if ey > 0 else -BELOW - 1) if anchor == "middle" else 4.0
            yield Label(text, end[0] + 2 * (ex > 0) - 2 * (ex < 0), end[1] + down, anchor, end)


def _cost(
    label: Label,
    mark: tuple[float, float],
    frame: Box,
    fixed: Sequence[Box],
    others: Sequence[Label],
    lines: Sequence[tuple[tuple[float, float], tuple[float, float] | None]],
) -> float:
    box = label.box
    outside = sum(max(0.0, a - b) for a, b in zip(frame[:2], box[:2], strict=True))
    outside += sum(max(0.0, b - a) for a, b in zip(frame[2:], box[2:], strict=True))
    cost = 1000 * outside + sum(_common(box, taken) for taken in fixed)
    shared = [_common(box, other.box) for other in others]
    cost += sum(_TOUCHED * (area > 0) + 2 * area for area in shared)
    cost += _CROSSED * sum(_hits(start, end, box) for start, end in lines if end)
    if label.line is not None:
        cost += 10 + 0.3 * hypot(label.line[0] - mark[0], label.line[1] - mark[1])
        cost += _CROSSED * sum(_hits(mark, label.line, other.box) for other in others)
        there = [b for b in fixed if not (b[0] <= mark[0] <= b[2] and b[1] <= mark[1] <= b[3])]
        cost += _CROSSED / 2 * sum(_hits(mark, label.line, taken) for taken in there)
    return cost


def _common(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, wide) * max(0.0, high)


def _hits(start: tuple[float, float], end: tuple[float, float], box: Box) -> bool:
    """Return whether a line passes through a box, looked at every few units."""
    steps = 12
    return any(
        box[0] < start[0] + (end[0] - start[0]) * k / steps < box[2]
        and box[1] < start[1] + (end[1] - start[1]) * k / steps < box[3]
        for k in range(1, steps + 1)
    )
