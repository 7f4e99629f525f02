"""Intervals of values that come in clusters, such as several images of one prompt."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from gengauge.statistics import LEVEL, Array, Interval, wilson


def clustered_mean_interval(
    values: Tensor | Array | Sequence[float], clusters: Tensor | Sequence[int], level: float = LEVEL
) -> Interval:
    """Student-t interval for the mean of ``values`` ``[n]`` that belong to ``clusters`` ``[n]``.

    Values of one cluster may depend on each other, such as several images of one prompt; clusters
    are independent, and there are at least 2. Where each value is a cluster of its own this is
    ``mean_interval`` (Liang & Zeger 1986, Longitudinal data analysis using generalized linear
    models, eq. 6, with the factor c / (c - 1)).
    """
    x, count = np.asarray(values, np.float64), _clusters(clusters)[0]
    error, centre = _clustered_error(x, clusters), float(x.mean())
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * error
    method = f"student-t, {count} clusters"
    return Interval(centre - half, centre + half, error, method, level)


def clustered_share_interval(
    values: Tensor | Array | Sequence[float], clusters: Tensor | Sequence[int], level: float = LEVEL
) -> Interval:
    """Interval for the mean of ``values`` ``[n]`` in [0, 1] that belong to ``clusters`` ``[n]``.

    Wilson's interval at the effective sample size; not empty where all values are 0 or 1.
    """
    x, count = np.asarray(values, np.float64), _clusters(clusters)[0]
    error = _clustered_error(x, clusters)
    interval = share_interval(float(x.mean()), count, error, count - 1, level)
    return replace(interval, method=f"wilson, {count} clusters")


def share_interval(
    share: float, n: int, error: float, degrees: float, level: float = LEVEL
) -> Interval:
    """Wilson interval for a share whose standard ``error`` is known on so many ``degrees``.

    The effective sample size is the one at which independent trials would have this error, and
    ``n``, the number of independent ones, where there is no error to see (Korn & Graubard 1998,
    Confidence intervals for proportions with small expected number of positive counts, sec. 3).
    """
    spread = share * (1 - share)
    independent = spread / error**2 if error > 0 and spread > 0 else float(n)
    widened = float(stats.norm.ppf((1 + level) / 2) / stats.t.ppf((1 + level) / 2, degrees)) ** 2
    effective = max(1.0, independent * widened)
    interval = wilson(share * effective, effective, level)
    return replace(interval, standard_error=error, method="wilson at the effective sample size")


def _clusters(clusters: Tensor | Sequence[int]) -> tuple[int, NDArray[np.int64]]:
    """Return how many clusters there are, and the number of each value's; at least 2."""
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"an interval needs at least 2 clusters, got {len(names)}")
    return len(names), index


def _clustered_error(x: Array, clusters: Tensor | Sequence[int]) -> float:
    count, index = _clusters(clusters)
    sums = np.bincount(index, weights=x - x.mean(), minlength=count)
    return math.sqrt(count / (count - 1) * float((sums**2).sum())) / len(x)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float],
    clusters: Tensor | Sequence[int],
    seed: int,
    *,
    method: str = "BCa",
    resamples: int = 2000,
    level: float = LEVEL,
) -> Interval:
    """Bootstrap interval for a smooth ``statistic`` of the numbers of the examples it is made of.

    Whole clusters ``[n]`` are drawn (``range(n)``: every example by itself). ``method`` is ``BCa``
    or ``percentile`` (Efron 1987, Better Bootstrap Confidence Intervals). Never for distances
    that match moments or neighbours, which a repeated point biases: those take the jackknife.
    """
    count, index = _clusters(clusters)
    order = np.argsort(index, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(index))[:-1])

    def of_clusters(drawn: Array) -> float:
        return statistic(np.concatenate([members[i] for i in drawn.astype(np.int64)]))

    found = stats.bootstrap(
        (np.arange(count),), of_clusters, vectorized=False, n_resamples=resamples,
        confidence_level=level, method=method, random_state=np.random.default_rng(seed),
    )  # fmt: skip
    low, high = found.confidence_interval
    label = f"{method} bootstrap, {count} clusters"
    return Interval(float(low), float(high), float(found.standard_error), label, level)
