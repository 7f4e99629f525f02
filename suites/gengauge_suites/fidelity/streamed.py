"""The Frechet distance of clouds that are read in blocks, or of which moments alone are known.

One pass over a cloud keeps its moments, those of random blocks (for the bias) and a few random
rows (for the variance): the same parts that the distance of clouds in memory is made of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge.rows import Held, Rows
from gengauge.statistics import Interval
from gengauge.summary import Summary
from gengauge_suites.fidelity.extrapolation import blocks_of, without_blocks
from gengauge_suites.fidelity.intervals import normal
from gengauge_suites.fidelity.linearised import SEEN, Linearised, linearised
from gengauge_suites.fidelity.moments import Factor, Moments, gram

_METHOD = "normal, linearised jackknife"


@dataclass(frozen=True)
class Told:
    """What a pass keeps of a cloud: its moments, those of its ``blocks``, and rows ``[s, d]``.

    ``n`` is infinite where the moments are of nobody knows how many; there are no blocks then.
    """

    moments: Moments
    blocks: tuple[Moments, ...]
    seen: Tensor
    n: float

    @classmethod
    def of(cls, rows: Rows, generator: torch.Generator) -> Told:
        """Return what one pass over ``rows`` keeps; rows go to blocks at random."""
        n, d = len(rows), rows.width
        order = torch.randperm(n, generator=generator)
        count = blocks_of(d)
        block = torch.empty(n, dtype=torch.uint8)
        block[order] = (torch.arange(n) * count // n).to(torch.uint8)
        parts = _Parts(count, d)
        start = 0
        for x in rows.blocks():
            parts.add(x, block[start : start + len(x)])
            start += len(x)
        found = [parts.moments(b) for b in range(count)]
        whole = found[0]
        for part in found[1:]:
            whole = whole.joined(part)
        seen = rows.pick(order[:SEEN].sort().values).to(torch.float64)
        shuffled = torch.randperm(len(seen), generator=generator)
        return cls(whole, tuple(found), seen[shuffled], n)

    @classmethod
    def by(cls, summary: Summary, generator: torch.Generator) -> Told:
        """Return what a file of statistics tells."""
        if summary.features is not None and len(summary.features) == summary.n:
            return cls.of(Held(summary.features), generator)
        given = summary.n or 2
        moments = Moments(given, summary.mean, summary.covariance * (given - 1))
        seen = summary.mean.new_empty(0, len(summary.mean))
        if summary.features is not None:
            order = torch.randperm(len(summary.features), generator=generator)[:SEEN]
            seen = summary.features[order].to(torch.float64)
        return cls(moments, (), seen, summary.n or math.inf)

    @property
    def finite(self) -> bool:
        """Whether every number was."""
        return bool(torch.isfinite(self.moments.mean).all())


class _Parts:
    """Sums and products of rows about a common centre, by block: one product for each row."""

    def __init__(self, count: int, d: int) -> None:
        self.n = [0] * count
        self.sums = torch.zeros(count, d, dtype=torch.float64)
        self.products = torch.zeros(count, d, d, dtype=torch.float64)
        self.centre: Tensor | None = None

    def add(self, x: Tensor, block: Tensor) -> None:
        """Add rows ``x`` ``[k, d]`` to the blocks ``[k]`` they belong to."""
        x = x.to(torch.float64)
        if self.centre is None:
            self.centre = x.mean(0)
        x = x - self.centre
        for b in range(len(self.n)):
            part = x[block == b]
            self.n[b] += len(part)
            self.sums[b] += part.sum(0)
            self.products[b] += gram(part)

    def moments(self, b: int) -> Moments:
        """Return the moments of a block."""
        assert self.centre is not None
        shift = self.sums[b] / self.n[b]
        scatter = self.products[b] - self.n[b] * torch.outer(shift, shift)
        return Moments(self.n[b], self.centre + shift, scatter)


@dataclass(frozen=True)
class Streamed:
    """The distance of clouds of which passes, or a file, have told."""

    a: Told
    b: Told
    linear: Linearised

    @classmethod
    def of(cls, a: Told, b: Told, asked: Tensor | None = None) -> Streamed:
        """Return the distance of ``a`` from ``b``; ``asked`` ``[p, d]`` are rows of ``b``."""
        factor = Factor.of(b.moments.covariance)
        return cls(a, b, linearised(a.seen, b.seen, a.moments, b.moments, factor, asked))

    @property
    def sizes(self) -> tuple[int, int | None]:
        """How many samples and reference examples there are; None where nobody knows."""
        return int(self.a.n), None if math.isinf(self.b.n) else int(self.b.n)

    @property
    def value(self) -> float:
        """The plug-in distance."""
        return self.linear.value

    @property
    def _error(self) -> float:
        return math.sqrt(self.linear.variance(self.a.n, self.b.n))

    def interval(self) -> Interval:
        """Return the interval of the plug-in distance; of the samples alone if no more is known."""
        alone = "" if len(self.b.seen) else " of the samples, the reference held"
        return normal(self.value, self._error, _METHOD + alone)

    def pairs(self, value: float) -> Tensor | None:
        """Return ``value`` and the influence of reference examples on it; see ``Many.pairs``."""
        return self.linear.pairs(value, self.b.n)

    def at_infinity(self, method: str) -> tuple[float, Interval] | str:
        """Return the distance without the bias of finite samples, or why there is none."""
        if method != "jackknife":
            return "a line in 1/n needs every feature in memory: raise --samples to all of them"
        if not self.b.blocks:
            return "needs features of the whole reference, and its file holds moments of it"
        whole = self.a.moments, self.b.moments
        value = without_blocks(whole, self.a.blocks, self.b.blocks)
        return value, normal(value, self._error, f"bias-corrected {_METHOD}")
