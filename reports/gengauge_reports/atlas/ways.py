"""How each model came to be what it is: its trials of one dataset, shortest training first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gengauge.aggregate import Estimate, aggregate
from gengauge.budget import Budget
from gengauge.errors import UsageError
from gengauge.gather import Runs, Trial, identity
from gengauge_reports.ranking import tables
from gengauge_reports.table import Column, Row, Table

Key = tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """The trials of one budget, a seed each; ``share`` is of the longest training's budget."""

    row: Row
    budget: str
    share: float | None

    @property
    def shown(self) -> Trial | None:
        """The trial whose samples are shown: the first that finished."""
        return next((t for t in self.row.trials if t.ok), None)

    @property
    def seconds(self) -> float | None:
        """Mean training time of the seeds."""
        times = [
            float(spent)
            for t in self.row.trials
            if t.ok and (spent := (t.record.get("training") or {}).get("seconds")) is not None
        ]
        return sum(times) / len(times) if times else None

    def estimate(self, column: Column) -> Estimate | None:
        """Return what this stage scored in ``column``."""
        scores = [score for _, score in self.row.measured(column)]
        return aggregate(scores) if scores else None


@dataclass(frozen=True)
class Chart:
    """One dataset: its models ranked at their longest training, and the way each has come."""

    table: Table
    trials: list[Trial]
    ways: dict[str, list[Stage]]

    @property
    def name(self) -> str:
        """Id of the dataset."""
        return self.table.dataset

    @property
    def modality(self) -> str:
        """Kind of its data."""
        return str(self.trials[0].record["dataset"].get("modality") or "")

    @property
    def quality(self) -> list[Column]:
        """The headline columns that say how good models are, not what they cost."""
        return [c for c in self.table.headline if c.suite != "speed"]

    @property
    def lead(self) -> Column | None:
        """The quality that most models have been scored on; of several, the one that tells most."""
        models = self.table.models

        def worth(column: Column) -> tuple[int, int]:
            cells = [r.cells[column.key] for r in models if r.sound(column) is not None]
            return len(cells), sum(c.rank.low - 1 for c in cells if c.rank)

        return max(self.quality, key=worth, default=None)

    def row(self, label: str) -> Row | None:
        """Return the ranked row of a model, None where it has no part in this dataset."""
        return next((r for r in self.table.models if r.label == label), None)


def charts(runs: Runs) -> list[Chart]:
    """Return a chart for each dataset, in the order of the run."""
    ways = {name: _ways(runs.on(name)) for name in runs.datasets}
    last = [
        t for found in ways.values() for stages in found.values() for t in stages[-1].row.trials
    ]
    kept = replace(runs, trials=last)
    return [
        Chart(table, runs.on(table.dataset), _by_label(table, ways[table.dataset]))
        for table in tables(kept)
    ]


def _by_label(table: Table, ways: dict[Key, list[Stage]]) -> dict[str, list[Stage]]:
    rows = (*table.models, *table.failed)
    return {r.label: ways[_whose(r.trials[0])] for r in rows if not r.control}


def _whose(trial: Trial) -> Key:
    """Return what the trials of one model share, whatever their budgets."""
    id_, parameters, _, *rest = identity(trial)
    return (id_, parameters, *rest)


def _ways(trials: Iterable[Trial]) -> dict[Key, list[Stage]]:
    groups: dict[Key, dict[str, list[Trial]]] = {}
    for trial in trials:
        budget = str(trial.record.get("budget") or "")
        groups.setdefault(_whose(trial), {}).setdefault(budget, []).append(trial)
    return {key: _stages(key[0], by_budget) for key, by_budget in groups.items()}


def _stages(label: str, by_budget: dict[str, list[Trial]]) -> list[Stage]:
    amounts = _amounts(by_budget)
    order = sorted(by_budget, key=lambda b: (amounts[b], b))
    most = amounts[order[-1]]
    return [
        Stage(Row(label, False, by_budget[b]), b, amounts[b] / most if most > 0 else None)
        for b in order
    ]  # fmt: skip


def _amounts(by_budget: dict[str, list[Trial]]) -> dict[str, float]:
    """Return how large each budget is; by the steps made where budgets have several units."""
    found: dict[str, Budget] = {}
    for budget in by_budget:
        try:
            found[budget] = Budget.parse(budget)
        except UsageError:
            break
    if len(found) == len(by_budget) and len({b.unit for b in found.values()}) == 1:
        return {text: budget.amount for text, budget in found.items()}
    return {text: _steps(trials) for text, trials in by_budget.items()}


def _steps(trials: Sequence[Trial]) -> float:
    made = [(t.record.get("training") or {}).get("steps") or 0 for t in trials]
    return float(max(made, default=0))
