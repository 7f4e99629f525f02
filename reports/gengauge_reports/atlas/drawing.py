"""Pictures as SVG: numbers in, markup out. Every text that comes from a record is escaped."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

SIDE = 240  # of a panel of points, in units of the drawing
_MOST = 600  # points of a panel
_FULL = 0.85  # shade of the densest place


@dataclass(frozen=True)
class Frame:
    """The square of the plane that every panel of a dataset shows."""

    left: float
    bottom: float
    width: float

    @classmethod
    def around(cls, xs: Sequence[float], ys: Sequence[float]) -> Frame | None:
        """Return a square that holds the points with a margin; None where there are none."""
        if not xs or not ys:
            return None
        width = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9) * 1.2
        middle = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
        return cls(middle[0] - width / 2, middle[1] - width / 2, width)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point stands in the drawing."""
        scale = SIDE / self.width
        return (x - self.left) * scale, SIDE - (y - self.bottom) * scale


def dots(frame: Frame, xs: Sequence[float | None], ys: Sequence[float | None]) -> tuple[str, int]:
    """Return the points as one path, and how many of those looked at lie outside the frame."""
    parts, outside = [], 0
    for x, y in list(zip(xs, ys, strict=False))[:_MOST]:
        if x is None or y is None:
            continue
        column, line = frame.place(x, y)
        if not (0 <= column <= SIDE and 0 <= line <= SIDE):
            outside += 1
            continue
        parts.append(f"M{column:.0f} {line:.0f}h0")
    return "".join(parts), outside


def shade(frame: Frame, x: Sequence[float], y: Sequence[float], z: NDArray[np.float64],
          peak: float) -> Markup:  # fmt: skip
    """Return densities ``z`` ``[len(y), len(x)]`` as a picture that a mask is made of.

    White is ``peak`` and more, the same for every panel of a dataset.
    """
    if peak <= 0 or len(x) < 2 or len(y) < 2:
        return Markup("")
    share = np.clip(np.nan_to_num(z) / peak, 0, 1) * _FULL
    levels = np.round(255 * share).astype(np.uint8)[::-1]
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "png", optimize=True)
    uri = base64.b64encode(stream.getvalue()).decode()
    half = ((x[-1] - x[0]) / (len(x) - 1) / 2, (y[-1] - y[0]) / (len(y) - 1) / 2)
    left, top = frame.place(x[0] - half[0], y[-1] + half[1])
    right, bottom = frame.place(x[-1] + half[0], y[0] - half[1])
    return Markup(
        '<image href="data:image/png;base64,{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" '
        'height="{:.1f}" preserveAspectRatio="none"/>'
    ).format(uri, left, top, right - left, bottom - top)


@dataclass(frozen=True)
class Scale:
    """Turns values into places from ``start`` to ``end``, by logarithms where ``log``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of ``value``; what lies outside is put on the edge."""
        low, high, at = (math.log(max(v, 1e-300)) if self.log else v
                         for v in (self.low, self.high, value))  # fmt: skip
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def holds(self, value: float) -> bool:
        """Return whether ``value`` lies within."""
        return self.low <= value <= self.high

    def ticks(self, most: int = 4) -> list[float]:
        """Return round values within, at most about so many.

        >>> Scale(0, 10, 0, 1).ticks(), Scale(0.3, 200, 0, 1, log=True).ticks()
        ([0.0, 5.0, 10.0], [1.0, 10.0, 100.0])
        """
        if self.log:
            found = [s * 10.0**p for p in range(-12, 13) for s in (1, 2, 5)]
            inside = [v for v in found if self.holds(v)]
            decades = [v for v in inside if math.log10(v) % 1 < 1e-9]
            inside = decades if len(inside) > most and len(decades) > 1 else inside
            return inside[:: math.ceil(len(inside) / most) or 1]
        width = (self.high - self.low) / max(1, most - 1)
        if not width > 0:
            return [self.low]
        power = 10.0 ** math.floor(math.log10(width))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= width * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]
