"""Independent categorical values: counting them, their probabilities, and drawing them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from gengauge import Dataset
from gengauge.errors import UnsupportedError
from gengauge_plugins.networks.drawing import uniform

Array = NDArray[np.float64]
ALPHAS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # counts that may be added to every level
_ENTRIES = 1 << 22  # values of examples that are looked at together
_MOST = 100_000_000  # numbers in a table
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Layout:
    """How examples ``[n, *event]`` of levels address a row of a table ``[k, columns]``.

    Every position has columns of its own, except in text: there a window begins anywhere, all
    positions share their columns, and a row is the multinomial of a bag of tokens.
    """

    shape: tuple[int, ...]
    levels: int
    shared: bool

    @classmethod
    def of(cls, data: Dataset, rows: int) -> Layout:
        """Return the layout of levelled ``data``; raise ``UnsupportedError`` where it is vast."""
        if data.levels is None:
            raise ValueError(f"{data.id} is continuous; its values cannot be counted")
        layout = cls(data.event_shape, data.levels, data.modality == "text")
        if rows * layout.columns > _MOST:
            raise UnsupportedError(
                f"{rows} tables of {layout.columns:,} probabilities are too many (at most {_MOST:,}"
                " numbers); take fewer of them, or data of fewer levels"
            )
        return layout

    def config(self) -> dict[str, Any]:
        """Return this layout as JSON."""
        return {"shape": list(self.shape), "levels": self.levels, "shared": self.shared}

    @classmethod
    def restored(cls, config: dict[str, Any]) -> Layout:
        """Return the layout that ``config`` came from."""
        return cls(tuple(config["shape"]), config["levels"], config["shared"])

    @property
    def columns(self) -> int:
        """Probabilities in a row."""
        return self.levels * (1 if self.shared else int(torch.Size(self.shape).numel()))

    def blocks(self, x: Tensor) -> Iterator[tuple[slice, csr_array]]:
        """Yield, a block at a time, which columns each example addresses, as ones of a matrix."""
        flat = x.flatten(1).to(_CPU, torch.int64).numpy()
        n, d = flat.shape
        size = max(1, _ENTRIES // d)
        offsets = 0 if self.shared else np.arange(d) * self.levels
        for start in range(0, n, size):
            part = flat[start : start + size] + offsets
            ends = np.arange(len(part) + 1) * d
            shape = (len(part), self.columns)
            matrix = csr_array((np.ones(part.size), part.ravel(), ends), shape=shape)
            yield slice(start, start + len(part)), matrix

    def counted(self, x: Tensor, weights: Array) -> Array:
        """Return how often each column is addressed ``[k, columns]``, by ``weights`` ``[n, k]``."""
        total = np.zeros((self.columns, weights.shape[1]))
        for rows, matrix in self.blocks(x):
            total += matrix.T @ weights[rows]
        return total.T

    def log_table(self, counts: Array, alpha: float) -> Array:
        """Return log probabilities ``[k, columns]``: ``alpha`` is added to every count."""
        cells = counts.reshape(len(counts), -1, self.levels) + alpha
        table: Array = np.log(cells / cells.sum(2, keepdims=True)).reshape(counts.shape)
        return table

    def log_likelihood(self, x: Tensor, log_table: Array) -> Array:
        """Return log P(x | row) in nats ``[n, k]``; minus infinity for levels there are not."""
        known = ((x >= 0) & (x < self.levels)).flatten(1).all(1).cpu().numpy()
        found = np.empty((len(x), len(log_table)))
        for rows, matrix in self.blocks(x.clamp(0, self.levels - 1)):
            found[rows] = matrix @ log_table.T
        return np.where(known[:, None], found, -np.inf)

    def draw(self, log_table: Array, which: Tensor, generator: torch.Generator) -> Tensor:
        """Return an example ``[n, *event]`` from the row ``which`` ``[n]`` of each."""
        cells = torch.from_numpy(np.exp(log_table)).view(len(log_table), -1, self.levels)
        edges = cells.cumsum(2)[:, :, :-1].contiguous()
        x = torch.empty(len(which), int(torch.Size(self.shape).numel()), dtype=torch.int64)
        u = uniform(tuple(x.shape), generator, _CPU, torch.float64)
        for row in range(len(log_table)):
            mine = which == row
            below = edges[row].expand(x.shape[1], -1).contiguous()
            x[mine] = torch.searchsorted(below, u[mine].T.contiguous(), right=True).T
        dtype = torch.uint8 if self.levels <= 256 and not self.shared else torch.int64
        return x.to(dtype).view(len(which), *self.shape)


def chosen_alpha(alpha: float) -> tuple[float, ...]:
    """Return the smoothings to try: the one that was given, or at 0 all of them."""
    return (alpha,) if alpha else ALPHAS
