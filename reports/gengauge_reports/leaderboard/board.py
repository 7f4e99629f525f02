"""What a leaderboard is made of; numbers and texts as they were recorded, nothing formatted.

Every text may come from a stranger's record: whoever shows it must escape it. Only slugs are safe
in names of files and addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gengauge.aggregate import Estimate
from gengauge.gather import Trial
from gengauge_reports.leaderboard.pareto import Front
from gengauge_reports.leaderboard.tracks import Aggregate
from gengauge_reports.leaderboard.versions import History
from gengauge_reports.table import Column, Rank, Row, Table


@dataclass(frozen=True)
class Entrant:
    """One model as the whole leaderboard knows it, on however many data sets.

    ``key`` is what tells it from others: id, version and precision, and parameters and budget
    where one data set holds several of them. ``current``: no later version of it is here.
    """

    key: tuple[str, ...]
    slug: str
    label: str
    id: str
    family: str
    control: bool
    summary: str = ""
    reference: str = ""
    n_parameters: int | None = None
    current: bool = True


@dataclass(frozen=True)
class Standing:
    """One model on one board.

    ``estimate`` is None where there is no score, and ``reason`` says why. ``caveat`` says why a
    score is shown and takes no part in the ranks. ``rank`` is also None where nobody else is
    scored. ``normalised`` is 0 at the control ``noise`` and 1 at ``real``. ``command`` runs the
    first of its trials again.
    """

    entrant: Entrant
    estimate: Estimate | None = None
    rank: Rank | None = None
    normalised: float | None = None
    reason: str = ""
    caveat: str = ""
    seeds: tuple[int, ...] = ()
    training_seconds: float | None = None
    command: str = ""


@dataclass(frozen=True)
class Board:
    """The models of one data set in one column: one metric, embedder, split, comparability key.

    ``ranked`` is in order, best value first. Controls are calibration and never ranked.
    """

    slug: str
    dataset: str
    column: Column
    benchmarks: tuple[str, ...]
    ranked: tuple[Standing, ...]
    unranked: tuple[Standing, ...]
    unscored: tuple[Standing, ...]
    calibration: tuple[Standing, ...]

    @property
    def all(self) -> Iterator[Standing]:
        """Everybody on the board: ranked, with a caveat, without a score, and controls."""
        yield from (*self.ranked, *self.unranked, *self.unscored, *self.calibration)


@dataclass
class DatasetBoards:
    """The boards of one data set, and the wide table of its models that they form.

    ``table`` has a row a model and a column a board, in the order of ``boards``; ``rows`` has the
    same rows, and those where everything failed, by the slug of their entrant, as has
    ``entrants``. ``current`` are the slugs of those that have no later version on this data set.
    ``fronts`` are of the headline columns.
    """

    dataset: str
    slug: str
    table: Table
    boards: list[Board]
    rows: dict[str, Row]
    entrants: dict[str, Entrant]
    current: set[str]
    fronts: list[Front] = field(default_factory=list)

    @property
    def headline(self) -> list[Board]:
        """The boards of the short view: all of them where no metric is marked."""
        return [b for b in self.boards if b.column.headline] or self.boards


@dataclass
class Leaderboard:
    """Everything that is published of some runs."""

    title: str
    entrants: list[Entrant]
    datasets: list[DatasetBoards]
    aggregates: list[Aggregate] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def models(self) -> list[Entrant]:
        """The entrants that are ranked: not the controls."""
        return [e for e in self.entrants if not e.control]

    def entrant(self, slug: str) -> Entrant:
        """Return an entrant by its slug."""
        return self._by_slug[slug]

    @cached_property
    def _by_slug(self) -> dict[str, Entrant]:
        return {e.slug: e for e in self.entrants}

    @cached_property
    def standings(self) -> dict[str, list[tuple[Board, Standing]]]:
        """Where each entrant stands, by its slug."""
        found: dict[str, list[tuple[Board, Standing]]] = {}
        for board in (b for d in self.datasets for b in d.boards):
            for standing in board.all:
                found.setdefault(standing.entrant.slug, []).append((board, standing))
        return found

    @cached_property
    def witnesses(self) -> dict[str, list[Trial]]:
        """One trial of each run on each data set: what is stored once a run lies beside it."""
        found: dict[str, dict[int, Trial]] = {}
        for trial in self.trials:
            found.setdefault(trial.dataset, {}).setdefault(id(trial.store), trial)
        return {dataset: list(trials.values()) for dataset, trials in found.items()}
