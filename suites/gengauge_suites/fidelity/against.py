"""The Frechet distance of few samples from a reference of which moments alone are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gengauge.statistics import Interval, block_jackknife, block_of
from gengauge.summary import Summary
from gengauge_suites.fidelity.few import BLOCKS
from gengauge_suites.fidelity.moments import roots


@dataclass(frozen=True)
class Against:
    """The distance of no more samples than features, with blocks of them left out."""

    n: int
    m: int | None
    value: float
    plain: Interval

    @classmethod
    def of(cls, x: Tensor, summary: Summary) -> Against:
        """Return the distance of ``x`` ``[n, d]``, rows in random order, from what is told."""
        table = _Table(x.to(torch.float64), summary)
        block = torch.from_numpy(block_of(len(x), BLOCKS))
        value, interval, _ = block_jackknife(
            lambda b: table.distance(block >= 0 if b is None else block != b), BLOCKS
        )
        method = f"{interval.method} of the samples, the reference held"
        return cls(len(x), summary.n, value, replace(interval, method=method))

    @property
    def sizes(self) -> tuple[int, int | None]:
        """How many samples and reference examples there are; None where nobody knows."""
        return self.n, self.m

    def interval(self) -> Interval:
        """Return the interval of the plug-in distance for its expectation over samples."""
        return self.plain

    def pairs(self, value: float) -> None:
        """Return None: no single example's influence is known."""

    def at_infinity(self, method: str) -> str:
        """Return why there is none."""
        return "needs features of the reference, and its file holds moments of it"


class _Table:
    """``X S X^T`` of samples about their mean and the reference's covariance: its parts tell all.

    ``tr((S1 S2)^(1/2))`` is the sum of roots of its eigenvalues, over ``n - 1``.
    """

    def __init__(self, x: Tensor, summary: Summary) -> None:
        self.centre, self.mean = x.mean(0), summary.mean
        self.x = x - self.centre
        self.table = self.x @ summary.covariance @ self.x.T
        self.trace = summary.covariance.trace()

    def distance(self, rows: Tensor) -> float:
        """Return the distance of the rows ``[n]`` that are kept, bool."""
        part = self.table[rows][:, rows]
        part = part - part.mean(0) - part.mean(1)[:, None] + part.mean()
        kept = self.x[rows]
        shift, n = kept.mean(0), len(kept)
        cross = (roots(part) / (n - 1) ** 0.5).sum()
        spread = ((kept - shift) ** 2).sum() / (n - 1)
        gap = self.centre + shift - self.mean
        return float((gap**2).sum() + spread + self.trace - 2 * cross)
