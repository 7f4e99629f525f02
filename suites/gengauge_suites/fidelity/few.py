"""The Frechet distance of fewer examples than features, and with blocks of them left out.

There the distance is far from linear in the weight of an example (leaving out one of a few
orthogonal ones takes twice what the derivative says), so blocks are really left out. The
cross-Gram matrix is made once; a replicate is a part of it, centred anew.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.statistics import block_of
from gengauge_suites.fidelity.moments import distance_of_few, roots
from gengauge_suites.fidelity.tiles import centre_of

BLOCKS = 20


def left_out(x: Tensor, y: Tensor, blocks: int = BLOCKS) -> tuple[float, list[float]]:
    """Return the distance of ``x`` ``[n, d]`` from ``y`` ``[m, d]`` and those without each block.

    Rows must be in random order.
    """
    table = _Table(x, y)
    of_x, of_y = (torch.from_numpy(block_of(len(z), blocks)).to(z.device) for z in (x, y))
    every = table.distance(of_x >= 0, of_y >= 0)
    parts = [table.distance(of_x != b, of_y != b) for b in range(blocks)]
    exact = distance_of_few(x, y)
    return exact, [exact + part - every for part in parts]


class _Table:
    """Products of two clouds about a common centre, of which parts can be measured."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        centre = centre_of(y)
        self.x, self.y = x.to(torch.float64) - centre, y.to(torch.float64) - centre
        self.products = self.x @ self.y.T
        self.squares = (self.x**2).sum(1), (self.y**2).sum(1)

    def distance(self, rows: Tensor, columns: Tensor) -> float:
        """Return the distance of the rows ``[n]`` and columns ``[m]`` that are kept, bool.

        The singular values come from the smaller Gram matrix of the table, which is quick and
        loses eight digits in the smallest: they cancel against those of the whole.
        """
        part = self.products[rows][:, columns]
        n, m = part.shape
        part = part - part.mean(0) - part.mean(1)[:, None] + part.mean()
        part = part if n <= m else part.T
        cross = roots(part @ part.T).sum() / ((n - 1) * (m - 1)) ** 0.5
        one, two = self.x[rows].mean(0), self.y[columns].mean(0)
        of_x = (self.squares[0][rows].sum() - n * one @ one) / (n - 1)
        of_y = (self.squares[1][columns].sum() - m * two @ two) / (m - 1)
        return float(((one - two) ** 2).sum() + of_x + of_y - 2 * cross)
