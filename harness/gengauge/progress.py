"""Progress: a bar on a terminal and in a notebook's cell, plain lines elsewhere."""

from __future__ import annotations

import html
import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gengauge.store import Record
from gengauge.turns import Listener, Silent, Task

_REFRESH = 0.25  # seconds
_SHARE = {
    "train": (0.0, 0.7), "sample": (0.7, 0.75), "score": (0.75, 1.0),
    "reference": (0.0, 0.4), "read": (0.4, 0.75),
}  # fmt: skip


@contextmanager
def progress(shown: bool = True) -> Iterator[Listener]:
    """Give a listener that shows how a run goes on, where there is somebody to see it."""
    if not shown:
        yield Silent()
        return
    if in_notebook():
        yield Cell()
        return
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
        line = f"[{self.count}/{self.total}] {summary(task, record, seconds)}"
        sys.stderr.write(f"{line}\n")  # at once: others may write there too
        sys.stderr.flush()


class Work:
    """How much is done of the expected work: a control costs a fraction of a trained model."""

    def __init__(self, tasks: list[Task]) -> None:
        self.total, self._done = sum(map(_weight, tasks)), 0.0
        self._begun: dict[str, float] = {}  # work done of the trials that are under way

    @property
    def done(self) -> float:
        """What is done, of ``total``."""
        return self._done + sum(self._begun.values())

    def stage(self, task: Task, stage: str, fraction: float) -> str:
        """Move within a trial; return what it is at."""
        low, high = _SHARE[stage]
        self._begun[task.trial.key] = _weight(task) * (low + (high - low) * fraction)
        return f"{task.trial.label} on {task.trial.dataset}: {stage}"

    def finished(self, task: Task) -> None:
        """Move past a trial."""
        self._done += _weight(task)
        self._begun.pop(task.trial.key, None)


class Bar:
    """A bar on a terminal, and a line above it for each trial that has ended."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def started(self, tasks: list[Task]) -> None:
        """Set the length."""
        self.work = Work(tasks)
        self.id = self.bar.add_task("", total=self.work.total)

    def stage(self, task: Task, stage: str, fraction: float) -> None:
        """Move within a trial."""
        label = self.work.stage(task, stage, fraction)
        self.bar.update(self.id, completed=self.work.done, description=label)

    def finished(self, task: Task, record: Record, seconds: float) -> None:
        """Move past a trial and leave its line above the bar."""
        self.work.finished(task)
        self.bar.update(self.id, completed=self.work.done)
        self.bar.console.print(summary(task, record, seconds), markup=False, highlight=False)


class Cell:
    """A bar in the output of a notebook's cell, written anew in its place: it needs no widgets."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = 0.0

    def started(self, tasks: list[Task]) -> None:
        """Show the bar, unless there is nothing to do."""
        self.work, self.count, self.of = Work(tasks), 0, len(tasks)
        if tasks:
            self._show("", at_once=True)

    def stage(self, task: Task, stage: str, fraction: float) -> None:
        """Move within a trial."""
        self._show(self.work.stage(task, stage, fraction))

    def finished(self, task: Task, record: Record, seconds: float) -> None:
        """Move past a trial, and name it."""
        self.work.finished(task)
        self.count += 1
        self._show(summary(task, record, seconds), at_once=True)

    def _show(self, text: str, *, at_once: bool = False) -> None:
        """Write the bar anew, four times a second at most."""
        if not at_once and time.monotonic() < self._shown + _REFRESH:
            return
        self._shown = time.monotonic()
        share = self.work.done / self.work.total if self.work.total else 1.0
        shown: Any = importlib.import_module("IPython.display")
        made = shown.HTML(
            f'<progress max="1" value="{share:.4f}" style="width: 16em"></progress> '
            f"{self.count} of {self.of} trials <small>{html.escape(text)}</small>"
        )
        if self._handle is None:
            self._handle = shown.display(made, display_id=True)
        else:
            self._handle.update(made)


def in_notebook() -> bool:
    """Return whether this program is the kernel of a notebook, which shows HTML."""
    module = sys.modules.get("IPython")  # where it is not loaded, this is no notebook
    shell = module.get_ipython() if module else None
    return getattr(shell, "kernel", None) is not None


def _weight(task: Task) -> float:
    return 5.0 if task.job.choice.spec.learns and task.todo != "score" else 1.0
