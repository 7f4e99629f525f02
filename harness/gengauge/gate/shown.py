"""A comparison as rows of text: what the terminal and Markdown have in common."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

from gengauge.gate.losses import SAME
from gengauge.gate.verdict import Comparison, Outcome

HEADINGS = (
    "model", "data", "metric", "baseline", "candidate", "change", "may lose", "p", "verdict",
)  # fmt: skip
_NONE, _MINUS = "\u2013", "\u2212"
ORDER = (
    "incomparable", "crashed", "worse", "missing", "unscored", "better", "ok", "skipped", "new",
    "not gated",
)  # fmt: skip
NUMERIC = ("baseline", "candidate", "change", "may lose", "p")
_NOTABLE = ORDER[:6]


class Line(NamedTuple):
    """One outcome as text, whether the gate is missed for it, and why."""

    cells: tuple[str, ...]
    fails: bool
    status: str
    reason: str


def lines(comparison: Comparison, every: bool = False) -> list[Line]:
    """Return what is worth a look, worst first, or ``every`` outcome."""
    chosen = [o for o in comparison.outcomes if every or o.status in _NOTABLE]
    return [_line(o) for o in sorted(chosen, key=lambda o: ORDER.index(o.status))]


def _line(o: Outcome) -> Line:
    metric = f"{o.key.metric}-{o.key.embedder}" if o.key.embedder else o.key.metric
    half = _half(o)
    cells = (
        o.key.model, o.key.dataset, metric or "(the trial)",
        number(o.baseline.value, half) if o.baseline and o.baseline.values else _NONE,
        number(o.candidate.value, half) if o.candidate and o.candidate.values else _NONE,
        _change(o, half), _allowed(o), _p(o.p), o.status,
    )  # fmt: skip
    return Line(cells, o.fails or o.status == "incomparable", o.status, o.reason)


def _half(o: Outcome) -> float | None:
    if o.loss is None or o.loss.low is None or o.loss.high is None:
        return None
    half = (o.loss.high - o.loss.low) / 2
    rounding = SAME * abs(o.baseline.value) if o.baseline and o.alike else 0.0
    return half if half > rounding else None


def _change(o: Outcome, half: float | None) -> str:
    """Return candidate less baseline, with half of its 95 % interval."""
    if o.loss is None or o.baseline is None:
        return _NONE
    change = o.loss.value * (1 if o.baseline.direction == "lower" else -1)
    if o.alike and not half:
        return "0"
    sign = "+" if change >= 0 else _MINUS
    spread = f" ± {number(half, half)}" if half is not None else ""
    return f"{sign}{number(abs(change), half)}{spread}"


def _allowed(o: Outcome) -> str:
    return _NONE if o.tolerance is None else str(o.tolerance)


def _p(p: float | None) -> str:
    if p is None:
        return _NONE
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def number(value: float, half: float | None) -> str:
    """Return ``value`` with the digits that its uncertainty ``half`` leaves a meaning.

    >>> number(3.14159, 0.02), number(12345.6, 300.0), number(0.5, None)
    ('3.142', '12,346', '0.5')
    """
    if not half or not math.isfinite(half):
        return f"{value:.4g}"
    decimals = max(0, 1 - math.floor(math.log10(half)))
    if decimals > 6 and abs(value) < 1e-4:
        return f"{value:.3g}"
    return f"{value:,.{min(decimals, 9)}f}".replace("-", _MINUS)


def headline(comparison: Comparison) -> str:
    """Return the verdict in one line."""
    counts = Counter(o.status for o in comparison.outcomes)
    parts = [f"{counts[s]} {s}" for s in ORDER if counts[s]]
    verdict = {0: "passed", 1: "missed", 3: "missed: trials failed", 4: "not comparable"}
    return f"gate {verdict[comparison.exit_code]} ({', '.join(parts)})"


def method(comparison: Comparison) -> str:
    """Return how it was tested, in one sentence."""
    n = sum(o.p is not None for o in comparison.outcomes)
    tests = "test" if n == 1 else "tests"
    return (
        f"{n} one-sided {tests} of a loss beyond what may be lost, Holm-corrected, at "
        f"{comparison.alpha:g} in all; change ± half of its 95 % interval"
    )
