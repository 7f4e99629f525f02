"""Tells trackers of experiments what a run records, beside it: none can fail or slow it."""

from __future__ import annotations

import queue
import re
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gengauge.choosing import read_choice
from gengauge.errors import UsageError
from gengauge.hooks import hookimpl
from gengauge.parameters import Value
from gengauge.registry import Registry, load_target
from gengauge.store import Record, RunStore
from gengauge.tracked import tracked
from gengauge.tracker import Tracked, Tracker, TrackerSpec

PATIENCE = 120.0  # seconds that a finished run waits for what is still being sent


class Tracking:
    """Hears of a run through the lifecycle hooks, and tells every chosen tracker of it."""

    def __init__(self, trackers: Iterable[Telling]) -> None:
        self._trackers = list(trackers)
        self._store = RunStore(".")
        self._kept: frozenset[str] = frozenset()

    @classmethod
    def listen(cls, texts: Iterable[str], registry: Registry) -> None:
        """Let the trackers that ``--track`` names hear of what the registry's hooks tell.

        ``UsageError`` for one that is unknown or lacks a package, before anything runs.
        """
        chosen = {text: _telling(text, registry) for text in texts}
        if chosen:
            registry.manager.register(cls(chosen.values()))

    @hookimpl
    def gengauge_run_started(self, folder: str, trials: list[str]) -> None:
        """Start the trackers."""
        self._store = RunStore(folder)
        trained = (k for k in trials if (self._store.trial_folder(k) / "checkpoint").is_dir())
        self._kept = frozenset(trained)
        for tracker in self._trackers:
            tracker.start(Path(folder))

    @hookimpl
    def gengauge_trial_finished(self, record: Record) -> None:
        """Tell them of a trial."""
        told = tracked(record, self._store, trained=record["trial"] not in self._kept)
        for tracker in self._trackers:
            tracker.tell(told)

    @hookimpl
    def gengauge_run_finished(self) -> None:
        """Wait for what is on its way."""
        deadline = time.monotonic() + PATIENCE
        for tracker in self._trackers:
            tracker.end(deadline)


@dataclass
class Telling:
    """One tracker, in a thread of its own; what it raises is said once."""

    spec: TrackerSpec
    parameters: Mapping[str, Value]
    _letters: queue.SimpleQueue[Tracked | None] = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None
    _said: bool = False

    def start(self, folder: Path) -> None:
        """Start the thread: it lives no longer than the program."""
        name = f"gengauge-{self.spec.id}"
        self._thread = threading.Thread(target=self._work, args=(folder,), name=name, daemon=True)
        self._thread.start()

    def tell(self, trial: Tracked) -> None:
        """Put a trial on its way."""
        self._letters.put(trial)

    def end(self, deadline: float) -> None:
        """Wait until all is sent, or until ``deadline``."""
        self._letters.put(None)
        if self._thread is None:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self._warn(f"is still sending after {PATIENCE:.0f} s and is left alone")

    def _work(self, folder: Path) -> None:
        tracker: Tracker | None = None
        while (trial := self._letters.get()) is not None:
            try:
                if tracker is None:  # not before there is something to tell
                    tracker = load_target(self.spec.target)(folder, **self.parameters)
                tracker.send(trial)
            except Exception as error:
                self._failed(error)
        try:
            if tracker is not None:
                tracker.close()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        reason = " ".join(str(error).split()) or "no message"
        self._warn(f"failed: {type(error).__name__}: {reason[:300]}")

    def _warn(self, what: str) -> None:
        if not self._said:
            line = f"warning: tracker '{self.spec.id}' {what}; the run's own records are whole"
            print(line, file=sys.stderr)
        self._said = True


def _telling(text: str, registry: Registry) -> Telling:
    """Read ``ID``, ``ID=PLACE`` or ``ID[name=value,...]``."""
    place: str | None = None
    if re.match(r"[^\[\]=]+=", text):
        id_, _, place = text.partition("=")
        given: dict[str, str] = {}
    else:
        id_, given = read_choice(text, "--track")
    spec = registry.find("trackers", id_.strip())
    assert isinstance(spec, TrackerSpec)
    if place is not None:
        if not spec.parameters:
            raise UsageError(f"--track '{text}': {spec.id} takes no place to send to")
        given = {spec.parameters[0].name: place.strip()}
    parameters = spec.resolve(given)
    if spec.lacks:
        raise UsageError(f"tracker '{spec.id}' {spec.lacks}")
    return Telling(spec, parameters)
