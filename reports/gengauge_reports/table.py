"""What a ranked table is made of: columns that may be compared, rows, cells and ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from gengauge.aggregate import Estimate, Score
from gengauge.copies import said
from gengauge.gather import Trial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAST = 10**6


def protocol(score: Score) -> tuple[str, ...]:
    """Return what was measured: suite, metric, embedder and split."""
    embedder = (score.get("embedder") or {}).get("id") or ""
    return (score["suite"], score["metric"], embedder, score.get("split") or "")


def column_key(score: Score) -> tuple[str, ...]:
    """Return what must agree before two scores may be compared: the key of their column."""
    return (*protocol(score), score.get("comparability_key") or "")


@dataclass(frozen=True)
class Column:
    """Scores that may be compared: one metric, embedder, split and comparability key.

    ``qualifier`` tells columns of one metric apart and is empty where there is only one.
    """

    key: tuple[str, ...]
    suite: str
    metric: str
    embedder: str
    split: str
    comparability_key: str
    unit: str
    direction: str
    label: str
    summary: str = ""
    reference: str = ""
    headline: bool = False
    order: int = LAST
    qualifier: str = ""

    @property
    def title(self) -> str:
        """The label named after its embedder, ``FD-digits``: a distance is nothing without one."""
        return f"{self.label}-{self.embedder}" if self.embedder else self.label

    @property
    def extra_unit(self) -> str:
        """The unit, unless the label says it already."""
        return "" if self.unit.casefold() == self.label.casefold() else self.unit


@dataclass(frozen=True)
class Rank:
    """A shared rank and the range it could have: low = 1 + better, high = n - worse.

    ``paired`` counts the models it was compared with on paired examples.
    """

    low: int
    high: int
    n: int
    paired: int = field(default=0, compare=False)

    @property
    def shared(self) -> bool:
        """Whether other models are statistically in the same place."""
        return self.high > self.low


@dataclass(frozen=True)
class Cell:
    """One model in one column: an estimate with its rank, or the reason there is none.

    ``caveat`` says why an estimate is shown and not ranked.
    """

    estimate: Estimate | None = None
    rank: Rank | None = None
    normalised: float | None = None
    reason: str = ""
    caveat: str = ""


@dataclass
class Row:
    """One model with all its seeds; ``cells`` by ``Column.key``."""

    label: str
    control: bool
    trials: list[Trial]
    cells: dict[tuple[str, ...], Cell] = field(default_factory=dict)

    @property
    def failures(self) -> list[Trial]:
        """The trials that did not finish."""
        return [t for t in self.trials if not t.ok]

    @property
    def failure_reasons(self) -> list[tuple[str, str, str]]:
        """Status, reason and seeds of what did not finish, seeds that fared alike together."""
        alike: dict[tuple[str, str], list[str]] = {}
        for trial in self.failures:
            alike.setdefault((trial.record["status"], trial.reason), []).append(str(trial.seed))
        return [(*key, ", ".join(seeds)) for key, seeds in alike.items()]

    @property
    def failed(self) -> bool:
        """Whether no seed finished."""
        return len(self.failures) == len(self.trials)

    def estimate(self, column: Column) -> Estimate | None:
        """Return the row's estimate in ``column``, if it was scored."""
        cell = self.cells.get(column.key)
        return cell.estimate if cell else None

    def measured(self, column: Column) -> list[tuple[Trial, Score]]:
        """Return the scores of the row's seeds in ``column``, each with its trial."""
        return self._by_column.get(column.key, [])

    @cached_property
    def _by_column(self) -> dict[tuple[str, ...], list[tuple[Trial, Score]]]:
        found: dict[tuple[str, ...], list[tuple[Trial, Score]]] = {}
        for trial in (t for t in self.trials if t.ok):
            for score in trial.record["scores"]:
                if score.get("value") is not None:
                    found.setdefault(column_key(score), []).append((trial, score))
        return found

    def sound(self, column: Column) -> Estimate | None:
        """Return the row's estimate in ``column`` if it may be compared: it has no caveat."""
        cell = self.cells.get(column.key)
        return cell.estimate if cell and not cell.caveat else None


@dataclass(frozen=True)
class Fought:
    """Who beats whom in a column: ``wins[i, j]`` where row i is significantly better than j."""

    rows: list[Row]
    wins: NDArray[np.bool_]


@dataclass
class Table:
    """The ranked models of one dataset, the controls beneath, and what failed."""

    dataset: str
    columns: list[Column]
    models: list[Row]
    controls: list[Row]
    failed: list[Row]
    unscored: list[tuple[str, str, str]]  # model, metric and reason where nobody has a score
    fought: dict[tuple[str, ...], Fought] = field(default_factory=dict)  # by ``Column.key``

    def caveats(self, columns: Sequence[Column]) -> list[tuple[str, str, str]]:
        """Return models, titles of columns and reason of what they show and do not rank."""
        titles: dict[tuple[str, str], list[str]] = {}
        for row in (*self.models, *self.controls):
            for column in columns:
                if reason := row.cells[column.key].caveat:
                    titles.setdefault((row.label, reason), []).append(column.title)
        alike: dict[tuple[str, str], list[str]] = {}
        for (label, reason), found in titles.items():
            alike.setdefault((", ".join(found), reason), []).append(label)
        return [(", ".join(labels), found, reason) for (found, reason), labels in alike.items()]

    @property
    def copies(self) -> list[str]:
        """How many examples of the data are in two splits, a clause each."""
        trials = (t for r in (*self.models, *self.controls, *self.failed) for t in r.trials)
        return next((said(t.record["dataset"]) for t in trials), [])

    @property
    def headline(self) -> list[Column]:
        """The columns of the short tables: all of them where no metric is marked."""
        return [c for c in self.columns if c.headline] or self.columns
