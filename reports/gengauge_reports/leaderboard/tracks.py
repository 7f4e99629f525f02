"""What an aggregate over several boards says of its models."""

from __future__ import annotations

from dataclasses import dataclass

from gengauge_reports.table import Rank


@dataclass(frozen=True)
class Item:
    """One board that is part of an aggregate, by its slug; ``scored`` models have a cell in it."""

    board: str
    dataset: str
    suite: str
    title: str
    scored: int


@dataclass(frozen=True)
class Average:
    """A mean over boards and its 95 % interval, None where the boards are too few for one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Total:
    """One model in an aggregate, by the slug of its entrant.

    ``ranks`` are its ranks on each item, as ``Board`` orders it, ties sharing the middle; None
    where it has no score. ``borda`` is the share of duels that it wins, a duel within noise
    counting half. ``place`` is its shared place among the complete models. All three are None
    where it is incomplete: ``missing`` then names the boards that it lacks, by slug.
    """

    entrant: str
    label: str
    ranks: tuple[float | None, ...]
    mean_rank: Average | None = None
    borda: Average | None = None
    place: Rank | None = None
    missing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether it has a score on every board that counts."""
        return not self.missing


@dataclass(frozen=True)
class Aggregate:
    """Models over several boards: a quality over data sets, a data set over qualities, or both.

    ``totals`` has the complete models in order, then the incomplete ones, and ``models`` counts
    both. A board is an item where at least ``needed`` of them, half, are scored. ``required`` are
    boards that are one score short of it: no item, but who is not on them is incomplete.
    ``left_out`` are other boards of the same scope, each with the number of models on it.
    """

    slug: str
    title: str
    datasets: tuple[str, ...]
    suites: tuple[str, ...]
    items: tuple[Item, ...]
    totals: tuple[Total, ...]
    required: tuple[Item, ...] = ()
    left_out: tuple[Item, ...] = ()
    models: int = 0
    needed: int = 0
    notes: tuple[str, ...] = ()
