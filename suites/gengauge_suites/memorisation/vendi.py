"""Vendi score: the effective number of different samples.

Source: Friedman & Dieng 2023, The Vendi Score, eq. 2, https://arxiv.org/abs/2210.02410, with the
cosine kernel.
"""

from __future__ import annotations

import math

import torch
from scipy import stats
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.statistics import LEVEL, Interval
from gengauge_suites.fidelity.clouds import embedded, problem

SIZE = 1000  # the score grows with the number of samples, so it is of this many at a time
BATCHES = 2


def vendi(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the score of 1,000 samples, from up to two disjoint sets of them.

    With fewer samples it is of all of them, and compares only at that number.
    """
    if reason := problem(evidence, embedder):
        return unscored(reason)
    x = embedded(evidence, embedder).samples.to(torch.float64)
    size = min(SIZE, len(x))
    x = x[: min(BATCHES, len(x) // size) * size]
    norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    if zero := int((norms == 0).sum()):
        return unscored(f"features of {zero} samples are all zero: they have no direction")
    value, interval = score_of(torch.split(x / norms, size))
    return Score(value, interval, n_samples=len(x), protocol={"size": size})


def score_of(batches: tuple[Tensor, ...]) -> tuple[float, Interval]:
    """Return the score of batches ``[n, d]`` of unit vectors, all of one size, and its interval.

    It is the exponential of their mean entropy; leaving out each row of the first batch in turn
    gives the variance.
    """
    first, left_out = entropy_without_each(batches[0])
    entropies = [first, *(entropy(batch) for batch in batches[1:])]
    value = math.exp(sum(entropies) / len(entropies))
    n = len(left_out)
    variance = (n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum())
    error = math.sqrt(variance / len(batches))
    reach = math.exp(float(stats.norm.ppf((1 + LEVEL) / 2)) * error)
    method = "log-normal, delete-one jackknife"
    return value, Interval(value / reach, value * reach, value * error, method, LEVEL)


def entropy(x: Tensor) -> float:
    """Return the entropy of the eigenvalues of ``x x^T / n``, ``x`` ``[n, d]`` of unit rows.

    The smaller of the n x n and the d x d matrix is taken; their eigenvalues but zeros agree.

    >>> round(math.exp(entropy(torch.eye(4, dtype=torch.float64).repeat(3, 1))), 9)
    4.0
    """
    n, d = x.shape
    values = torch.linalg.eigvalsh(x @ x.T if n <= d else x.T @ x)
    return float(torch.special.entr(values.clamp_min(0) / n).sum())


def entropy_without_each(x: Tensor) -> tuple[float, Tensor]:
    """Return the entropy of ``x`` ``[n, d]`` and those ``[n]`` with one row left out.

    With G = x x^T and R(s) = (G + s)^-1, det(G + s) without row i is R_ii(s) det(G + s), and
    ``l log l - l + 1`` is the integral over s > 0 of ``log(1+s) + (l-1)/(1+s) - log(l+s)``. So one
    factorisation gives all sums of ``l log l``: without row i it falls by the integral of
    ``log((1+s) R_ii(s))``. The derivative would not do: with few rows it sees half the change.
    """
    n, d = x.shape
    values, vectors = torch.linalg.eigh(x @ x.T if n <= d else x.T @ x)
    kept = values > n * torch.finfo(values.dtype).eps * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    shares = vectors**2 if n <= d else (x @ vectors) ** 2 / values
    outside = (1 - shares.sum(1)).clamp_min(0)  # of each row's unit vector in the null space of G
    step = 0.25
    s = torch.arange(-35, 35, step, dtype=x.dtype, device=x.device).exp()
    excess = shares @ ((1 - values[:, None]) / (values[:, None] + s)) + outside[:, None] / s
    fall = step * (s * torch.log1p(excess)).sum(1)  # of (1 + s) R_ii - 1, which loses no digits
    whole = torch.special.entr(values).sum()
    left_out = math.log(n - 1) + (whole + fall) / (n - 1)
    return math.log(n) + float(whole) / n, left_out
