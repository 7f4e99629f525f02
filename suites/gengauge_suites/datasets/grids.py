"""Pictures in an array: which axis is which, and how values become whole levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gengauge.errors import UsageError
from gengauge_suites.datasets.array_file import Stored

MOST = 256  # levels
_COLOURS = (1, 3)
LAYOUTS = ("auto", "nchw", "nhwc", "nhw")


@dataclass(frozen=True)
class Grid:
    """An array of pictures with its order of axes and its number of levels."""

    x: Stored
    layout: str
    levels: int

    @classmethod
    def of(cls, x: Stored, options: Mapping[str, Any]) -> Grid:
        """Return how ``x`` is read; ``UsageError`` where that is not certain."""
        if options["levels"] and not 2 <= options["levels"] <= MOST:
            raise UsageError(f"levels={options['levels']}; pictures have 2 to {MOST} levels")
        return cls(x, _layout(x, str(options["layout"])), _levels(x, int(options["levels"])))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a picture, ``[C, H, W]``."""
        _, *rest = self.x.shape
        if self.layout == "nhw":
            return (1, *rest)
        return (rest[2], rest[0], rest[1]) if self.layout == "nhwc" else tuple(rest)

    def read(self, start: int, stop: int) -> Tensor:
        """Return pictures, uint8 ``[k, C, H, W]``."""
        rows = self._as_levels(self.x.rows(start, stop), start)
        if self.layout == "nhw":
            rows = rows[:, None]
        elif self.layout == "nhwc":
            rows = rows.transpose(0, 3, 1, 2)
        return torch.from_numpy(np.array(rows, order="C"))  # a map of a file cannot be written to

    def _as_levels(self, rows: NDArray[Any], start: int) -> NDArray[np.uint8]:
        if rows.dtype.kind == "f":
            self._check(rows, (rows >= 0) & (rows <= 1), start, "0 to 1; rescale them")
            return np.rint(rows.astype(np.float64) * (self.levels - 1)).astype(np.uint8)
        if rows.dtype != np.uint8 or self.levels < MOST:
            allowed = (rows >= 0) & (rows < self.levels)
            self._check(rows, allowed, start, f"0 to {self.levels - 1}; give other levels=")
        return rows.astype(np.uint8, copy=False)

    def _check(
        self, rows: NDArray[Any], allowed: NDArray[np.bool_], start: int, expected: str
    ) -> None:
        if not allowed.all():
            at = int((~allowed).reshape(len(rows), -1).any(1).argmax())
            value = rows[at][~allowed[at]].flat[0]
            raise UsageError(
                f"picture {start + at:,} of '{self.x.name}' in '{self.x.path}' has the value "
                f"{value}, expected {expected}"
            )


def _layout(x: Stored, asked: str) -> str:
    if asked != "auto" and len(asked) != len(x.shape):
        raise UsageError(f"{x}, and layout={asked} has {len(asked)} axes; give another layout=")
    if len(x.shape) == 3:
        if asked == "auto" and x.shape[2] in (3, 4):
            raise UsageError(f"{x}: one picture, or grey ones of that width? give layout=nhw")
        return "nhw"
    fits = [name for name, c in (("nchw", x.shape[1]), ("nhwc", x.shape[3])) if c in _COLOURS]
    fits = fits if asked == "auto" else [name for name in fits if name == asked]
    if not fits:
        raise UsageError(f"{x}; expected 1 or 3 channels, as [n, C, H, W] or [n, H, W, C]")
    if len(fits) > 1:
        raise UsageError(f"{x}, which may be read in two ways; give layout=nchw or layout=nhwc")
    return fits[0]


def _levels(x: Stored, asked: int) -> int:
    if x.dtype.kind == "O":
        x.rows(0, 1)  # raises, unless the user trusts
    if x.dtype.kind == "f" and not asked:
        raise UsageError(
            f"{x}; pictures have levels: save bytes, or give levels=256 for values that are 0 to "
            "1, which are rounded to the nearest of them"
        )
    if x.dtype.kind in "iu" and x.dtype != np.uint8 and not asked:
        raise UsageError(f"{x}; say how many levels it has, such as levels=256")
    return asked or (2 if x.dtype.kind == "b" else MOST)
