"""Maximum mean discrepancies: the full unbiased U-statistic with a jackknife standard error.

Source: Gretton et al. 2012, A Kernel Two-Sample Test, eq. 3, https://jmlr.org/papers/v13/gretton12a.html;
KID: Binkowski et al. 2018, Demystifying MMD GANs, section 4, https://arxiv.org/abs/1801.01401.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge_suites.fidelity.clouds import embedded, points, problem
from gengauge_suites.fidelity.intervals import normal
from gengauge_suites.fidelity.passes import passes

Kernel = Callable[[Tensor, Tensor], Tensor]
_BLOCK = 1000  # rows at a time
_SEEN = 500  # rows of each cloud that the second-order variance is taken from
MMD_LIMIT = 2000  # points of each cloud: the cost is quadratic


def kid(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the squared discrepancy under the cubic kernel ``(x.y / d + 1)^3``; may be negative.

    torch-fidelity averages random subsets and gives their spread, which is not a standard error;
    the full statistic is cheaper and less noisy.
    """
    if reason := problem(evidence, embedder):
        return unscored(reason)
    clouds = embedded(evidence, embedder)
    in_x, in_y, found = passes(evidence, embedder)
    sums = Sums(in_x.kernel, in_y.kernel, found.kernel_samples, found.kernel_reference)
    return _score(sums, second_order(cubic, clouds.samples, clouds.reference))


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
    kernel = functools.partial(gaussian, width=width)
    score = _score(sums_of(kernel, x, y), second_order(kernel, x, y))
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


def _score(sums: Sums, second: float) -> Score:
    value, variance = sums.estimate()
    variance = max(variance - second, second)
    interval = normal(value, math.sqrt(variance), "normal, delete-one jackknife of both clouds")
    n, m = len(sums.within_x), len(sums.within_y)
    return Score(value, interval, n_samples=n, n_reference=m)


def unbiased_mmd(kernel: Kernel, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return MMD^2 of ``x`` ``[n, d]`` and ``y`` ``[m, d]`` and its jackknife standard error.

    Where the clouds are alike the error is about 1.4 times too large: see `second_order`.
    """
    value, variance = sums_of(kernel, x, y).estimate()
    return value, math.sqrt(variance)


@dataclass(frozen=True)
class Sums:
    """Kernel sums of each row over the others of its cloud (``within``) and over the other cloud.

    ``within_x`` and ``across_x`` are ``[n]``, those of y ``[m]``, float64.
    """

    within_x: Tensor
    within_y: Tensor
    across_x: Tensor
    across_y: Tensor

    def estimate(self) -> tuple[float, float]:
        """Return the unbiased MMD^2 and its delete-one jackknife variance.

        Leaving one row out only takes its sums from the totals, so row sums give every left-out
        value. The two clouds are independent: their variances add (Arvesen 1969).
        """
        n, m = len(self.within_x), len(self.within_y)
        mean_x, left_x = _without_one(self.within_x)
        mean_y, left_y = _without_one(self.within_y)
        across = self.across_x.sum()
        value = mean_x + mean_y - 2 * float(across) / (n * m)
        of_x = left_x - 2 * (across - self.across_x) / ((n - 1) * m)
        of_y = left_y - 2 * (across - self.across_y) / ((m - 1) * n)
        return value, _jackknife_variance(of_x) + _jackknife_variance(of_y)


def _without_one(sums: Tensor) -> tuple[float, Tensor]:
    n, total = len(sums), sums.sum()
    return float(total) / (n * (n - 1)), (total - 2 * sums) / ((n - 1) * (n - 2))


def _jackknife_variance(left_out: Tensor) -> float:
    n = len(left_out)
    return float((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())


def sums_of(kernel: Kernel, x: Tensor, y: Tensor) -> Sums:
    """Return the sums of a ``kernel`` over ``x`` ``[n, d]`` and ``y`` ``[m, d]`` by blocks."""
    across = [kernel(part, y) for part in torch.split(x, _BLOCK)]
    columns = torch.stack([values.sum(0) for values in across]).sum(0)
    rows = torch.cat([values.sum(1) for values in across])
    return Sums(_within(kernel, x), _within(kernel, y), rows, columns)


def _within(kernel: Kernel, x: Tensor) -> Tensor:
    rows = []
    for start, part in zip(range(0, len(x), _BLOCK), torch.split(x, _BLOCK), strict=True):
        values = kernel(part, x)
        rows.append(values.sum(1) - values.diagonal(start))  # a row with itself is no pair
    return torch.cat(rows)


def second_order(kernel: Kernel, x: Tensor, y: Tensor) -> float:
    """Return the part of the variance that the jackknife counts twice, from some rows of each.

    A U-statistic's variance has a part of O(1/n) and one of O(1/n^2), the doubly centred kernel's
    mean square; the jackknife sees the second twice (Efron & Stein 1981). It matters where the
    clouds are alike and the first vanishes: intervals would be 1.4 times too wide there.
    """
    n, m = len(x), len(y)
    a, b = x[:_SEEN].to(torch.float64), y[:_SEEN].to(torch.float64)
    of_x, of_y = (_centred_square(kernel(z, z), own=True) for z in (a, b))
    across = _centred_square(kernel(a, b), own=False)
    return 2 * of_x / (n * (n - 1)) + 2 * of_y / (m * (m - 1)) + 4 * across / (n * m)


def _centred_square(values: Tensor, own: bool) -> float:
    n, m = values.shape
    if own:  # the diagonal is no pair
        values = values.clone().fill_diagonal_(0)
        means = values.sum(1) / (n - 1)
        centred = (values - means[:, None] - means + means.mean()).fill_diagonal_(0)
        return float((centred**2).sum() / ((n - 1) * (n - 2)))
    centred = values - values.mean(1)[:, None] - values.mean(0) + values.mean()
    return float((centred**2).sum() / ((n - 1) * (m - 1)))
