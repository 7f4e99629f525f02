"""Precision, recall, density and coverage.

Sources: Kynkaanniemi et al. 2019, Improved Precision and Recall Metric for Assessing Generative
Models, eq. 1-2, https://arxiv.org/abs/1904.06991; Naeem et al. 2020, Reliable Fidelity and
Diversity Metrics for Generative Models, eq. 3-6, https://arxiv.org/abs/2002.09797.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy import stats

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.statistics import LEVEL, Interval, wilson
from gengauge_suites.fidelity import deletion
from gengauge_suites.fidelity.between import Between
from gengauge_suites.fidelity.clouds import problem
from gengauge_suites.fidelity.passes import passes

_METHOD = "points' variance and leave-one-centre-out variance of the balls"


def precision(evidence: Evidence, embedder: Embedder, k: int) -> Score:
    """Return the share of samples within a reference point's distance to its k-th neighbour."""
    return _score(evidence, embedder, k, "precision")


def recall(evidence: Evidence, embedder: Embedder, k: int) -> Score:
    """Return the share of reference points within a sample's distance to its k-th neighbour."""
    return _score(evidence, embedder, k, "recall")


def coverage(evidence: Evidence, embedder: Embedder, k: int) -> Score:
    """Return the share of reference points with a sample within their k-th neighbour's distance.

    Real data scores about 1 - 2^-k.
    """
    return _score(evidence, embedder, k, "coverage")


def density(evidence: Evidence, embedder: Embedder, k: int) -> Score:
    """Return the mean number of reference balls about a sample, over k; about 1 for real data."""
    return _score(evidence, embedder, k, "density")


@dataclass(frozen=True)
class Estimate:
    """A value and its variance over new samples and a new reference of the same sizes."""

    value: float
    variance: float


def _score(evidence: Evidence, embedder: Embedder, k: int, name: str) -> Score:
    n, m = len(evidence.samples), evidence.n_reference
    if k >= min(n, m) // 2:
        few = min(n, m)
        return unscored(f"k = {k} is too large for {few} examples: it must be below half of them")
    if reason := problem(evidence, embedder):
        return unscored(reason)
    shared = k if name in ("precision", "recall") or k != 5 else 0
    found = estimate(passes(evidence, embedder, shared)[2], k, name)
    interval = interval_of(found, name, n if name in ("precision", "density") else m)
    return Score(found.value, interval, n_samples=n, n_reference=m, protocol={"k": k})


def estimate(found: Between, k: int, name: str) -> Estimate:
    """Return one of the four scores of a pass that has the balls for ``k``."""
    balls = found.about_samples[k] if name == "recall" else found.about_reference[k]
    if name == "coverage":
        near = found.nearest_sample
        variance = deletion.of_coverage(balls, near.squared, near.index)
        return Estimate(float((balls.held > 0).double().mean()), variance)
    if name == "density":
        return Estimate(float(balls.inside.mean()) / k, deletion.of_mean(balls))
    return Estimate(float((balls.inside > 0).double().mean()), deletion.of_share(balls))


def interval_of(found: Estimate, name: str, n: int) -> Interval:
    """Return the interval of a score whose mean is over ``n`` points, of valid range.

    A share takes Wilson's interval of as many independent points as its variance is worth, which
    is not empty at 0 and 1. A density of 0 takes that of no point in any ball.
    """
    error = math.sqrt(found.variance)
    if name == "density" and found.value > 0:
        half = float(stats.norm.ppf((1 + LEVEL) / 2)) * error
        low, high = max(0.0, found.value - half), found.value + half
        return Interval(low, high, error, f"normal, {_METHOD}", LEVEL)
    p = found.value
    worth = round(p * (1 - p) / found.variance) if 0 < p < 1 and found.variance > 0 else n
    interval = wilson(p * max(worth, 1), max(worth, 1))
    low, high = min(interval.low, p), max(interval.high, p)  # at 0 and 1 rounding leaves them out
    return replace(interval, low=low, high=high, standard_error=error, method=f"wilson, {_METHOD}")
