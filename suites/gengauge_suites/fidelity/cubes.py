"""Sums of the cubic kernel ``(x.y / d + 1)^3`` over rows and columns, taken from shared tiles.

With h a tile's entry and w the offsets, the kernel is ``(h + w_i + w_j)^3``. Only the sums of h^2
and h^3 need the tiles; all else is linear in h and summed in float64 beforehand, so that a large
offset (features far from the origin) costs no digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_suites.fidelity.tiles import Cloud, chunks


@dataclass
class Cubes:
    """Sums over the points of ``b`` for each point of ``a``: of h^2, w h^2 and h^3, ``[3, n]``."""

    a: Cloud
    b: Cloud
    sums: Tensor

    @classmethod
    def of(cls, a: Cloud, b: Cloud) -> Cubes:
        """Return empty sums of the cloud ``a`` over the cloud ``b``."""
        return cls(a, b, torch.zeros(3, len(a), dtype=torch.float64, device=a.given.device))

    def add(self, square: Tensor, cube: Tensor, rows: slice, columns: slice) -> None:
        """Take in the tile's h^2 and h^3, both ``[rows, columns]``."""
        weight = self.b.offset[columns].to(square.dtype)
        ones = torch.ones_like(weight)
        for place, (table, by) in enumerate(((square, ones), (square, weight), (cube, ones))):
            self.sums[place, rows] += table @ by

    def totals(self, own: bool) -> Tensor:
        """Return the kernel's sum over ``b`` for each point of ``a``, ``[n]`` float64.

        With ``own`` the clouds are one, and a point with itself (left out of the tiles) is no pair.
        """
        square, weighted, cube = self.sums
        w, v = self.a.offset, self.b.offset
        h0, h1, h2 = self._linear()
        if own:
            h = self.a.squared
            h0, h1, h2 = h0 - h, h1 - w * h, h2 - w**2 * h
        free = len(v) * w**3 + 3 * w**2 * v.sum() + 3 * w * (v**2).sum() + (v**3).sum()
        if own:
            free = free - (2 * w) ** 3
        mixed = w * (square + 2 * h1) + weighted + w**2 * h0 + h2
        total: Tensor = cube + 3 * mixed + free
        return total

    def _linear(self) -> Tensor:
        powers = self.b.offset ** torch.arange(3, device=self.b.offset.device)[:, None]
        directions = torch.zeros_like(self.b.centre).repeat(3, 1)
        for part in chunks(*self.b.scaled.shape):
            directions += powers[:, part] @ self.b.scaled[part].to(torch.float64)
        parts = chunks(*self.a.scaled.shape)
        return torch.cat([directions @ self.a.scaled[p].to(torch.float64).T for p in parts], 1)


def add_tile(
    over_rows: Cubes, over_columns: Cubes | None, h: Tensor, at: tuple[slice, slice]
) -> None:
    """Give the tile ``h`` to the sums of its rows and, where asked for, of its columns."""
    square = h * h
    cube = square * h
    over_rows.add(square, cube, at[0], at[1])
    if over_columns is not None:
        over_columns.add(square.T, cube.T, at[1], at[0])
