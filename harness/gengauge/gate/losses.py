"""How much a candidate has lost, and the probability of that under a tolerable loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from gengauge.gate.cells import Array, Cell
from gengauge.gate.tolerance import Tolerance

LEVEL = 0.95
SAME = 1e-6  # of a value: what float32, another machine and a rounded baseline leave of equal


@dataclass(frozen=True)
class Loss:
    """The loss in the metric's unit, positive where the candidate is worse, and its interval.

    ``p`` is the one-sided p-value of the loss being within the tolerance, ``p_gain`` of there
    being no gain; None where nothing is known of the uncertainty.
    """

    value: float
    low: float | None
    high: float | None
    allowed: float
    p: float | None
    p_gain: float | None
    method: str

    @property
    def beyond(self) -> bool:
        """Whether the loss itself, uncertain as it is, is more than is allowed."""
        return self.value > self.allowed * (1 + SAME)


def loss_of(baseline: Cell, candidate: Cell, tolerance: Tolerance) -> Loss:
    """Return the loss of ``candidate`` and its tests, of two cells of one protocol.

    With ``s = 1`` where lower is better, else -1, the loss is ``s (c - b)``; a relative tolerance
    ``r`` asks whether ``s c - (s + r sign b) b`` is above 0, one linear contrast with the
    baseline's own error in it. Its variance is that of the pairs of examples where both sides
    have the same ones, else the sum of both squared standard errors; beside it stands the
    variance between seeds, pooled over both sides, wherever a side has more than one.
    Degrees of freedom after Welch & Satterthwaite.
    """
    s = 1.0 if baseline.direction == "lower" else -1.0
    b, c = baseline.value, candidate.value
    allowed = tolerance.amount * (abs(b) if tolerance.relative else 1.0)
    share = tolerance.amount * math.copysign(1.0, b) if tolerance.relative else 0.0
    value = s * (c - b)
    plain, method = _spread(baseline, candidate, s, s)
    tested, _ = _spread(baseline, candidate, s, s + share)
    if plain is None or tested is None:
        return Loss(value, None, None, allowed, None, None, method)
    half = float(stats.t.ppf((1 + LEVEL) / 2, plain.degrees)) * plain.error
    return Loss(
        value, value - half, value + half, allowed,
        _above(value - allowed, tested, max(abs(b), abs(c))),
        _above(-value, plain, max(abs(b), abs(c))), method,
    )  # fmt: skip


@dataclass(frozen=True)
class _Spread:
    error: float
    degrees: float


def _above(excess: float, spread: _Spread, scale: float) -> float:
    """Return the p-value of an excess of 0 or less; what is ``SAME`` is no excess."""
    if excess <= SAME * scale:
        return 1.0 if spread.error == 0 else max(0.5, _tail(excess, spread))
    return _tail(excess, spread) if spread.error else 0.0


def _tail(excess: float, spread: _Spread) -> float:
    return float(stats.t.sf(excess / spread.error, spread.degrees))


def _spread(b: Cell, c: Cell, s: float, k: float) -> tuple[_Spread | None, str]:
    """Return the standard error of ``s c - k b``, its degrees of freedom and its method."""
    parts, method = _within(b, c, s, k)
    if parts is None:
        return None, "none: a single reading"
    groups = [np.asarray(x.values) for x in (b, c)]
    freedom = sum(len(g) - 1 for g in groups)
    if freedom:
        pooled = sum((len(g) - 1) * float(g.var(ddof=1)) for g in groups if len(g) > 1) / freedom
        parts = [*parts, (pooled * (k * k / len(groups[0]) + 1 / len(groups[1])), float(freedom))]
        method += f", between {len(groups[0])} and {len(groups[1])} seeds"
    variance = sum(v for v, _ in parts)
    uncertain = sum(v * v / d for v, d in parts)
    degrees = variance**2 / uncertain if uncertain > 0 else math.inf
    return _Spread(math.sqrt(variance), degrees), method


def _within(b: Cell, c: Cell, s: float, k: float) -> tuple[list[tuple[float, float]] | None, str]:
    """Return variances with degrees of freedom of what one seed of each side leaves uncertain."""
    pair = _pairs(b, c)
    if pair is not None:
        x, y = pair
        d = s * y.mean(0) - k * x.mean(0)
        n = len(d)
        hidden = c.hidden + k * k * b.hidden
        what = "examples" if not (b.in_blocks or c.in_blocks) else "blocks of examples"
        return [(float(d.var(ddof=1)) / n, n - 1.0), (hidden, math.inf)], f"{n} paired {what}"
    if any(e is None for e in (*b.errors, *c.errors)):
        return None, ""
    squares = [float(np.mean(np.square(np.array(x.errors, dtype=np.float64)))) for x in (b, c)]
    return [(k * k * squares[0], math.inf), (squares[1], math.inf)], "both standard errors"


def _pairs(b: Cell, c: Cell) -> tuple[Array, Array] | None:
    """Return the values of the same examples, or of the same blocks of them."""
    x, y = b.examples, c.examples
    if b.in_blocks or c.in_blocks:
        x, y = b.blocked(), c.blocked()
    return (x, y) if x is not None and y is not None and x.shape[1] == y.shape[1] else None
