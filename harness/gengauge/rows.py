"""Rows of features that need not fit in memory: in memory, on disk, or made while they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

_BYTES = 1 << 25  # of a block


def block_of(bytes_each: int) -> int:
    """Return how many rows of so many bytes make a block.

    >>> block_of(784), block_of(1 << 30)
    (4096, 1)
    """
    return max(1, min(4096, _BYTES // max(1, bytes_each)))


class Rows(Protocol):
    """A table of numbers ``[n, d]`` that is read in blocks."""

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        ...

    def __len__(self) -> int: ...

    def blocks(self) -> Iterator[Tensor]:
        """Yield all rows in order, ``[k, d]`` at a time."""
        ...

    def pick(self, index: Tensor) -> Tensor:
        """Return the rows of the ascending numbers ``index`` ``[k]``, ``[k, d]``."""
        ...


@dataclass(frozen=True)
class Held:
    """Rows in memory, ``x`` ``[n, d]``."""

    x: Tensor

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return int(self.x.shape[1])

    def __len__(self) -> int:
        return len(self.x)

    def blocks(self) -> Iterator[Tensor]:
        """Yield all rows in order."""
        yield from torch.split(self.x, block_of(self.width * 8))

    def pick(self, index: Tensor) -> Tensor:
        """Return the rows of the numbers ``index`` ``[k]``."""
        return self.x[index]


@dataclass(frozen=True)
class Stored:
    """Rows in a file of nothing else, of one type of numbers, row after row."""

    path: Path
    width: int
    dtype: str  # numpy's name
    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def row(self) -> int:
        """Bytes of a row."""
        return int(np.dtype(self.dtype).itemsize) * self.width

    def _read(self, start: int, rows: int) -> Tensor:
        """Return rows by reading them: pages of a mapped file would count as memory."""
        found = np.fromfile(self.path, self.dtype, rows * self.width, offset=start * self.row)
        return torch.from_numpy(found.reshape(rows, self.width))

    def blocks(self) -> Iterator[Tensor]:
        """Yield all rows in order."""
        size = block_of(self.width * 8)
        for start in range(0, self.count, size):
            yield self._read(start, min(size, self.count - start))

    def pick(self, index: Tensor) -> Tensor:
        """Return the rows of the ascending numbers ``index`` ``[k]``."""
        return picked(index, self._read, (self.width,))


@dataclass(frozen=True)
class Made:
    """Rows that are made of examples whenever they are read: what is cheaper than to keep them."""

    width: int
    count: int
    size: int  # of a block
    make: Callable[[int, int], Tensor]  # start, stop

    def __len__(self) -> int:
        return self.count

    def blocks(self) -> Iterator[Tensor]:
        """Yield all rows in order."""
        for start in range(0, self.count, self.size):
            yield self.make(start, min(start + self.size, self.count))

    def pick(self, index: Tensor) -> Tensor:
        """Return the rows of the ascending numbers ``index`` ``[k]``."""
        return picked(index, lambda start, rows: self.make(start, start + rows), (self.width,))


def picked(index: Tensor, read: Callable[[int, int], Tensor], shape: tuple[int, ...]) -> Tensor:
    """Return the examples of the ascending numbers ``index`` ``[k]``, ``[k, *shape]``.

    ``read(start, rows)`` is called once for each run of numbers that follow one another.
    """
    if not len(index):
        return read(0, 0).reshape(0, *shape)
    breaks = torch.nonzero(index[1:] != index[:-1] + 1).flatten() + 1
    runs = torch.tensor_split(index, breaks)
    most = block_of(8 * int(torch.Size(shape).numel()))
    out: Tensor | None = None
    place = 0
    for run in runs:
        for part in torch.split(run, most):
            found = read(int(part[0]), len(part))
            if out is None:
                out = torch.empty((len(index), *shape), dtype=found.dtype)
            out[place : place + len(part)] = found
            place += len(part)
    assert out is not None
    return out


def moments_of(rows: Rows) -> tuple[Tensor, Tensor]:
    """Return mean ``[d]`` and covariance ``[d, d]`` (over n - 1) of all rows, float64.

    >>> moments_of(Held(torch.tensor([[0.0], [2.0]])))
    (tensor([1.], dtype=torch.float64), tensor([[2.]], dtype=torch.float64))
    """
    total = torch.zeros(rows.width, dtype=torch.float64)
    for x in rows.blocks():
        total += x.to(torch.float64).sum(0)
    mean = total / len(rows)
    scatter = torch.zeros(rows.width, rows.width, dtype=torch.float64)
    for x in rows.blocks():
        centred = x.to(torch.float64) - mean
        scatter += centred.T @ centred
    return mean, scatter / (len(rows) - 1)
