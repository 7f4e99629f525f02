"""One number for a model from the scores of its seeds, with the uncertainty that is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

Score = dict[str, Any]
# of several kinds among the seeds, the one that claims least is the one shown
_CAUTION = ("upper_bound", "lower_bound", "estimate", "exact")


@dataclass(frozen=True)
class Estimate:
    """The mean over seeds of one metric of one model.

    ``standard_error`` is None where nothing is known of the uncertainty. ``between`` is the part
    of its square that was itself estimated, from ``n_seeds`` values.
    """

    value: float
    low: float | None
    high: float | None
    level: float
    standard_error: float | None
    between: float
    kind: str
    method: str
    n_seeds: int
    n_samples: int | None
    n_reference: int | None
    values: tuple[float, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def half(self) -> float | None:
        """Half the width of the interval, where there is one."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2


def standard_error(score: Score) -> float | None:
    """Return the standard error of one score.

    Where only an interval was stored, or the error is 0 and the interval is not (a share of 0 or
    1), its half width over the normal quantile stands in. A value marked exact without either is
    counted, not estimated: its error is 0. Otherwise None.
    """
    if score.get("standard_error"):
        return float(score["standard_error"])
    if score.get("low") is not None and score.get("high") is not None:
        z = float(special.ndtri((1 + float(score.get("level") or 0.95)) / 2))
        if z > 0:  # of no level to speak of an interval says nothing
            return (float(score["high"]) - float(score["low"])) / (2 * z)
    if score.get("standard_error") is not None:
        return 0.0
    return 0.0 if score.get("kind") == "exact" else None


def aggregate(scores: Sequence[Score]) -> Estimate:
    """Return the mean of the seeds' scores (at least one, none unscored) and its interval.

    A single seed keeps its own interval. For n seeds the variance is s^2 / n between them plus
    the mean of their squared standard errors: the seeds share one test set, so their
    within-seed errors do not average out, and adding them in full is the cautious choice.
    """
    values = np.array([s["value"] for s in scores], dtype=np.float64)
    n, first = len(values), scores[0]
    error, between = standard_error(first), 0.0
    low, high = first.get("low"), first.get("high")
    level, method = float(first.get("level") or 0.95), str(first.get("interval_method") or "")
    if n > 1:
        errors = [standard_error(s) for s in scores]
        between = float(values.var(ddof=1)) / n
        within = [e * e for e in errors if e is not None]
        variance = between + (float(np.mean(within)) if within else 0.0)
        error = math.sqrt(variance)
        half = quantile(level, freedom((between,), (n,), variance)) * error
        low, high = float(values.mean()) - half, float(values.mean()) + half
        method = f"between {n} seeds, and within each ({method or 'no interval'})"
    return Estimate(
        value=float(values.mean()), low=low, high=high, level=level, standard_error=error,
        between=between, kind=min((str(s.get("kind")) for s in scores), key=_caution),
        method=method, n_seeds=n, n_samples=first.get("n_samples"),
        n_reference=first.get("n_reference"), values=tuple(values.tolist()),
        details=dict(first.get("details") or {}),
    )  # fmt: skip


def _caution(kind: str) -> int:
    return _CAUTION.index(kind) if kind in _CAUTION else len(_CAUTION)


def freedom(between: Sequence[float], seeds: Sequence[int], variance: float) -> float:
    """Welch-Satterthwaite degrees of freedom: only the between-seed parts were estimated."""
    spread = sum(b * b / (n - 1) for b, n in zip(between, seeds, strict=True) if n > 1)
    return variance**2 / spread if spread > 0 else math.inf


def quantile(level: float, degrees: float) -> float:
    """Return the two-sided quantile of Student's t, the normal one for infinite degrees."""
    return float(special.stdtrit(degrees, (1 + level) / 2))


def difference_p(a: Estimate, b: Estimate) -> float:
    """Return the two-sided p-value of equal means; 1 where an uncertainty is unknown.

    A z-test, or Welch's t-test as far as the variance rests on few seeds. Scores on one test
    set are positively correlated, so treating them as independent is cautious.
    """
    if a.standard_error is None or b.standard_error is None:
        return 1.0
    variance = a.standard_error**2 + b.standard_error**2
    gap = abs(a.value - b.value)
    if variance == 0:
        return 1.0 if math.isclose(a.value, b.value, rel_tol=1e-12) else 0.0
    degrees = freedom((a.between, b.between), (a.n_seeds, b.n_seeds), variance)
    return float(2 * special.stdtr(degrees, -gap / math.sqrt(variance)))


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values (Holm 1979), in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.array(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = np.minimum(1.0, np.arange(len(p), 0, -1) * values[order])
    values[order] = np.maximum.accumulate(scaled)
    return [float(x) for x in values]
