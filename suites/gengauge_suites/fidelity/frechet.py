"""Frechet distance between feature clouds, plain and extrapolated to infinitely many samples.

Source: Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium, eq. 6, https://arxiv.org/abs/1706.08500. Covariances divide by n - 1, as the authors'
code does; everything is float64, because float32 is off by up to one per cent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.statistics import Interval, block_jackknife, block_of
from gengauge_suites.fidelity.clouds import embedded, problem

BLOCKS = 20


def fd(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the plug-in distance; its interval is for its expectation at this sample size.

    The plug-in value is biased upwards by O(1/n), so it compares only at equal n.
    """
    if reason := problem(evidence):
        return unscored(reason)
    value, interval, _ = _measured(evidence, embedder)
    return _score(evidence, value, replace(interval, low=max(0.0, interval.low)))


def fd_infinity(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the distance with the O(1/n) bias of both sides removed; it may be negative.

    Chong & Forsyth (2020) fit a line against 1/n over 15 random subsets of the samples, which
    removes the samples' bias and leaves that of the reference. Here a block is left out of both
    clouds at once, so the jackknife sees, and removes, both. Its interval is for the distance
    between the two populations, of samples drawn independently: samples that were themselves
    balanced by class (the ``real`` control where the split is stratified) read too low.
    """
    if reason := problem(evidence):
        return unscored(reason)
    value, interval, corrected = _measured(evidence, embedder)
    move = corrected - value
    moved = Interval(
        interval.low + move,
        interval.high + move,
        interval.standard_error,
        f"bias-corrected {interval.method}",
        interval.level,
    )
    return _score(evidence, corrected, moved)


def _score(evidence: Evidence, value: float, interval: Interval) -> Score:
    n, m = len(evidence.samples), len(evidence.reference)
    return Score(value, interval, n_samples=n, n_reference=m)


def _measured(evidence: Evidence, embedder: Embedder) -> tuple[float, Interval, float]:
    def compute() -> tuple[float, Interval, float]:
        features = embedded(evidence, embedder)
        return jackknifed(features.samples, features.reference)

    return evidence.memo(("frechet", embedder.id, embedder.sha256), compute)


def jackknifed(x: Tensor, y: Tensor, blocks: int = BLOCKS) -> tuple[float, Interval, float]:
    """Return distance, interval and bias-corrected distance of ``x`` ``[n, d]``, ``y`` ``[m, d]``.

    Rows must be in random order. Where either cloud, a block less, spans fewer than d directions
    the covariances are singular, and the form for few examples is used.
    """
    fewest = min(len(x), len(y))
    few = fewest - -(-fewest // blocks) <= x.shape[1]
    form = _few(x, y, blocks) if few else _many(x, y, blocks)
    return block_jackknife(form, blocks)


def _many(x: Tensor, y: Tensor, blocks: int) -> Callable[[int | None], float]:
    centre = y.mean(0)  # sums about a common centre lose no digits to a large offset
    a, b = _Sums.of(x - centre, blocks), _Sums.of(y - centre, blocks)
    return lambda left_out: distance(*a.moments(left_out), *b.moments(left_out))


def _few(x: Tensor, y: Tensor, blocks: int) -> Callable[[int | None], float]:
    of_x, of_y = (torch.from_numpy(block_of(len(z), blocks)) for z in (x, y))

    def statistic(left_out: int | None) -> float:
        if left_out is None:
            return distance_of_few(x, y)
        return distance_of_few(x[of_x != left_out], y[of_y != left_out])

    return statistic


@dataclass(frozen=True)
class _Sums:
    """Counts, sums ``[blocks, d]`` and products ``[blocks, d, d]`` of the blocks of a cloud."""

    counts: Tensor
    sums: Tensor
    products: Tensor

    @classmethod
    def of(cls, x: Tensor, blocks: int) -> _Sums:
        of = torch.from_numpy(block_of(len(x), blocks))
        parts = [x[of == b] for b in range(blocks)]
        counts = torch.tensor([len(p) for p in parts], dtype=torch.float64)
        sums = torch.stack([p.sum(0) for p in parts])
        return cls(counts, sums, torch.stack([p.T @ p for p in parts]))

    def moments(self, left_out: int | None) -> tuple[Tensor, Tensor]:
        """Return mean ``[d]`` and covariance ``[d, d]`` without block ``left_out``."""
        n, total, product = self.counts.sum(), self.sums.sum(0), self.products.sum(0)
        if left_out is not None:
            n = n - self.counts[left_out]
            total, product = total - self.sums[left_out], product - self.products[left_out]
        mean = total / n
        return mean, (product - n * torch.outer(mean, mean)) / (n - 1)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean ``[d]`` and covariance ``[d, d]`` (n - 1) of ``x`` ``[n, d]``, float64."""
    return _Sums.of(x.to(torch.float64), 1).moments(None)


def distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """Return ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`` from moments, float64.

    With ``S2 = L L^T`` the symmetric ``L^T S1 L`` has the eigenvalues of ``S1 S2``; `eigvalsh` of
    the product itself would be wrong, and a matrix square root is ten times slower.
    """
    factor, failed = torch.linalg.cholesky_ex(cov2)
    if failed:
        values, vectors = torch.linalg.eigh(cov2)
        factor = vectors * values.clamp_min(0).sqrt()
    product = factor.T @ cov1 @ factor
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    shift = ((mean1 - mean2) ** 2).sum()
    return float(shift + cov1.trace() + cov2.trace() - 2 * cross)


def distance_of_few(x: Tensor, y: Tensor) -> float:
    """Return the distance of clouds ``[n, d]``, ``[m, d]`` of fewer examples than features.

    ``tr((S1 S2)^(1/2))`` is the sum of singular values of the cross-Gram matrix of the centred
    clouds; the d x d forms lose four digits there.
    """
    a = (x - x.mean(0)) / (len(x) - 1) ** 0.5
    b = (y - y.mean(0)) / (len(y) - 1) ** 0.5
    cross = torch.linalg.svdvals(a @ b.T).sum()
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    return float(shift + (a**2).sum() + (b**2).sum() - 2 * cross)
