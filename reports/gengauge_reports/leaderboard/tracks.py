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
class Share:
    """A mean over boards and its 95 % interval, None where the boards are too few for one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Total:
    """One model in an aggregate, by the slug of its entrant.

    ``ranks`` are its ranks on each item among the complete models, None where it has no score.
    ``mean_rank``, ``borda`` and ``place`` are None where it is incomplete: ``missing`` then names
    the boards that it lacks, by slug.
    """

    entrant: str
    ranks: tuple[float | None, ...]
    mean_rank: Share | None = None
    borda: Share | None = None
    place: Rank | None = None
    missing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether it has a score on every board that counts."""
        return not self.missing


@dataclass(frozen=True)
class Aggregate:
    """Models over several boards: a quality over data sets, a data set over qualities, or both.

    ``totals`` has the complete models in order, then the incomplete ones. ``required`` are boards
    that are no item and must be scored all the same; ``left_out`` are boards of the same scope
    that too few models share, each with the number of models on it.
    """

    slug: str
    title: str
    datasets: tuple[str, ...]
    suites: tuple[str, ...]
    items: tuple[Item, ...]
    totals: tuple[Total, ...]
    required: tuple[Item, ...] = ()
    left_out: tuple[Item, ...] = ()
    notes: tuple[str, ...] = ()
