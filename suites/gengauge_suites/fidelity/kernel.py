"""Maximum mean discrepancies: the full unbiased U-statistic with a jackknife standard error.

Source: Gretton et al. 2012, A Kernel Two-Sample Test, eq. 3, https://jmlr.org/papers/v13/gretton12a.html;
KID: Binkowski et al. 2018, Demystifying MMD GANs, section 4, https://arxiv.org/abs/1801.01401.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.statistics import LEVEL, Interval
from gengauge_suites.fidelity.clouds import embedded, points, problem

Kernel = Callable[[Tensor, Tensor], Tensor]
_BLOCK = 1000  # rows at a time
MMD_LIMIT = 2000  # points of each cloud: the cost is quadratic


def kid(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the squared discrepancy under the cubic kernel ``(x.y / d + 1)^3``; may be negative.

    torch-fidelity averages random subsets and gives their spread, which is not a standard error;
    the full statistic is cheaper and less noisy.
    """
    if reason := problem(evidence):
        return unscored(reason)
    clouds = embedded(evidence, embedder)
    return _score(cubic, clouds.samples, clouds.reference)


def mmd(evidence: Evidence) -> Score:
    """Return the squared discrepancy under a Gaussian kernel, on up to 2,000 points a side.

    The bandwidth is the median distance of reference points (Gretton et al. 2012, section 8); it
    depends on no model, so that models are measured with one ruler.
    """
    if reason := problem(evidence):
        return unscored(reason)
    clouds = points(evidence)
    x, y = clouds.samples[:MMD_LIMIT], clouds.reference[:MMD_LIMIT]
    width = evidence.once(("mmd bandwidth", evidence.seed), lambda: median_distance(y))
    if width == 0:
        return unscored("more than half of the reference points coincide: no bandwidth")
    score = _score(lambda a, b: gaussian(a, b, width), x, y)
    score.details["bandwidth"] = width
    return score


def cubic(a: Tensor, b: Tensor) -> Tensor:
    """Return ``(a.b / d + 1)^3`` ``[n, m]`` for ``a`` ``[n, d]`` and ``b`` ``[m, d]``."""
    return (a @ b.T / a.shape[1] + 1) ** 3


def gaussian(a: Tensor, b: Tensor, width: float) -> Tensor:
    """Return ``exp(-|a - b|^2 / (2 width^2))`` ``[n, m]`` of ``[n, d]`` and ``[m, d]``."""
    return torch.exp(-(torch.cdist(a, b) ** 2) / (2 * width**2))


def median_distance(y: Tensor) -> float:
    """Return the median distance between the first 1,000 rows of ``y`` ``[m, d]``."""
    return float(torch.pdist(y[:1000]).median())


def _score(kernel: Kernel, x: Tensor, y: Tensor) -> Score:
    value, error = unbiased_mmd(kernel, x, y)
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * error
    method = "normal, delete-one jackknife of both clouds"
    interval = Interval(value - half, value + half, error, method, LEVEL)
    return Score(value, interval, n_samples=len(x), n_reference=len(y))


def unbiased_mmd(kernel: Kernel, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return MMD^2 of ``x`` ``[n, d]`` and ``y`` ``[m, d]`` and its jackknife standard error.

    Leaving one row out only takes its sums from the totals, so row sums give every left-out
    value. The two clouds are independent: their variances add (Arvesen 1969). Where the clouds
    are alike the statistic is degenerate and the error is about 1.4 times too large: never small.
    """
    a, b = _within(kernel, x), _within(kernel, y)
    across, back = _across(kernel, x, y)
    n, m = len(x), len(y)
    value = a.mean + b.mean - 2 * float(across.sum()) / (n * m)
    of_x = a.left_out - 2 * (across.sum() - across) / ((n - 1) * m)
    of_y = b.left_out - 2 * (back.sum() - back) / ((m - 1) * n)
    return value, math.sqrt(_jackknife_variance(of_x) + _jackknife_variance(of_y))


@dataclass(frozen=True)
class _Within:
    """Mean of a kernel over ordered pairs of different rows, and the means with one row less."""

    mean: float
    left_out: Tensor


def _within(kernel: Kernel, x: Tensor) -> _Within:
    n = len(x)
    rows = []
    for start, part in zip(range(0, n, _BLOCK), torch.split(x, _BLOCK), strict=True):
        values = kernel(part, x)
        own = values.diagonal(start)  # a row with itself is no pair
        rows.append(values.sum(1) - own)
    sums = torch.cat(rows)
    total = sums.sum()
    return _Within(float(total) / (n * (n - 1)), (total - 2 * sums) / ((n - 1) * (n - 2)))


def _across(kernel: Kernel, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    rows, columns = [], torch.zeros(len(y), dtype=torch.float64)
    for part in torch.split(x, _BLOCK):
        values = kernel(part, y)
        rows.append(values.sum(1))
        columns += values.sum(0)
    return torch.cat(rows), columns


def _jackknife_variance(left_out: Tensor) -> float:
    n = len(left_out)
    return float((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
