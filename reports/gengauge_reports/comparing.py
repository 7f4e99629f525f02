"""Which model is significantly better than which: tested on pairs of examples where there are any.

A bound cannot lose by itself. Where lower is better, an upper bound is the pessimistic side: the
true value may be lower still, so such a model can be shown better than another, never worse. A
lower bound is then the optimistic side: it can be shown worse, never better. Where higher is
better it is the other way round. Exact values and estimates stand for themselves. Two bounds of
one kind are ordered by what each guarantees, as code lengths are: a bound's mark stays with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gengauge.statistics import paired_difference
from gengauge_reports.aggregate import Estimate, difference_p, holm, standard_error
from gengauge_reports.gather import Trial
from gengauge_reports.table import Column

ALPHA = 0.05
Score = dict[str, Any]


@dataclass(frozen=True)
class Examples:
    """One model's values of each test example ``[seeds, n]``.

    ``hidden`` is the part of the squared standard errors that these values do not show, such as
    the variance of clustered examples or of the samples that were drawn.
    """

    values: NDArray[np.float64]
    hidden: float


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


def side(kind: str, direction: str) -> str:
    """Return which way a kind errs: ``pessimistic``, ``optimistic``, or empty for neither.

    >>> side("upper_bound", "lower"), side("upper_bound", "higher"), side("estimate", "lower")
    ('pessimistic', 'optimistic', '')
    """
    if kind not in ("upper_bound", "lower_bound"):
        return ""
    return "pessimistic" if (kind == "upper_bound") == (direction == "lower") else "optimistic"


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


def examples(trials: Sequence[Trial], scores: Sequence[Score]) -> Examples | None:
    """Return the values of each example behind the scores of a model's trials, one a seed.

    None where a seed has none, where they are not of equal length, or where their mean is not the
    score, as with a ratio of sums: then they say nothing of its differences.
    """
    found = [_of_one(trial, score) for trial, score in zip(trials, scores, strict=True)]
    values = [f for f in found if f is not None]
    if not values or len(values) < len(found) or len({len(v) for v in values}) > 1:
        return None
    hidden = [_hidden(v, s) for v, s in zip(values, scores, strict=True)]
    return Examples(np.stack(values), float(np.mean(hidden)))


def _of_one(trial: Trial, score: Score) -> NDArray[np.float64] | None:
    embedder = (score.get("embedder") or {}).get("id")
    name = f"{score['metric']}.{embedder}" if embedder else score["metric"]
    values = trial.store.per_example(trial.key, name)
    if values is None or values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        return None
    same = math.isclose(float(values.mean()), float(score["value"]), rel_tol=1e-6, abs_tol=1e-9)
    return values if same else None


def _hidden(values: NDArray[np.float64], score: Score) -> float:
    """Return the variance that the score states beyond that of a mean of independent values."""
    error = standard_error({**score, "kind": ""})
    shown = float(values.var(ddof=1)) / len(values)
    beyond = 0.0 if error is None else error * error - shown
    return beyond if beyond > 0.01 * shown else 0.0  # less is rounding, or n for n - 1
