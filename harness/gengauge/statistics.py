"""Intervals: each function names the method and is valid under the conditions it states."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

LEVEL = 0.95
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A two-sided interval, the standard error behind it and the method that makes it valid."""

    low: float
    high: float
    standard_error: float | None
    method: str
    level: float = 0.95


def _array(values: Tensor | Array | Sequence[float]) -> Array:
    return np.asarray(values, dtype=np.float64)


def exact(value: float) -> Interval:
    """Return the interval of a number that is counted rather than estimated."""
    return Interval(value, value, 0.0, "counted", LEVEL)


def mean_interval(values: Tensor | Array | Sequence[float], level: float = LEVEL) -> Interval:
    """Student-t interval for the mean of independent ``values`` ``[n]``, n at least 2."""
    x = _array(values)
    error = float(x.std(ddof=1) / math.sqrt(len(x)))
    half = float(stats.t.ppf((1 + level) / 2, len(x) - 1)) * error
    centre = float(x.mean())
    return Interval(centre - half, centre + half, error, f"student-t, n = {len(x)}", level)


def wilson(successes: float, n: float, level: float = LEVEL) -> Interval:
    """Wilson score interval for a proportion (Wilson 1927); not empty at 0 or n successes."""
    z, p = float(stats.norm.ppf((1 + level) / 2)), successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    error = math.sqrt(p * (1 - p) / n)
    return Interval(max(0.0, centre - half), min(1.0, centre + half), error, "wilson", level)


def quantile_interval(values: Tensor | Array | Sequence[float], q: float) -> Interval:
    """Distribution-free interval for the ``q`` quantile from order statistics.

    Where the sample is too small to reach the level, the extreme value is used and the level
    that was reached is the one stated (David & Nagaraja 2003, section 7.1).
    """
    x = np.sort(_array(values))
    n = len(x)
    low = int(stats.binom.ppf((1 - LEVEL) / 2, n, q))
    high = int(stats.binom.ppf((1 + LEVEL) / 2, n, q)) + 1
    lo, hi = max(low, 1), min(high, n)
    reached = float(stats.binom.cdf(hi - 1, n, q) - stats.binom.cdf(lo - 1, n, q))
    method = f"order statistics, n = {n}"
    return Interval(float(x[lo - 1]), float(x[hi - 1]), None, method, min(reached, LEVEL))


def block_jackknife(
    statistic: Callable[[int | None], float], blocks: int, level: float = LEVEL
) -> tuple[float, Interval, float]:
    """Return a statistic, its delete-a-block jackknife interval and its bias-corrected value.

    ``statistic(b)`` leaves out block b of every sample (b = None: nothing). Blocks must be
    independent and equally distributed; with two samples, block b is the b-th part of each, so
    one pass sees the variance and the O(1/n) bias of both sides (Shao & Tu 1995, section 2.3;
    unlike the bootstrap it repeats no point, which moment-matching distances do not survive).
    The interval is for the expectation of the statistic at this sample size.
    """
    whole = statistic(None)
    left_out = np.array([statistic(b) for b in range(blocks)])
    centre = float(left_out.mean())
    error = math.sqrt((blocks - 1) / blocks * float(((left_out - centre) ** 2).sum()))
    corrected = blocks * whole - (blocks - 1) * centre
    half = float(stats.t.ppf((1 + level) / 2, blocks - 1)) * error
    method = f"block jackknife, {blocks} blocks"
    return whole, Interval(whole - half, whole + half, error, method, level), corrected


def block_of(n: int, blocks: int) -> NDArray[np.int64]:
    """Return the block ``0 .. blocks - 1`` of each example ``[n]``; sizes differ by one at most."""
    return np.arange(n, dtype=np.int64) * blocks // n
