"""Aggregate boards: mean rank and Borda over data sets and qualities, nothing filled in.

**What counts once.** A quality is a suite, and of a suite the first headline metric that enough
models have: columns that say the same, such as nll and excess_nll, count once. Speed is a cost
and no quality: it has an aggregate of its own and is part of no other. Of a model the latest
version on these data sets takes part. Only scores without a caveat count, and controls never.

**A missing cell stays missing.** A model is placed only where it has every board of an aggregate;
else it is incomplete and has no place. A board counts where at least half of the models are on
it. Of one that is a single score short of half, a score is asked for all the same: else somebody
could drop a bad score and the board with it. So withholding a score never improves a place.

**Ranks** are those of the boards, by value, ties sharing the middle, among all models there; so
a model's mean rank does not depend on who else is complete. Mean ranks after Demsar 2006,
Statistical Comparisons of Classifiers over Multiple Data Sets,
https://jmlr.org/papers/v7/demsar06a.html; Borda counts after Colombo et al. 2022, What are the
best systems? New perspectives on NLP benchmarking, https://arxiv.org/abs/2202.03799.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from gengauge_reports.leaderboard.board import Board, DatasetBoards, Entrant
from gengauge_reports.leaderboard.resampling import Lots
from gengauge_reports.leaderboard.slugs import slugged
from gengauge_reports.leaderboard.tracks import Aggregate, Item, Total

COST = "speed"  # the suite that measures what quality costs


@dataclass(frozen=True)
class Scope:
    """Which boards an aggregate may be made of."""

    title: str
    datasets: Sequence[DatasetBoards]
    suites: tuple[str, ...]

    @cached_property
    def current(self) -> set[str]:
        """Who has no later version on any of the data sets."""
        if len(self.datasets) == 1:
            return self.datasets[0].current
        return {e.slug for d in self.datasets for e in d.entrants.values() if e.current}


@dataclass
class _Choice:
    """The boards that count, those that are asked for beside them, and those that do not count."""

    items: list[Board]
    required: list[Board]
    left_out: list[Board]

    @property
    def asked(self) -> list[Board]:
        """The boards that a complete model is on."""
        return [*self.items, *self.required]


def aggregates(datasets: Sequence[DatasetBoards], entrants: Iterable[Entrant]) -> list[Aggregate]:
    """Return the aggregates of two boards or more: over all, of a quality, of a data set."""
    labels = {e.slug: e.label for e in entrants}
    scopes = _scopes(datasets)
    lots = Lots(datasets)
    slugs = slugged([(scope.title, scope.title) for scope in scopes])
    found = (_aggregate(slug, s, labels, lots) for slug, s in zip(slugs, scopes, strict=True))
    return [a for a in found if len(a.items) > 1]


def _scopes(datasets: Sequence[DatasetBoards]) -> list[Scope]:
    suites = sorted({b.column.suite for d in datasets for b in d.boards if b.column.headline})
    qualities = tuple(s for s in suites if s != COST)
    scopes = [Scope("All qualities on all data sets", datasets, qualities)]
    ordered = [*qualities, *(s for s in suites if s == COST)]
    scopes += [Scope(f"{s} over data sets", datasets, (s,)) for s in ordered]
    scopes += [Scope(f"{d.dataset} over its qualities", [d], qualities) for d in datasets]
    # of a single data set or quality the first is the same as another
    return [s for i, s in enumerate(scopes) if i > 0 or min(len(datasets), len(qualities)) > 1]


def _aggregate(slug: str, scope: Scope, labels: Mapping[str, str], lots: Lots) -> Aggregate:
    groups = _groups(scope)
    there = {
        b.slug: {m: rank for m, rank in lots.ranks(b).items() if m in scope.current}
        for group in groups for b in group
    }  # fmt: skip
    models = sorted({model for found in there.values() for model in found})
    needed = (len(models) + 1) // 2
    choice = _chosen(groups, {board: len(found) for board, found in there.items()}, needed)

    def items(boards: Iterable[Board]) -> tuple[Item, ...]:
        return tuple(
            Item(b.slug, b.dataset, b.column.suite, b.column.title, len(there[b.slug]))
            for b in boards
        )

    totals = [
        Total(
            m, labels[m], tuple(there[b.slug].get(m) for b in choice.items),
            missing=tuple(b.slug for b in choice.asked if m not in there[b.slug]),
        )
        for m in models
    ]  # fmt: skip
    return Aggregate(
        slug, scope.title, tuple(d.dataset for d in scope.datasets), scope.suites,
        items(choice.items), tuple(_ordered(slug, totals, choice.items, lots)),
        items(choice.required), items(choice.left_out), len(models), needed,
        lots.notes(choice.items),
    )  # fmt: skip


def _groups(scope: Scope) -> list[list[Board]]:
    """Return the boards of each data set and suite, those that speak for it best first.

    The order rests on what a board is, never on who is on it.
    """
    groups: dict[tuple[str, str], list[Board]] = {}
    for dataset in scope.datasets:
        for board in dataset.boards:
            if board.column.headline and board.column.suite in scope.suites:
                groups.setdefault((dataset.dataset, board.column.suite), []).append(board)
    return [sorted(group, key=_first) for group in groups.values()]


def _first(board: Board) -> tuple[int, str, str, int, tuple[str, ...]]:
    """Order by metric and embedder, of one protocol's versions the newest before older ones."""
    column = board.column
    numbers = [int(n) for name in board.benchmarks for n in re.findall(r" v(\d{1,9})$", name)]
    return (column.order, column.metric, column.embedder, -max(numbers, default=0), column.key)


def _chosen(groups: Sequence[Sequence[Board]], scored: dict[str, int], needed: int) -> _Choice:
    """Choose of each group the first board with enough models, and see that none was withheld."""
    choice = _Choice([], [], [])
    for group in groups:
        enough = [b for b in group if scored[b.slug] >= needed > 0]
        before = group[: group.index(enough[0])] if enough else group
        choice.items += enough[:1]
        choice.required += [b for b in before if scored[b.slug] == needed - 1 > 0]
        if not enough:
            choice.left_out += [
                b for b in sorted(before, key=lambda b: -scored[b.slug])[:1]
                if b not in choice.required
            ]  # fmt: skip
    return choice


def _ordered(slug: str, totals: Sequence[Total], items: Sequence[Board], lots: Lots) -> list[Total]:
    """Place the complete models, best mean rank first, and set the incomplete ones behind."""
    complete = [t for t in totals if t.complete]
    if len(items) > 1:
        stage = lots.stage(slug, items, [t.entrant for t in complete])
        complete = [
            replace(t, mean_rank=rank, borda=borda, place=place)
            for t, rank, borda, place in zip(
                complete, stage.mean_ranks(), stage.bordas(), stage.places(len(totals)), strict=True
            )
        ]

    def worse(total: Total) -> tuple[float, float, str]:
        rank, borda = total.mean_rank, total.borda
        return (rank.value if rank else 0, -borda.value if borda else 0, total.label)

    rest = [t for t in totals if not t.complete]
    return [
        *sorted(complete, key=worse),
        *sorted(rest, key=lambda t: (len(t.missing), t.label)),
    ]
