"""Which model is significantly better than which: tested on pairs of examples where there are any.

A bound cannot lose by itself. Where lower is better, an upper bound is the pessimistic side: the
true value may be lower still, so such a model can be shown better than another, never worse. A
lower bound is then the optimistic side: it can be shown worse, never better. Where higher is
better it is the other way round. Exact values and estimates stand for themselves. Two bounds of
one kind are ordered by what each guarantees, as code lengths are: a bound's mark stays with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from gengauge.aggregate import Estimate, difference_p, holm
from gengauge.examples import Examples, side
from gengauge.statistics import paired_difference
from gengauge_reports.table import Column

ALPHA = 0.05


@dataclass(frozen=True)
class Entry:
    """What is known of one model in one column."""

    estimate: Estimate
    examples: Examples | None = None


@dataclass(frozen=True)
class Verdict:
    """How one model fared against the others; ``paired`` of them example by example."""

    better: int = 0
    worse: int = 0
    paired: int = 0


def verdicts(column: Column, entries: Sequence[Entry]) -> list[Verdict]:
    """Return, for each entry, how many of the others are significantly better and worse.

    Every pair is tested at 5 %, two-sided, Holm-corrected, so under equal models nobody is placed
    behind another in at least 95 % of runs.
    """
    n = len(entries)
    pairs = list(combinations(range(n), 2))
    tested = [_test(entries[i], entries[j]) for i, j in pairs]
    adjusted = holm([p for p, _ in tested])
    better, worse, paired = [0] * n, [0] * n, [0] * n
    for (i, j), p, (_, on_pairs) in zip(pairs, adjusted, tested, strict=True):
        for k in (i, j):
            paired[k] += on_pairs
        i_leads = _leads(column, entries[i].estimate, entries[j].estimate)
        first, second = (i, j) if i_leads else (j, i)
        if p <= ALPHA and may_beat(column, entries[first].estimate, entries[second].estimate):
            worse[first] += 1
            better[second] += 1
    return [Verdict(better[i], worse[i], paired[i]) for i in range(n)]


def may_beat(column: Column, first: Estimate, second: Estimate) -> bool:
    """Return whether ``first`` could be shown better than ``second``, given their kinds.

    Not where the first is an optimistic bound (its true value may be worse), nor where the second
    is a pessimistic one (its true value may be better), unless both are bounds of one kind.
    """
    if first.kind == second.kind:
        return True
    if side(first.kind, column.direction) == "optimistic":
        return False
    return side(second.kind, column.direction) != "pessimistic"


def _leads(column: Column, a: Estimate, b: Estimate) -> bool:
    return (a.value > b.value) == (column.direction == "higher")


def _test(a: Entry, b: Entry) -> tuple[float, bool]:
    """Return the p-value of equal means, and whether it rests on paired examples."""
    x, y = a.examples, b.examples
    if x is None or y is None or x.values.shape[1] != y.values.shape[1]:
        return difference_p(a.estimate, b.estimate), False
    return paired_difference(x.values, y.values, hidden=x.hidden + y.hidden).p, True
