"""Intervals: each function names the method and is valid under the conditions it states."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

if TYPE_CHECKING:  # reports use these statistics too, and never load torch
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


@dataclass(frozen=True)
class Difference:
    """A difference of two means, its interval, and the two-sided p-value of there being none."""

    value: float
    interval: Interval
    p: float


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
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(min(low, p), max(high, p), error, "wilson", level)  # p at an end, but rounding


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


def paired_difference(
    a: Tensor | Array, b: Tensor | Array, level: float = LEVEL, *, hidden: float = 0.0
) -> Difference:
    """Return mean(a) - mean(b) of two models' values of the same examples, tested on the pairs.

    ``a`` and ``b`` are ``[n]`` or ``[seeds, n]``, n at least 2. Seeds are averaged first, so that
    the difficulty of an example cancels; the variance between the means of each model's seeds is
    added. ``hidden`` is variance of the difference that single examples do not show, such as that
    of clustered ones; it is added in full. Degrees of freedom after Welch & Satterthwaite. Raises
    ``ValueError`` where the examples cannot be paired.

    >>> hard = np.array([1.0, 5.0, 9.0, 13.0])
    >>> round(paired_difference(hard + [0.1, 0.2, 0.1, 0.2], hard).p, 3)
    0.014
    """
    x, y = np.atleast_2d(_array(a)), np.atleast_2d(_array(b))
    n = x.shape[1]
    if n != y.shape[1] or n < 2:
        raise ValueError(f"needs at least 2 examples, the same of both: got {n} and {y.shape[1]}")
    differences = x.mean(0) - y.mean(0)
    parts = [(float(differences.var(ddof=1)) / n, n - 1)]
    parts += [(float(z.mean(1).var(ddof=1)) / len(z), len(z) - 1) for z in (x, y) if len(z) > 1]
    variance = sum(v for v, _ in parts) + hidden
    estimated = sum(v * v / freedom for v, freedom in parts)
    degrees = variance**2 / estimated if estimated > 0 else math.inf
    return _difference(float(differences.mean()), variance, degrees, level, f"paired, n = {n}")


def _difference(
    value: float, variance: float, degrees: float, level: float, method: str
) -> Difference:
    """Return Student's interval and p-value; without variance only equal means are equal."""
    error = math.sqrt(variance)
    half = float(stats.t.ppf((1 + level) / 2, degrees)) * error
    interval = Interval(value - half, value + half, error, method, level)
    if error == 0:
        return Difference(value, interval, 1.0 if value == 0 else 0.0)
    return Difference(value, interval, float(2 * stats.t.sf(abs(value) / error, degrees)))
