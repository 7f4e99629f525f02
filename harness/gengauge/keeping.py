"""Brings what a trial has written to a URL while it still runs: another machine can then go on."""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor

from gengauge.errors import GengaugeError
from gengauge.store import Record, RunStore
from gengauge.turns import Listener, Task

EVERY = 60.0  # seconds


class Keeping:
    """Passes news on to ``listener``, and lets ``store`` bring each trial's folder now and then.

    It happens beside: a slow network never keeps trials from being watched.
    """

    def __init__(self, listener: Listener, store: RunStore, every: float = EVERY) -> None:
        self._listener, self._store, self._every = listener, store, every
        self._last: dict[str, float] = {}
        self._beside = ThreadPoolExecutor(1)
        self._way: Future[None] | None = None
        self._told = False

    def started(self, tasks: list[Task]) -> None:
        """Pass it on."""
        self._listener.started(tasks)

    def stage(self, task: Task, stage: str, fraction: float) -> None:
        """Pass it on, and bring the trial's folder if it is time for it."""
        self._listener.stage(task, stage, fraction)
        key, now = task.trial.key, time.monotonic()
        if now - self._last.setdefault(key, now) >= self._every and self._free():
            self._last[key] = now
            self._way = self._beside.submit(self._bring, key)

    def finished(self, task: Task, record: Record, seconds: float) -> None:
        """Pass it on."""
        self._last.pop(task.trial.key, None)
        self._listener.finished(task, record, seconds)

    def close(self) -> None:
        """Wait for what is on its way."""
        self._beside.shutdown()

    def _free(self) -> bool:
        return self._way is None or self._way.done()

    def _bring(self, key: str) -> None:
        try:
            self._store.push(key)
        except (GengaugeError, OSError) as error:  # the next time, or the end of the trial, tells
            if not self._told:
                print(f"warning: a checkpoint stays on this machine: {error}", file=sys.stderr)
            self._told = True
