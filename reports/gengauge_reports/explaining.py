"""What stands behind one number of the page, as terms and texts."""

from __future__ import annotations

from gengauge.aggregate import Estimate
from gengauge.examples import side
from gengauge_reports import notation
from gengauge_reports.table import Cell, Column

Fact = tuple[str, str]


def explanation(cell: Cell, column: Column) -> list[Fact]:
    """Return what a number is, how it was measured and compared; or why there is none."""
    estimate = cell.estimate
    if estimate is None:
        return [("Not scored", cell.reason or "no score was recorded")]
    facts = [("Value", f"{estimate.value:.6g} {column.extra_unit}".strip())]
    facts.append(("Kind", notation.KINDS.get(estimate.kind, estimate.kind)))
    if estimate.low is not None and estimate.high is not None:
        level = f"{100 * estimate.level:g} % interval"
        facts.append((level, f"{estimate.low:.6g} to {estimate.high:.6g}"))
    if estimate.method:
        facts.append(("Method", estimate.method))
    if cell.caveat:
        facts.insert(0, ("Not ranked", cell.caveat))
    facts += _place(cell, column)
    if cell.normalised is not None:
        facts.append(("Normalised", f"{cell.normalised:.3f} (noise 0, real data 1)"))
    return facts + _counts(estimate)


def _place(cell: Cell, column: Column) -> list[Fact]:
    """Return the rank, how it was tested, and what the kinds in the column leave open."""
    rank = cell.rank
    if rank is None or cell.estimate is None:
        return []
    shared = ", shared" if rank.shared else ""
    facts = [("Rank", f"{notation.place(rank)} of {rank.n}{shared}")]
    others = rank.n - 1
    if rank.paired:
        which = "" if rank.paired == others else f" with {rank.paired} of {others}"
        facts.append(("Compared", f"paired{which}: by the differences on the same examples"))
    if errs := side(cell.estimate.kind, column.direction):
        facts.append(("As a bound", notation.SIDES[errs]))
    return facts


def _counts(estimate: Estimate) -> list[Fact]:
    samples, reference = estimate.n_samples, estimate.n_reference
    facts = [("Samples", f"{samples:,}")] if samples is not None else []
    if reference is not None:
        facts.append(("Reference", f"{reference:,} examples"))
    if estimate.n_seeds > 1:
        facts.append(("Seeds", " · ".join(f"{v:.6g}" for v in estimate.values)))
    else:
        facts.append(("Seeds", "one: the interval leaves out the variation between trainings"))
    by_size = estimate.details.get("by_batch_size")
    if isinstance(by_size, dict):
        sizes = " · ".join(f"{k}: {notation.number(float(v))}" for k, v in by_size.items())
        facts.append(("By batch size", sizes))
    return facts
