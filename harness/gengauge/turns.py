"""Two ways to run trials: in processes of their own, or one by one in this one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from gengauge.data import Dataset
from gengauge.execute import run_trial
from gengauge.isolation.limits import Limits
from gengauge.isolation.watched import Death
from gengauge.plan import Job, MetricChoice
from gengauge.pool import Pool
from gengauge.record import blank_record
from gengauge.registry import Registry
from gengauge.store import Record
from gengauge.trial import Setting, Trial


@dataclass(frozen=True)
class Task:
    """A job with its trial and the metrics that are still missing; ``todo`` says why it is run."""

    job: Job
    trial: Trial
    dataset: Dataset
    missing: tuple[MetricChoice, ...]
    todo: str  # "train", "score", "retry", or "" when there is nothing to do
    failed_before: bool = False


class Listener(Protocol):
    """Hears how a run goes on."""

    def started(self, tasks: list[Task]) -> None:
        """Hear what will be run."""

    def stage(self, task: Task, stage: str, fraction: float) -> None:
        """Hear how far a stage of a trial is."""

    def finished(self, task: Task, record: Record, seconds: float) -> None:
        """Hear of a record that was just stored."""


class Silent:
    """Hears how a run goes on, and says nothing."""

    def started(self, tasks: list[Task]) -> None:
        """Hear what will be run."""

    def stage(self, task: Task, stage: str, fraction: float) -> None:
        """Hear how far a stage of a trial is."""

    def finished(self, task: Task, record: Record, seconds: float) -> None:
        """Hear of a record that was just stored."""


@dataclass(frozen=True)
class Shift:
    """All that an executor is given: what is to be done, and how.

    ``workers`` trials side by side suit this machine, ``jobs`` of them were asked for, each may
    use ``threads``. ``stamp`` returns what the harness adds to a task's record: its place in the
    plan and the command that runs it again.
    """

    tasks: list[Task]
    setting: Setting
    registry: Registry
    device: str = "cpu"  # or cuda, cuda:1
    workers: int = 1
    jobs: int | None = None
    threads: int = 1
    limit: int | None = None
    limits: Limits = field(default_factory=Limits)
    isolated: bool = True
    stamp: Callable[[Task], dict[str, Any]] = lambda task: {}


class Turns(Protocol):
    """Runs tasks. One whose workers write into the store themselves has ``stores = True``."""

    def run(self, listener: Listener) -> Iterator[tuple[Task, Record, float]]:
        """Yield each task with its record and seconds, as they end."""
        ...

    def close(self) -> None:
        """End what still runs."""


@dataclass
class InTurn:
    """One by one in this process, where a debugger sees them; nobody watches."""

    tasks: list[Task]
    setting: Setting

    def run(self, listener: Listener) -> Iterator[tuple[Task, Record, float]]:
        """Yield each task with its record and seconds, as they end."""
        for task in self.tasks:
            started = time.perf_counter()
            self.setting.on_progress = lambda s, f, task=task: listener.stage(task, s, f)  # type: ignore[misc]
            record = run_trial(task.trial, task.job, task.dataset, list(task.missing), self.setting)
            yield task, record, time.perf_counter() - started

    def close(self) -> None:
        """Do nothing: nothing runs beside."""


@dataclass
class SideBySide:
    """Each in a process of its own, of which ``pool`` keeps several."""

    tasks: list[Task]
    setting: Setting
    pool: Pool

    @property
    def workers(self) -> int:
        """How many trials run side by side."""
        return self.pool.workers

    def run(self, listener: Listener) -> Iterator[tuple[Task, Record, float]]:
        """Yield each task with its record and seconds, as they end."""

        def stage(i: int, name: str, fraction: float) -> None:
            listener.stage(self.tasks[i], name, fraction)

        for i, outcome, seconds in self.pool.run(stage):
            task = self.tasks[i]
            record = self._dead(task, outcome) if isinstance(outcome, Death) else outcome
            # what it printed may have come after the record
            record["artifacts"] = self.setting.store.artifacts(task.trial.key)
            yield task, record, seconds

    def close(self) -> None:
        """End what still runs, and wait for that."""
        self.pool.close()

    def _dead(self, task: Task, death: Death) -> Record:
        """Return the record of a trial whose process has died before it could write one."""
        store, key = self.setting.store, task.trial.key
        record = blank_record(task.trial, task.job, task.dataset, self.setting)
        where = (store.trial_folder(key) / "log.txt").relative_to(store.folder)
        record["status"] = death.status
        record["error"] = {"type": "TrialDied", "message": f"{death.reason} (see {where})"}
        with suppress(OSError):  # a full disk, or a plugin that has removed the folder
            path = store.trial_folder(key) / "error.txt"
            path.write_text(f"{death.reason}\n\nIt printed last:\n\n{death.printed}\n")
        return record
