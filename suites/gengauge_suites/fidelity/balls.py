"""Which points lie in which balls, counted from tiles and exact at the boundary.

A ball is a centre and the distance to its k-th nearest other centre. "Within" means distance <=
radius: with < a perfect model of categorical data scores 0, because there the radius of a repeated
point is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gengauge_suites.fidelity.tiles import Cloud, squared_distances
from gengauge_suites.fidelity.within import Within

SUBSET = 2000  # points whose pairs are listed, to see what leaving out one centre would change
TIE = 1 + 1e-12  # equal distances summed in another order
_MOST = 64  # boundary pairs of a tile that are decided one by one, for each row and column


@dataclass
class Balls:
    """Points ``[n]`` in the k-balls about centres ``[m]``.

    ``inside`` ``[n]``: balls that hold the point. ``held``, ``held_next`` ``[m]``: points in the
    k-ball and in the (k+1)-ball (that one to rounding).
    """

    points: Cloud
    centres: Cloud
    k: int
    known: Within
    inside: Tensor = field(init=False)
    held: Tensor = field(init=False)
    held_next: Tensor = field(init=False)
    listed: list[Tensor] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        device, n, m = self.points.given.device, len(self.points), len(self.centres)
        self.inside = torch.zeros(n, dtype=torch.float64, device=device)
        self.held, self.held_next = self.inside.new_zeros(m), self.inside.new_zeros(m)

    @property
    def radius(self) -> Tensor:
        """Squared radii of the k-balls over d, ``[m]`` float64."""
        return self.known.near[:, self.k - 1]

    @property
    def radius_next(self) -> Tensor:
        """Squared radii of the (k+1)-balls over d, ``[m]`` float64."""
        return self.known.near[:, min(self.k, self.known.near.shape[1] - 1)]

    def pairs(self) -> Tensor:
        """Return pairs ``[p, 2]`` of a point and the centre of a (k+1)-ball that holds it.

        Only of points in at most one k-ball, among the first ``SUBSET``.
        """
        if not self.listed:
            return torch.zeros(0, 2, dtype=torch.int64, device=self.inside.device)
        pairs = torch.cat(self.listed)
        return pairs[self.inside[pairs[:, 0]] <= 1]

    def add(self, low: Tensor, high: Tensor, rows: slice, columns: slice) -> None:
        """Take in bounds of squared distances over d, ``[rows (points), columns (centres)]``."""
        weight = self._within(low, high, rows, columns)
        self.inside[rows] += weight.sum(1)
        self.held[columns] += weight.sum(0)
        wider = torch.le(low, self.radius_next[columns].to(low.dtype), out=weight)
        self.held_next[columns] += wider.sum(0)
        if rows.start < SUBSET:
            few = self.inside[rows][: SUBSET - rows.start] <= 1
            found = (wider[: len(few)] * few[:, None]).nonzero()
            self.listed.append(found + torch.tensor([rows.start, columns.start]).to(found))

    def _within(self, low: Tensor, high: Tensor, rows: slice, columns: slice) -> Tensor:
        """Return 1 where the point lies within, else 0; pairs near a boundary decided exactly."""
        reach = self.radius[columns].to(low.dtype)
        within = torch.le(low, reach, out=torch.empty_like(low))
        surely = torch.le(high, reach, out=torch.empty_like(low))
        open_ = (within.sum(1) > surely.sum(1)).nonzero().flatten()
        pairs = (within[open_] > surely[open_]).nonzero()
        if len(pairs) and len(pairs) <= _MOST * sum(low.shape):
            here = open_[pairs[:, 0]]
            point, centre = here + rows.start, pairs[:, 1] + columns.start
            exact = squared_distances(self.points.given, point, self.centres.given, centre)
            within[here, pairs[:, 1]] = (exact <= TIE * self.radius[centre]).to(low.dtype)
        return within
