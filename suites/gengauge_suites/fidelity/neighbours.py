"""Precision, recall, density and coverage from one shared pass over the distances.

Sources: Kynkaanniemi et al. 2019, Improved Precision and Recall Metric for Assessing Generative
Models, eq. 1-2, https://arxiv.org/abs/1904.06991; Naeem et al. 2020, Reliable Fidelity and
Diversity Metrics for Generative Models, eq. 3-6, https://arxiv.org/abs/2002.09797.

"Within" means distance <= radius: with < a perfect model of categorical data scores 0, because
there the radius of a repeated point is 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.statistics import Interval, block_jackknife, block_of, wilson
from gengauge_suites.fidelity.clouds import embedded, problem

BLOCKS = 20
_ROWS = 500  # rows of the distance table at a time
# Neighbours kept beyond k, so that k remain when a block is left out: rows are in random order,
# and that 49 neighbours of one point fall into one block of twenty has a chance of 20^-48.
_SPARE = 48
# Squared distances come from a matrix product; equal points then differ by rounding only.
_SLACK = 1e-11


def precision(evidence: Evidence, embedder: Embedder, k: int) -> Score:
    """Return the share of samples within a reference point's distance to its k-th neighbour."""
    return _proportion(evidence, embedder, k, "precision")


def recall(evidence: Evidence, embedder: Embedder, k: int) -> Score:
    """Return the share of reference points within a sample's distance to its k-th neighbour."""
    return _proportion(evidence, embedder, k, "recall")


def coverage(evidence: Evidence, embedder: Embedder, k: int) -> Score:
    """Return the share of reference points with a sample within their k-th neighbour's distance.

    Real data scores about 1 - 2^-k.
    """
    return _proportion(evidence, embedder, k, "coverage")


def density(evidence: Evidence, embedder: Embedder, k: int) -> Score:
    """Return the mean number of reference balls about a sample, over k; about 1 for real data."""
    if reason := _problem(evidence, k):
        return unscored(reason)
    return _score(evidence, k, *_measured(evidence, embedder, k, "density"))


def _proportion(evidence: Evidence, embedder: Embedder, k: int, name: str) -> Score:
    if reason := _problem(evidence, k):
        return unscored(reason)
    value, interval = _measured(evidence, embedder, k, name)
    n = len(evidence.samples if name == "precision" else evidence.reference)
    return _score(evidence, k, value, united(interval, wilson(value * n, n)))


def _problem(evidence: Evidence, k: int) -> str:
    fewest = min(len(evidence.samples), len(evidence.reference))
    if k >= fewest // 2:
        return f"k = {k} is too large for {fewest} examples: it must be below half of them"
    return problem(evidence)


def _score(evidence: Evidence, k: int, value: float, interval: Interval) -> Score:
    n, m = len(evidence.samples), len(evidence.reference)
    return Score(value, interval, n_samples=n, n_reference=m, protocol={"k": k})


def united(a: Interval, b: Interval) -> Interval:
    """Return the smallest interval in ``[0, 1]`` that holds both.

    At a share of exactly 0 or 1 every left-out value is the same and the jackknife sees no
    spread; Wilson's interval does. In between the jackknife also sees that the balls move.
    """
    low, high = max(0.0, min(a.low, b.low)), min(1.0, max(a.high, b.high))
    return Interval(low, high, a.standard_error, f"{a.method}, united with {b.method}", a.level)


def _measured(evidence: Evidence, embedder: Embedder, k: int, name: str) -> tuple[float, Interval]:
    def compute() -> Counts:
        clouds = embedded(evidence, embedder)
        return count(clouds.samples, clouds.reference, k)

    counts = evidence.memo(("neighbours", embedder.id, embedder.sha256, k), compute)
    shares: Tensor = getattr(counts, name)
    value, interval, _ = block_jackknife(lambda b: float(shares[-1 if b is None else b]), BLOCKS)
    low = max(0.0, interval.low)
    return value, Interval(low, interval.high, interval.standard_error, interval.method)


@dataclass(frozen=True)
class Counts:
    """The four scores ``[blocks + 1]``: entry b without block b of both clouds, the last whole."""

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def count(x: Tensor, y: Tensor, k: int, blocks: int = BLOCKS) -> Counts:
    """Return the four scores of samples ``x`` ``[n, d]`` against reference ``y`` ``[m, d]``.

    Rows must be in random order. Each distance is computed once and held against the radii of
    every jackknife replicate.
    """
    centre = y.mean(0)  # near the origin the matrix product loses least
    x, y = x - centre, y - centre
    keep_x, keep_y = kept(len(x), blocks), kept(len(y), blocks)
    radius_x, radius_y = radii(x, keep_x, k), radii(y, keep_y, k)
    n_x, n_y = keep_x.sum(1).double(), keep_y.sum(1).double()
    inside = torch.zeros(len(keep_x), dtype=torch.float64)
    balls = torch.zeros_like(inside)
    reached = torch.zeros(keep_y.shape, dtype=torch.bool)
    held = torch.zeros(keep_y.shape, dtype=torch.bool)
    for rows in torch.split(torch.arange(len(x)), _ROWS):
        squared, slack = distances(x[rows], y)
        lower = squared - slack
        for b in range(len(keep_x)):
            alive = keep_x[b, rows]
            within = (lower <= radius_y[b]) & alive[:, None]
            inside[b] += within.any(1).sum()
            balls[b] += within.sum()
            held[b] |= within.any(0)
            reached[b] |= ((lower <= radius_x[b, rows, None]) & alive[:, None]).any(0)
    return Counts(
        precision=inside / n_x,
        recall=(reached & keep_y).sum(1) / n_y,
        density=balls / (k * n_x),
        coverage=(held & keep_y).sum(1) / n_y,
    )


def kept(n: int, blocks: int) -> Tensor:
    """Return which of ``n`` rows each jackknife replicate keeps, bool ``[blocks + 1, n]``."""
    of = torch.from_numpy(block_of(n, blocks))
    left_out = torch.arange(blocks + 1)[:, None]  # no row is of block `blocks`: the last is whole
    return of[None] != left_out


def distances(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return squared distances ``[n, m]`` and the rounding error to allow for in each."""
    norms = (a**2).sum(1)[:, None] + (b**2).sum(1)
    return norms - 2 * a @ b.T, _SLACK * norms


def radii(y: Tensor, keep: Tensor, k: int) -> Tensor:
    """Return squared distances to the k-th other kept row, ``[blocks + 1, m]``; -1 where left out.

    ``keep`` is bool ``[blocks + 1, m]``.
    """
    out = torch.empty(keep.shape, dtype=torch.float64)
    nearest = min(k + _SPARE, len(y) - 1)
    for rows in torch.split(torch.arange(len(y)), _ROWS):
        squared, _ = distances(y[rows], y)
        squared[torch.arange(len(rows)), rows] = torch.inf
        near, index = squared.topk(nearest, largest=False)
        for b in range(len(keep)):
            place = keep[b, index].cumsum(1)  # the k-th kept neighbour is where this reaches k
            kth = (place >= k).double().argmax(1)
            out[b, rows] = near[torch.arange(len(rows)), kth].clamp_min(0)
    return out.masked_fill(~keep, -torch.inf)
