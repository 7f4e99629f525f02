"""Runs several trials at a time, each in a worker process that keeps data sets and embedders."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import Any

from gengauge.data import Dataset
from gengauge.errors import GengaugeError
from gengauge.execute import run_trial
from gengauge.loading import load_dataset, load_embedder
from gengauge.plan import Job, MetricChoice
from gengauge.specs import DatasetSpec, EmbedderSpec
from gengauge.store import Record
from gengauge.trial import Setting, Trial

_MEMORY = 3 << 30  # bytes a trial is given when workers are counted
_LOOK = 0.2  # seconds between looks at what the workers report
Stage = Callable[[int, str, float], None]


@dataclass(frozen=True)
class Work:
    """What a worker is sent: a trial and what is still missing of it."""

    trial: Trial
    job: Job
    missing: tuple[MetricChoice, ...]


def default_workers(threads: int, on_gpu: bool) -> int:
    """Return how many trials fit beside each other: by cores and memory, one on a GPU."""
    if on_gpu:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = os.sysconf_names if hasattr(os, "sysconf_names") else {}
    known = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(names)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else 4 * _MEMORY
    return max(1, min((cores or 1) // threads, memory // _MEMORY))


@dataclass(frozen=True)
class Pool:
    """Worker processes for the trials of one run, which share ``setting``."""

    setting: Setting
    embedders: list[EmbedderSpec]
    limit: int | None
    workers: int

    def run(self, work: list[Work], stage: Stage) -> Iterator[tuple[int, Record, float]]:
        """Yield index, record and seconds of each piece of ``work`` as it ends.

        ``GengaugeError`` when a worker dies: which trial killed it only ``-j 1`` can tell.
        """
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            context.set_forkserver_preload(["gengauge.execute"])  # torch is imported once
        news = context.SimpleQueue()
        # what cannot be sent is built anew: embedders by their specs, what is shared on demand
        setting = replace(self.setting, embedders={}, shared={}, on_progress=_silent)
        started = (setting, self.embedders, self.limit, news)
        with ProcessPoolExecutor(self.workers, context, _start, started) as pool:
            try:
                futures = {pool.submit(_run, i, w): i for i, w in enumerate(work)}
                yield from self._ended(futures, news, stage)
            except BrokenProcessPool:
                raise GengaugeError(
                    "a worker process died (killed, out of memory, or crashed by a plugin); what "
                    "was finished is kept: run the same command with -j 1 to see which trial it is"
                ) from None
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()
                raise

    def _ended(
        self, futures: dict[Future[tuple[Record, float]], int], news: Any, stage: Stage
    ) -> Iterator[tuple[int, Record, float]]:
        waiting = set(futures)
        while waiting:
            ended, waiting = wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED)
            while not news.empty():
                stage(*news.get())
            for future in sorted(ended, key=futures.__getitem__):
                yield futures[future], *future.result()


def _silent(stage: str, fraction: float) -> None:
    """Hear of progress and say nothing."""


@dataclass
class _Worker:
    """What one process keeps between its trials."""

    setting: Setting
    limit: int | None
    news: Any
    datasets: dict[str, Dataset] = field(default_factory=dict)
    told: float = 0.0

    def run(self, index: int, work: Work) -> tuple[Record, float]:
        started = time.perf_counter()
        self.setting.on_progress = lambda stage, fraction: self._tell(index, stage, fraction)
        record = run_trial(
            work.trial, work.job, self._dataset(work.job.dataset), list(work.missing), self.setting
        )
        return record, time.perf_counter() - started

    def _dataset(self, spec: DatasetSpec) -> Dataset:
        if spec.id not in self.datasets:
            self.datasets[spec.id] = load_dataset(spec, self.limit)
        return self.datasets[spec.id]

    def _tell(self, index: int, stage: str, fraction: float) -> None:
        """Report progress a few times a second at most."""
        if (now := time.perf_counter()) - self.told > _LOOK:
            self.told = now
            self.news.put((index, stage, fraction))


_worker: _Worker


def _start(setting: Setting, embedders: list[EmbedderSpec], limit: int | None, news: Any) -> None:
    """Set this process up; an interrupt at the keyboard is for the parent to handle."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()
    setting.embedders.update({s.id: load_embedder(s, setting.device) for s in embedders})
    _worker = _Worker(setting, limit, news)


def _follow_parent() -> None:
    """End with the parent, however it was killed: nobody else would ever ask for a result."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _run(index: int, work: Work) -> tuple[Record, float]:
    return _worker.run(index, work)
