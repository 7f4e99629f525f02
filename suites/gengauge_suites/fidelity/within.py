"""One pass over the pairs of a cloud: nearest neighbours of every point and kernel sums."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_suites.fidelity.cubes import Cubes, add_tile
from gengauge_suites.fidelity.tiles import (
    Cloud,
    chunks,
    full_precision,
    products,
    squared_distances,
)

_SPARE = 2  # candidates beyond those asked for: rounding may have swapped the last ones


@dataclass(frozen=True)
class Within:
    """Of each point: squared distances over d to its nearest others ``[n, k]``, and who they are.

    Distances are float64 and ascending, those at the ranks asked for exact. ``kernel`` ``[n]`` is
    the cubic kernel's sum over all other points, ``[0]`` where it was not asked for.
    """

    near: Tensor
    index: Tensor
    kernel: Tensor


def within(cloud: Cloud, ranks: tuple[int, ...], kernel: bool = True) -> Within:
    """Return the nearest others of each point of ``cloud`` and, if asked, kernel sums.

    Of as many as the highest of ``ranks`` and one more; at those ranks distances are exact.

    Only tiles on and above the diagonal are made; each serves its rows and its columns.
    """
    count = min(max(ranks) + 1 + _SPARE, len(cloud) - 1)
    sums = Cubes.of(cloud, cloud)
    best = _Best(cloud, count)
    squared = cloud.squared.to(cloud.scaled.dtype)
    blocks = cloud.blocks()
    with full_precision():
        for i, rows in enumerate(blocks):
            for columns in blocks[i:]:
                h = products(cloud, rows, cloud, columns)
                if rows == columns:
                    h.fill_diagonal_(0)
                if kernel:
                    add_tile(sums, None if rows == columns else sums, h, (rows, columns))
                table = torch.add(squared[rows, None] + squared[columns], h, alpha=-2, out=h)
                if rows == columns:
                    table.fill_diagonal_(torch.inf)
                best.offer(table, rows, columns)
                if rows != columns:
                    best.offer(table.T, columns, rows)
        near, index = best.settled(ranks)
    return Within(near, index, sums.totals(own=True) if kernel else near.new_zeros(0))


class _Best:
    """The nearest candidates of every point so far, by squared distance: ``[n, count]``."""

    def __init__(self, cloud: Cloud, count: int) -> None:
        self.cloud, self.count = cloud, count
        shape = (len(cloud), count)
        self.near = torch.full(
            shape, torch.inf, dtype=cloud.scaled.dtype, device=cloud.given.device
        )
        self.index = torch.zeros(shape, dtype=torch.int64, device=cloud.given.device)

    def offer(self, table: Tensor, rows: slice, columns: slice) -> None:
        """Consider the squared distances ``table`` ``[rows, columns]``."""
        near, index = table.topk(min(self.count, table.shape[1]), 1, largest=False, sorted=False)
        near = torch.cat([self.near[rows], near], 1)
        index = torch.cat([self.index[rows], index + columns.start], 1)
        self.near[rows], order = near.topk(self.count, 1, largest=False)
        self.index[rows] = index.gather(1, order)

    def settled(self, ranks: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Return as many neighbours as asked for, those at ``ranks`` measured by subtraction.

        Where rounding leaves open which candidate is at a rank, all are measured; and where it
        leaves open who the candidates are (a tight cluster far from the centre), the point is
        compared with all others in float64.
        """
        keep = min(max(ranks) + 1, self.count)
        near, index = self.near.to(torch.float64, copy=True), self.index
        slack = 4 * self.cloud.rounding * self.cloud.squared[:, None]
        close = near.diff(dim=1) <= slack
        at = torch.tensor([k - 1 for k in ranks if k <= self.count], device=index.device)
        around = torch.cat([at, at - 1]).clamp(0, max(0, self.count - 2))
        near[:, at] = self._exact(index[:, at], sort=False)[0]
        if self.count > 1:
            rows = close[:, around].any(1).nonzero().flatten()
            near[rows], index[rows] = self._exact(index[rows], rows)
        last = (self.near[:, -1:] - self.near[:, keep - 1 : keep] <= slack) & (near[:, at] > 0)
        unsure = last.any(1).nonzero().flatten()
        if self.cloud.scaled.dtype == torch.float32 and self.count < len(self.cloud) - 1:
            for part in chunks(len(unsure), len(self.cloud)):
                rows = unsure[part]
                near[rows], index[rows] = self._exact(self._anew(rows), rows)
        return near[:, :keep].contiguous(), index[:, :keep].contiguous()

    def _exact(
        self, index: Tensor, rows: Tensor | None = None, sort: bool = True
    ) -> tuple[Tensor, Tensor]:
        if rows is None:
            rows = torch.arange(len(index), device=index.device)
        pairs, given = rows[:, None].expand_as(index).flatten(), self.cloud.given
        near = squared_distances(given, pairs, given, index.flatten()).view_as(index)
        if not sort:
            return near, index
        near, order = near.sort(dim=1, stable=True)
        return near, index.gather(1, order)

    def _anew(self, rows: Tensor) -> Tensor:
        cloud, found = self.cloud, []
        a = cloud.given[rows].to(torch.float64) - cloud.centre
        for part in cloud.blocks():
            b = cloud.given[part].to(torch.float64) - cloud.centre
            found.append((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T)
        table = torch.cat(found, 1)
        table[torch.arange(len(rows), device=rows.device), rows] = torch.inf
        return table.topk(self.count, 1, largest=False).indices
