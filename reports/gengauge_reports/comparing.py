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

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gengauge.aggregate import Estimate, holm
from gengauge.examples import Examples, side
from gengauge_reports.table import Column

ALPHA = 0.05
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Entry:
    """What is known of one model in one column."""

    estimate: Estimate
    examples: Examples | None = None


@dataclass(frozen=True)
class Duels:
    """Each model against each other: ``wins[i, j]`` where i is significantly better than j.

    ``paired[i]`` counts the models that i was compared with example by example.
    """

    wins: NDArray[np.bool_]
    paired: NDArray[np.int64]

    @property
    def better(self) -> list[int]:
        """How many are significantly better than each."""
        return [int(n) for n in self.wins.sum(0)]

    @property
    def worse(self) -> list[int]:
        """How many are significantly worse than each."""
        return [int(n) for n in self.wins.sum(1)]


def duels(column: Column, entries: Sequence[Entry]) -> Duels:
    """Test every pair of models; what ``difference_p`` and ``paired_difference`` say, all at once.

    Every pair is tested at 5 %, two-sided, Holm-corrected, so under equal models nobody is placed
    behind another in at least 95 % of runs.
    """
    n = len(entries)
    first, second = np.triu_indices(n, 1)
    p, on_pairs = p_values(entries, first, second)
    values = np.array([e.estimate.value for e in entries])
    i_leads = (values[first] > values[second]) == (column.direction == "higher")
    ahead, behind = np.where(i_leads, (first, second), (second, first))
    won = np.array(holm(p.tolist()), dtype=np.float64) <= ALPHA
    won &= _may_beat(column, [e.estimate for e in entries], ahead, behind)
    wins = np.zeros((n, n), dtype=np.bool_)
    wins[ahead[won], behind[won]] = True
    paired = np.bincount(np.concatenate([first[on_pairs], second[on_pairs]]), minlength=n)
    return Duels(wins, paired)


def may_beat(column: Column, first: Estimate, second: Estimate) -> bool:
    """Return whether ``first`` could be shown better than ``second``, given their kinds.

    Not where the first is an optimistic bound (its true value may be worse), nor where the second
    is a pessimistic one (its true value may be better), unless both are bounds of one kind.
    """
    return bool(_may_beat(column, [first, second], np.array([0]), np.array([1]))[0])


def _may_beat(
    column: Column,
    estimates: Sequence[Estimate],
    ahead: NDArray[np.int64],
    behind: NDArray[np.int64],
) -> NDArray[np.bool_]:
    kinds = np.array([e.kind for e in estimates], dtype=object)
    sides = np.array([side(e.kind, column.direction) for e in estimates], dtype=object)
    sound = (sides[ahead] != "optimistic") & (sides[behind] != "pessimistic")
    return np.asarray((kinds[ahead] == kinds[behind]) | sound, dtype=np.bool_)


def p_values(
    entries: Sequence[Entry], first: NDArray[np.int64], second: NDArray[np.int64]
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the p-value of equal means of each pair, and whether it rests on paired examples."""
    p = _apart([e.estimate for e in entries], first, second)
    group = np.array([e.examples.values.shape[1] if e.examples else 0 for e in entries], dtype=int)
    on_pairs = (group[first] > 0) & (group[first] == group[second])
    for size in set(group[first[on_pairs]].tolist()):
        here = on_pairs & (group[first] == size)
        members = np.flatnonzero(group == size)
        found = [e for k in members.tolist() if (e := entries[k].examples) is not None]
        at = np.searchsorted(members, (first[here], second[here]))
        p[here] = _together(found)[at[0], at[1]]
    return p, on_pairs


def _apart(
    estimates: Sequence[Estimate], first: NDArray[np.int64], second: NDArray[np.int64]
) -> Array:
    """Return ``difference_p`` of each pair."""
    values = np.array([e.value for e in estimates])
    errors = np.array([np.nan if (s := e.standard_error) is None else s for e in estimates])
    spread = np.array([e.between**2 / (e.n_seeds - 1) if e.n_seeds > 1 else 0 for e in estimates])
    a, b = values[first], values[second]
    variance = errors[first] ** 2 + errors[second] ** 2
    p = _two_sided(np.abs(a - b), variance, spread[first] + spread[second])
    same = np.abs(a - b) <= 1e-12 * np.maximum(np.abs(a), np.abs(b))
    p[variance == 0] = same[variance == 0]
    p[np.isnan(variance)] = 1.0
    return p


def _together(found: Sequence[Examples]) -> Array:
    """Return ``paired_difference`` of models whose examples are the same, as a matrix of p."""
    means = np.stack([e.values.mean(0) for e in found])  # [models, examples]
    n, centres = means.shape[1], means.mean(1)
    centred = means - centres[:, None]
    seeds = np.array([float(e.values.mean(1).var(ddof=1)) / len(e.values)
                      if len(e.values) > 1 else 0.0 for e in found])  # fmt: skip
    spread = np.array([s * s / (len(e.values) - 1) if len(e.values) > 1 else 0.0
                       for s, e in zip(seeds, found, strict=True)])  # fmt: skip
    known = seeds + np.array([e.hidden for e in found])
    p = np.ones((len(found), len(found)))
    for i in range(len(found) - 1):
        apart = centred[i] - centred[i + 1 :]
        shown = np.einsum("ij,ij->i", apart, apart) / (n - 1) / n
        variance = shown + known[i] + known[i + 1 :]
        estimated = shown**2 / (n - 1) + spread[i] + spread[i + 1 :]
        gap = np.abs(centres[i] - centres[i + 1 :])
        found_p = _two_sided(gap, variance, estimated)
        found_p[variance == 0] = gap[variance == 0] == 0
        p[i, i + 1 :] = p[i + 1 :, i] = found_p
    return p


def _two_sided(gap: Array, variance: Array, estimated: Array) -> Array:
    """Return Welch's p-values; the parts of a variance that were estimated give its freedom."""
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = np.where(estimated > 0, variance**2 / estimated, np.inf)
        return np.asarray(2 * special.stdtr(degrees, -gap / np.sqrt(variance)), dtype=np.float64)
