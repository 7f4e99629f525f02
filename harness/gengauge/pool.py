"""Runs several trials at a time, each in a process of its own."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait

from gengauge.dealing import Card, Dealer
from gengauge.errors import GengaugeError
from gengauge.isolation.birth import Server, ServerDied
from gengauge.isolation.census import Census, census
from gengauge.isolation.limits import Limits, machine_memory
from gengauge.isolation.nursery import Nursery
from gengauge.isolation.watched import Death, Watched
from gengauge.store import Record

_MEMORY = 3 << 30  # bytes a trial is given when workers are counted
_LOOK = 0.2  # seconds between looks at what the processes take
_COUNTED = 0.25  # seconds between counts of the machine's processes
_TRIES = 3  # of a trial whose process is killed from outside, which is no fault of its
Stage = Callable[[int, str, float], None]


def default_workers(threads: int, on_gpu: bool) -> int:
    """Return how many trials fit beside each other: by cores and memory, one on a GPU."""
    if on_gpu:
        return 1
    asks = getattr(os, "sched_getaffinity", None)  # a container may have less than the machine
    cores = len(asks(0)) if asks else os.cpu_count() or 1
    return max(1, min(cores // threads, machine_memory() // _MEMORY))


class Pool:
    """Processes for the trials of one run; to be made before anything else starts a thread."""

    def __init__(
        self, nursery: Nursery, workers: int, limits: Limits, dealer: Dealer | None = None
    ) -> None:
        self._nursery, self.workers, self._limits = nursery, workers, limits
        self._dealer = dealer
        self._dealt: dict[int, tuple[Card, int | None]] = {}
        self._server: Server | None = Server(nursery)
        self._waiting = deque(range(len(nursery.work)))
        self._running: dict[int, Watched] = {}
        self._tries: Counter[int] = Counter()
        self._people, self._asked = Census(), 0.0
        self._lost = 0  # servers in a row that died before they could start a trial

    def run(self, stage: Stage) -> Iterator[tuple[int, Record | Death, float]]:
        """Yield index, record and seconds of each piece of work as it ends.

        In place of a record stands how its process died, where it did. One that was killed from
        outside is started again, twice at most. ``GengaugeError`` where no process can be started.
        """
        while self._waiting or self._running:
            try:
                self._start()
                wait([d for w in self._running.values() for d in w.waits_on()], timeout=_LOOK)
                people = self._census()
                for watched in self._running.values():
                    watched.look(people)
            except ServerDied:
                self._start_over()
            for i, watched in list(self._running.items()):
                if (outcome := watched.outcome) is not None:
                    del self._running[i]
                    self._give_back(i)
                    if not self._again(i, outcome):
                        yield i, outcome, watched.seconds
                elif watched.stage:
                    stage(i, *watched.stage)

    def _census(self) -> Census:
        """Return who is there, asked a few times a second."""
        if (now := time.monotonic()) > self._asked + _COUNTED:
            self._people = census()
            now, took = time.monotonic(), time.monotonic() - now
            self._asked = now + 5 * took  # a machine full of processes is slow to count
        return self._people

    def _again(self, i: int, outcome: Record | Death) -> bool:
        """Put back what was killed from outside, if it was not killed too often."""
        again = isinstance(outcome, Death) and outcome.outside and self._tries[i] < _TRIES
        if again:
            self._waiting.appendleft(i)
        return again

    def close(self) -> None:
        """End what still runs, and wait for that."""
        if self._server is not None:
            self._server.close()
        for watched in self._running.values():
            watched.lose()
        self._running.clear()

    def _start(self) -> None:
        while self._waiting and len(self._running) < self.workers:
            if self._server is None:
                self._server = Server(self._nursery, afresh=True)
            if not self._take(self._waiting[0]):
                return  # a card comes free when a trial ends
            i = self._waiting.popleft()
            self._tries[i] += 1
            try:
                self._running[i] = Watched(
                    self._server, i, self._nursery.work[i], self._nursery.setting.store,
                    self._limits, self._dealt[i][0].name if i in self._dealt else "",
                )  # fmt: skip
            except ServerDied:
                self._waiting.appendleft(i)
                self._give_back(i)
                raise

    def _take(self, i: int) -> bool:
        """Deal a card to a trial that needs one; return whether it can start."""
        if self._dealer is None:
            return True
        dealt = self._dealer.take(self._nursery.work[i].job.choice.spec.id)
        if dealt is not None:
            self._dealt[i] = dealt
        return dealt is not None

    def _give_back(self, i: int) -> None:
        if self._dealer is not None and i in self._dealt:
            self._dealer.give_back(self._dealt.pop(i))

    def _start_over(self) -> None:
        """Part from a dead server; trials that it took along died by no fault of theirs."""
        if self._server is not None:
            self._server.close()
        self._server = None
        self._lost = 0 if self._running else self._lost + 1
        if self._lost == _TRIES:
            raise GengaugeError(
                "the process that starts trials does not live; what was finished is kept: run the "
                "same command again, or with --no-isolate to see what is wrong"
            )
        for watched in self._running.values():
            watched.lose()
