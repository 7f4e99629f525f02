"""A trial's process as the harness sees it: news, limits, and its end."""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gengauge.isolation.birth import Server, ServerDied
from gengauge.isolation.census import Census
from gengauge.isolation.child import WHERE
from gengauge.isolation.limits import Limits
from gengauge.isolation.nursery import Work
from gengauge.isolation.server import NUMBER
from gengauge.isolation.streams import Log, News, last_lines
from gengauge.store import RunStore

_TELLING = 0.5  # seconds for it to write down where it is
_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_STAGES = ("train", "sample", "score")


@dataclass(frozen=True)
class Death:
    """How a process ended that has sent no record; ``outside``: nobody here has killed it."""

    status: str
    reason: str
    printed: str = ""
    outside: bool = False


class Watched:
    """One trial in its own process; ``outcome`` is set once it has ended."""

    def __init__(
        self, server: Server, index: int, work: Work, store: RunStore, limits: Limits,
        card: str = "",
    ) -> None:  # fmt: skip
        self.outcome: dict[str, Any] | Death | None = None
        self._record: dict[str, Any] | None = None
        self.stage: tuple[str, float] | None = None
        self._key, self._limits = work.trial.key, limits
        folder = store.trial_folder(work.trial.key)
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "log.txt"
        self._news, self._log = News(), Log(self._path)
        self.started = time.monotonic()
        self._counted = Census()
        self._kills = memory_kills()
        try:
            streams = self._news.theirs, self._log.theirs
            self._pid, self._ends = server.start(index, *streams, card)
        except ServerDied:
            for stream in (self._news, self._log):
                stream.close()
            raise
        finally:
            for stream in (self._news, self._log):
                stream.handed_over()
        os.set_blocking(self._ends, False)
        self._sentence: tuple[str, str] | None = None  # status and reason, once it is to end
        self._due = math.inf

    @property
    def seconds(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started

    def waits_on(self) -> list[int]:
        """Return the descriptors that become ready when something happens."""
        streams = [s.descriptor for s in (self._news, self._log) if s.open]
        return [*streams, self._ends]

    def look(self, people: Census) -> None:
        """Read what there is to hear and check the limits, by the latest count of processes.

        ``ServerDied`` when nobody can tell any more how it ends.
        """
        if self.outcome is not None:
            return
        self._log.read()
        self._news.read()
        self._hear()
        try:
            told = os.read(self._ends, NUMBER.size)
        except BlockingIOError:
            self._judge(people)
            return
        if len(told) < NUMBER.size:
            raise ServerDied
        self._end(NUMBER.unpack(told)[0])

    def lose(self) -> None:
        """Take it for killed, with the server that has started it."""
        if self.outcome is None:
            self.outcome = self._record or Death("failed", "it was lost", outside=True)
            self._close()

    def _close(self) -> None:
        self._log.finish()
        for stream in (self._news, self._log):
            stream.close()
        os.close(self._ends)

    def _hear(self) -> None:
        while self._news.heard and self._record is None:
            told = self._news.heard.popleft()
            record, failed = told.get("record"), told.get("failed")
            if isinstance(record, dict) and record.get("trial") == self._key:
                self._record = record
            elif isinstance(failed, dict):
                self._sentence = "failed", f"{failed.get('type')}: {failed.get('message')}"
            elif told.get("stage") in _STAGES and isinstance(told.get("fraction"), int | float):
                self.stage = told["stage"], min(1.0, max(0.0, told["fraction"]))

    def _judge(self, people: Census) -> None:
        """End the process when its record is here, or when it takes more than it may."""
        now = time.monotonic()
        if self._record is not None or now > self._due:
            self._kill(signal.SIGKILL)
        elif self._sentence is None and people is not self._counted:
            self._counted = people
            self._sentence = self._limits.broken(people.family(self._pid), self.seconds)
            if self._sentence is not None:
                slow = self._sentence[0] == "timeout"
                self._kill(WHERE if slow else signal.SIGKILL)
                self._due = now + _TELLING if slow else now

    def _kill(self, how: signal.Signals) -> None:
        if self._pid:
            with suppress(OSError):  # all of its group at once, lest it forks on meanwhile
                (os.killpg if how == signal.SIGKILL else os.kill)(self._pid, how)

    def _end(self, code: int) -> None:
        """Say how it ended, now that nothing of it is left to write anything."""
        self._log.read(to_the_end=True)
        self._news.read(to_the_end=True)
        self._hear()
        self.outcome = self._record or self._death(code)
        self._close()

    def _death(self, code: int) -> Death:
        status, outside = "failed", False
        reason = f"its process ended with exit code {code} before there was a record"
        if self._sentence is not None:
            status, reason = self._sentence
        elif not self._pid:
            reason = "the machine has no process to give"
        elif code < 0:
            status, reason, outside = how(code, memory_kills() > self._kills)
        self._log.finish(f"\n[gengauge] {status}: {reason}\n")
        return Death(status, reason, last_lines(self._path), outside)


def how(code: int, starved: bool) -> tuple[str, str, bool]:
    """Return status and reason of a process that a signal ended, and whether it came from outside.

    ``starved``: the kernel has ended processes meanwhile for want of memory.
    """
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if name == "SIGKILL" and starved:
        reason = "the machine ran out of memory, and the kernel ended its process"
        return "out_of_memory", reason, False
    return "failed", f"{name} ended its process", -code in _OUTSIDE


def memory_kills() -> int:
    """Return how many processes the kernel has ended for want of memory, 0 where it is not told."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
