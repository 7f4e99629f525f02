"""The comparison of two sides, cell by cell, and what it amounts to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from gengauge.aggregate import holm
from gengauge.errors import BaselineError
from gengauge.gate.cells import Cell, Key, Side
from gengauge.gate.losses import SAME, Loss, loss_of
from gengauge.gate.tolerance import Gates, Tolerance

FAILS = ("worse", "missing", "unscored", "crashed")


@dataclass(frozen=True)
class Outcome:
    """What became of one cell, or of a whole trial where ``key.metric`` is empty.

    ``status``: ok, better, worse, missing, unscored, crashed, incomparable, new, not gated, or
    skipped: there was nothing to hold on to in the baseline either.
    """

    key: Key
    status: str
    baseline: Cell | None = None
    candidate: Cell | None = None
    tolerance: Tolerance | None = None
    loss: Loss | None = None
    p: float | None = None  # Holm-adjusted
    reason: str = ""

    @property
    def fails(self) -> bool:
        """Whether the gate is missed for this."""
        return self.status in FAILS

    @property
    def alike(self) -> bool:
        """Whether both sides have the same value but for rounding."""
        if not (self.baseline and self.candidate and self.baseline.values):
            return False
        return math.isclose(self.baseline.value, self.candidate.value, rel_tol=SAME)


@dataclass
class Comparison:
    """All outcomes, worst first within the order of the baseline."""

    baseline: str
    candidate: str
    alpha: float
    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def having(self, *statuses: str) -> list[Outcome]:
        """Return the outcomes of these statuses."""
        return [o for o in self.outcomes if o.status in statuses]

    @property
    def exit_code(self) -> int:
        """4 where protocols differ, 3 where a trial failed, 1 where quality was lost, else 0."""
        for code, statuses in ((4, ("incomparable",)), (3, ("crashed",)), (1, FAILS)):
            if self.having(*statuses):
                return code
        return 0


def compare(
    baseline: Side, candidate: Side, gates: Gates, alpha: float = 0.05, missing: str = "fail"
) -> Comparison:
    """Return the comparison of ``candidate`` with ``baseline``.

    Losses are tested one-sided at ``alpha`` over the whole table, Holm-corrected; ``missing`` is
    ``fail`` or ``skip``, what the baseline has and the candidate lacks. Raises ``BaselineError``
    where the baseline has no score, ``UsageError`` for a gate on what it has not.
    """
    if not any(cell.values for cell in baseline.cells.values()):
        raise BaselineError(f"the baseline '{baseline.name}' has no score to compare with")
    gates.check((k.metric, k.embedder) for k in (*baseline.cells, *candidate.cells))
    outcomes = _crashed(baseline, candidate)
    outcomes += _absent(baseline, candidate, gates)
    told = {(o.key.model, o.key.dataset) for o in outcomes}
    for key, cell in baseline.cells.items():
        # what is said of a whole trial is not said again of all its metrics
        said = (key.model, key.dataset) in told and key not in candidate.cells
        if cell.values and not said:
            outcomes.append(_judged(cell, candidate.cells.get(key), gates))
    outcomes += [
        Outcome(key, "new", None, cell) for key, cell in candidate.cells.items()
        if cell.values and (key not in baseline.cells or not baseline.cells[key].values)
    ]  # fmt: skip
    if missing == "skip":
        outcomes = [replace(o, status="skipped") if o.status == "missing" else o for o in outcomes]
    notes = [*baseline.notes, *candidate.notes, *_of_one_seed(outcomes)]
    return Comparison(baseline.name, candidate.name, alpha, _decided(outcomes, alpha), notes)


def _crashed(baseline: Side, candidate: Side) -> list[Outcome]:
    """Return the trials that failed here; what failed in the baseline too is no regression."""
    before = {(f.model, f.dataset, f.seed) for f in baseline.failures}
    known = baseline.models
    found = []
    for f in candidate.failures:
        key = Key(f.model, f.dataset, "", "", "")
        seed = "" if f.seed is None else f"seed {f.seed} "
        reason = f"{seed}{f.status}: {f.reason}"
        skipped = (f.model, f.dataset, f.seed) in before or (f.model, f.dataset) not in known
        found.append(Outcome(key, "skipped" if skipped else "crashed", reason=reason))
    return found


def _absent(baseline: Side, candidate: Side, gates: Gates) -> list[Outcome]:
    """Return the models that are gated and nowhere in the candidate, once for each dataset."""
    gated = {
        (k.model, k.dataset) for k, cell in baseline.cells.items()
        if cell.values and gates.of(k.metric, k.embedder, cell.hardware) is not None
    }  # fmt: skip
    return [
        Outcome(Key(*where, "", "", ""), "missing", reason="the model is not in the candidate")
        for where in sorted(gated - candidate.models)
    ]  # fmt: skip


def _judged(b: Cell, c: Cell | None, gates: Gates) -> Outcome:
    key = b.key
    tolerance = gates.of(key.metric, key.embedder, b.hardware)
    if tolerance is None:
        return Outcome(key, "not gated", b, c)
    if c is None:
        return Outcome(key, "missing", b, c, tolerance, reason="it is not in the candidate")
    if not c.values or c.reasons:
        return Outcome(key, "unscored", b, c, tolerance, reason=c.reasons[0])
    if fields := differing(b, c):
        return Outcome(key, "incomparable", b, c, tolerance, reason=f"differs: {fields}")
    return Outcome(key, "ok", b, c, tolerance, loss_of(b, c, tolerance))


def differing(b: Cell, c: Cell) -> str:
    """Return in words which fields of the protocol differ, empty where none does."""
    same_kind = b.protocol.get("kind") == c.protocol.get("kind")
    if b.comparability_key and b.comparability_key == c.comparability_key and same_kind:
        return ""
    names = [k for k in b.protocol if b.protocol[k] != c.protocol.get(k)]
    told = [(k, _short(b.protocol[k]), _short(c.protocol.get(k))) for k in names]
    return ", ".join(f"{k} ({x} before, {y} now)" for k, x, y in told) or "comparability key"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"


def _decided(outcomes: list[Outcome], alpha: float) -> list[Outcome]:
    """Return the outcomes with Holm's p-values and what follows from them."""
    tested = [o for o in outcomes if o.loss is not None and o.loss.p is not None]
    worse = dict(zip([o.key for o in tested], holm([_p(o) for o in tested]), strict=True))
    gains = [o.loss.p_gain or 0.0 for o in tested if o.loss is not None]
    better = dict(zip([o.key for o in tested], holm(gains), strict=True))
    decided = []
    for o in outcomes:
        if o.key in worse and o.loss is not None:
            lost, won = worse[o.key] <= alpha, better[o.key] <= alpha
            status = "worse" if lost else "better" if won else "ok"
            decided.append(replace(o, status=status, p=worse[o.key]))
        elif o.loss is not None:
            decided.append(_untested(o))
        else:
            decided.append(o)
    return decided


def _p(outcome: Outcome) -> float:
    assert outcome.loss is not None
    assert outcome.loss.p is not None
    return outcome.loss.p


def _untested(outcome: Outcome) -> Outcome:
    """Judge a cell without any uncertainty known: only a tolerance that was given decides."""
    loss, tolerance = outcome.loss, outcome.tolerance
    assert loss is not None
    assert tolerance is not None
    if tolerance.amount == 0:
        reason = "no interval, so no test; give a tolerance to gate the plain numbers"
        return replace(outcome, status="skipped", reason=reason)
    reason = "no interval: the plain numbers were compared"
    return replace(outcome, status="worse" if loss.beyond else "ok", reason=reason)


def _of_one_seed(outcomes: Iterable[Outcome]) -> list[str]:
    """Say for which models chance in training is in no interval."""
    single = {
        o.key.model for o in outcomes
        if o.baseline and o.candidate and o.loss is not None
        and len(o.baseline.values) == len(o.candidate.values) == 1
        and not o.alike
    }  # fmt: skip
    if not single:
        return []
    return [
        "one seed on each side: the tests hold for the trained models, not for training them "
        f"again; run --seeds 0-2 to cover that ({', '.join(sorted(single))})"
    ]
