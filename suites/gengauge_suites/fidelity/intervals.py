"""Symmetric intervals from a variance."""

from __future__ import annotations

import math

from scipy import stats

from gengauge.statistics import LEVEL, Interval


def symmetric(value: float, variance: float, method: str, freedom: int | None = None) -> Interval:
    """Return the interval about ``value``; Student's t where the variance has few degrees.

    >>> round(symmetric(1.0, 0.01, "normal").low, 3)
    0.804
    """
    law = stats.norm if freedom is None else stats.t(freedom)
    error = math.sqrt(variance)
    half = float(law.ppf((1 + LEVEL) / 2)) * error
    return Interval(value - half, value + half, error, method, LEVEL)
