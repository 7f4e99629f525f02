"""Progress on stderr: a bar with a time estimate on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from gengauge.store import Record
from gengauge.turns import Listener, Task

_SHARE = {
    "train": (0.0, 0.7), "sample": (0.7, 0.75), "score": (0.75, 1.0),
    "reference": (0.0, 0.4), "read": (0.4, 0.75),
}  # fmt: skip


@contextmanager
def progress() -> Iterator[Listener]:
    """Give a listener that writes to stderr and cleans up after itself."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(24), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(), TextColumn("{task.description}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as bar:
        yield Bar(bar)


def summary(task: Task, record: Record, seconds: float) -> str:
    """Return one line on a finished trial."""
    who = f"{task.trial.label} on {task.trial.dataset}, seed {task.trial.seed}"
    scored = sum(s["value"] is not None for s in record["scores"])
    broken = [s["metric"] for s in record["scores"] if s["failed"]]
    what = f"{scored} scores" if record["status"] == "ok" else str(record["status"])
    note = f" (failed: {', '.join(broken)})" if broken else ""
    return f"{who}: {what}{note}, {seconds:.1f} s"


class Lines:
    """One line a trial, for logs."""

    def started(self, tasks: list[Task]) -> None:
        """Remember how many there are."""
        self.count, self.total = 0, len(tasks)

    def stage(self, task: Task, stage: str, fraction: float) -> None:
        """Stay silent: a log needs no half-finished trial."""

    def finished(self, task: Task, record: Record, seconds: float) -> None:
        """Write the trial's line."""
        self.count += 1
        click.echo(f"[{self.count}/{self.total}] {summary(task, record, seconds)}", err=True)


class Bar:
    """A bar whose length is the expected work: a control costs a fraction of a trained model."""

    def __init__(self, bar: Any) -> None:
        self.bar, self.done = bar, 0.0
        self.begun: dict[str, float] = {}  # work done of the trials that are under way

    def started(self, tasks: list[Task]) -> None:
        """Set the length."""
        self.id = self.bar.add_task("", total=sum(map(_weight, tasks)))

    def stage(self, task: Task, stage: str, fraction: float) -> None:
        """Move within a trial."""
        low, high = _SHARE[stage]
        self.begun[task.trial.key] = _weight(task) * (low + (high - low) * fraction)
        completed = self.done + sum(self.begun.values())
        label = f"{task.trial.label} on {task.trial.dataset}: {stage}"
        self.bar.update(self.id, completed=completed, description=label)

    def finished(self, task: Task, record: Record, seconds: float) -> None:
        """Move past a trial and leave its line above the bar."""
        self.done += _weight(task)
        self.begun.pop(task.trial.key, None)
        self.bar.update(self.id, completed=self.done + sum(self.begun.values()))
        self.bar.console.print(summary(task, record, seconds), markup=False, highlight=False)


def _weight(task: Task) -> float:
    return 5.0 if task.job.choice.spec.learns and task.todo != "score" else 1.0
