"""Products of feature clouds, tile by tile: what every distance and kernel metric is made from.

A tile is ``(a - c).(b - c) / d`` for a block of rows and of columns about a centre c, where a
matrix product loses least. Big problems use float32 tiles with float64 norms and sums; what a
comparison hangs on is then decided by direct subtraction in float64 (`squared_distances`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

SINGLE_FROM = 1e10  # multiplications from which float32 tiles pay
_BLOCK = {"cpu": 1024, "cuda": 8192}  # side of a tile: what memory depends on; 4 MiB stay in cache
_CHUNK = 1 << 18  # numbers a float64 temporary may hold: 2 MiB stay in cache


@dataclass(frozen=True)
class Cloud:
    """Points ``[n, d]``: as given, and about a centre ``[d]`` divided by the root of d.

    ``squared`` ``[n]`` are the norms of ``scaled`` in float64, and ``offset`` ``[n]`` makes
    ``a.b / d + 1 = tile + offset_a + offset_b``.
    """

    given: Tensor
    centre: Tensor
    scaled: Tensor
    squared: Tensor
    offset: Tensor

    @classmethod
    def of(cls, given: Tensor, centre: Tensor, dtype: torch.dtype) -> Cloud:
        """Return ``given`` ``[n, d]`` about ``centre`` ``[d]``, its tiles to be of ``dtype``."""
        n, d = given.shape
        scaled = torch.empty(n, d, dtype=dtype, device=given.device)
        squared = torch.empty(n, dtype=torch.float64, device=given.device)
        offset = torch.empty_like(squared)
        for part in chunks(n, d):
            moved = (given[part].to(torch.float64) - centre) / d**0.5
            scaled[part] = moved.to(dtype)
            rounded = scaled[part].to(torch.float64)
            squared[part] = (rounded**2).sum(1)
            offset[part] = rounded @ centre / d**0.5 + float(centre @ centre) / (2 * d) + 0.5
        return cls(given, centre, scaled, squared, offset)

    def __len__(self) -> int:
        return len(self.given)

    @property
    def rounding(self) -> float:
        """Error of a tile's squared distance, as a share of the sum of the two squared norms.

        A product of d terms errs by about sqrt(d) roundings of its largest part sums; half of
        that is three times the worst that was seen.
        """
        d = self.given.shape[1]
        return (4 + 0.25 * math.sqrt(d)) * torch.finfo(self.scaled.dtype).eps

    def blocks(self) -> list[slice]:
        """Return the blocks of rows that tiles are made of."""
        size = _BLOCK.get(self.given.device.type, 1024)
        return [slice(s, min(s + size, len(self))) for s in range(0, len(self), size)]


def centre_of(x: Tensor) -> Tensor:
    """Return the float64 mean ``[d]`` of ``x`` ``[n, d]``, in one pass and little memory."""
    total = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for part in chunks(*x.shape):
        total += x[part].to(torch.float64).sum(0)
    return total / len(x)


def chunks(n: int, d: int) -> list[slice]:
    """Return slices of n rows of d numbers that fit a float64 temporary.

    >>> chunks(5, 1 << 17)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(1, _CHUNK // max(1, d))
    return [slice(s, min(s + size, n)) for s in range(0, n, size)]


def tile_dtype(n: int, m: int, d: int) -> torch.dtype:
    """Return float64 where the whole table is cheap in it, float32 where it is not."""
    return torch.float64 if n * m * d < SINGLE_FROM else torch.float32


def products(a: Cloud, rows: slice, b: Cloud, columns: slice) -> Tensor:
    """Return the tile ``[rows, columns]`` of scaled products, to be overwritten at will.

    On the CPU by numpy, whose OpenBLAS keeps pace on every make of processor; torch's MKL is a
    fifth slower on AMD's.
    """
    left, right = a.scaled[rows], b.scaled[columns]
    if left.device.type != "cpu":
        return left @ right.T
    return torch.from_numpy(left.numpy() @ right.numpy().T)


def squared_distances(a: Tensor, rows: Tensor, b: Tensor, columns: Tensor) -> Tensor:
    """Return ``|a_i - b_j|^2 / d`` ``[p]`` of pairs of rows, float64, by direct subtraction.

    Equal points are at 0 exactly, which no matrix product promises.
    """
    d = a.shape[1]
    out = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for part in chunks(len(rows), d):
        gap = a[rows[part]].to(torch.float64) - b[columns[part]]
        out[part] = torch.linalg.vecdot(gap, gap) / d
    return out


@contextmanager
def full_precision() -> Iterator[None]:
    """Make float32 products float32 ones, whatever shorter format a model has switched on."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
