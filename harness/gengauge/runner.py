"""Runs a benchmark: skips what the store has, runs the rest, and loses nothing that finished."""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from gengauge import artifacts, captioned
from gengauge.benchmark import Benchmark
from gengauge.code import code_fingerprint
from gengauge.data import Dataset
from gengauge.errors import UsageError
from gengauge.execute import run_trial
from gengauge.loading import load_dataset, load_embedder
from gengauge.plan import Job, MetricChoice
from gengauge.pool import Pool, Work
from gengauge.registry import Registry
from gengauge.specs import EmbedderSpec, MetricSpec
from gengauge.store import Record, RunStore
from gengauge.trial import Setting, Trial, request_of


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


@dataclass
class Run:
    """One invocation: the benchmark, where it is stored, and how it is to be run."""

    benchmark: Benchmark
    registry: Registry
    store: RunStore
    device: torch.device
    retry_failed: bool = False
    fresh: bool = False
    limit: int | None = None
    command: Callable[[Job], str] = lambda job: ""
    workers: int = 1
    shared: dict[Any, Any] = field(default_factory=dict)

    def tasks(self, jobs: list[Job]) -> list[Task]:
        """Return every job with what is left to do for it."""
        datasets = {j.dataset.id: load_dataset(j.dataset, self.limit) for j in jobs}
        self.setting = self._setting(jobs)
        done = {} if self.fresh else {r["trial"]: r for r in self.store.records()}
        return [self._task(job, datasets[job.dataset.id], done) for job in jobs]

    def _setting(self, jobs: list[Job]) -> Setting:
        names = {m.embedder for job in jobs for m in job.metrics if m.embedder}
        specs = map(self.registry.embedder, sorted(names))
        embedders = {s.id: load_embedder(s, self.device) for s in specs}
        version = {"name": self.benchmark.name, "version": self.benchmark.version}
        return Setting(
            self.store, version, self.benchmark.samples, self.device, uuid.uuid4().hex[:12],
            embedders, self.shared,
        )  # fmt: skip

    def _task(self, job: Job, dataset: Dataset, done: dict[str, Record]) -> Task:
        module = job.choice.spec.target.partition(":")[0]
        trial = Trial(
            job.choice.spec.id, job.choice.label, tuple(sorted(job.choice.parameters.items())),
            code_fingerprint(module), dataset.id, dataset.fingerprint, job.seed, job.budget,
            self.device.type,
        )  # fmt: skip
        old = done.get(trial.key)
        if old is None:
            return Task(job, trial, dataset, job.metrics, "train")
        if old["status"] != "ok":
            retry = self.retry_failed
            return Task(job, trial, dataset, job.metrics, "retry" if retry else "", not retry)
        have = {s["request"] for s in old["scores"] if not s["failed"]}
        missing = tuple(
            m for m in job.metrics if request_of(m, trial, dataset, self.setting) not in have
        )
        return Task(job, trial, dataset, missing, "score" if missing else "")

    def execute(self, tasks: list[Task], listener: Listener) -> list[Record]:
        """Run what is to be done; each record is stored as soon as its trial has ended."""
        todo = [t for t in tasks if t.todo]
        self._describe(tasks)
        hook = self.registry.manager.hook
        keys = [t.trial.key for t in tasks]
        _tell(hook.gengauge_run_started, folder=str(self.store.folder), trials=keys)
        listener.started(todo)
        for task in todo:
            self._clear(task)
        place = {key: i for i, key in enumerate(keys)}
        workers = min(self.workers, len(todo))
        records = []
        for task, record, seconds in self._results(todo, listener, workers):
            record["command"] = self.command(task.job)
            record["position"], record["workers"] = place[task.trial.key], max(workers, 1)
            self.store.append(record)
            records.append(record)
            _tell(hook.gengauge_trial_finished, record=record)
            listener.finished(task, record, seconds)
        return sorted(records, key=lambda r: place[r["trial"]])

    def _results(
        self, todo: list[Task], listener: Listener, workers: int
    ) -> Iterator[tuple[Task, Record, float]]:
        """Yield each task with its record and seconds, as they end."""
        if workers > 1:
            todo = sorted(todo, key=lambda t: t.job.choice.spec.control)  # the long ones first
            work = [Work(t.trial, t.job, t.missing) for t in todo]

            def stage(i: int, name: str, fraction: float) -> None:
                listener.stage(todo[i], name, fraction)

            pool = Pool(self.setting, self._embedder_specs(todo), self.limit, workers)
            for i, record, seconds in pool.run(work, stage):
                yield todo[i], record, seconds
            return
        for task in todo:
            started = time.perf_counter()
            self.setting.on_progress = lambda s, f, task=task: listener.stage(task, s, f)  # type: ignore[misc]
            record = run_trial(task.trial, task.job, task.dataset, list(task.missing), self.setting)
            yield task, record, time.perf_counter() - started

    def _embedder_specs(self, tasks: list[Task]) -> list[EmbedderSpec]:
        names = {m.embedder for task in tasks for m in task.missing if m.embedder}
        return [self.registry.embedder(name) for name in sorted(names)]

    def _clear(self, task: Task) -> None:
        """Forget a checkpoint that must not be used again."""
        if self.fresh or task.todo == "retry":
            shutil.rmtree(self.store.trial_folder(task.trial.key), ignore_errors=True)

    def _describe(self, tasks: list[Task]) -> None:
        """Write what a reader needs: configuration, meanings of metrics, real examples."""
        self.store.folder.mkdir(parents=True, exist_ok=True)
        (self.store.folder / "benchmark.toml").write_text(self.benchmark.to_toml())
        specs = {m.spec.id: m.spec for t in tasks for m in t.job.metrics}
        order = {id_: i for i, id_ in enumerate(self.registry.metrics)}
        self.store.add_metrics({id_: _describe(s, order[id_]) for id_, s in specs.items()})
        for dataset in {t.dataset.id: t.dataset for t in tasks}.values():
            artifacts.save_reference(dataset, self.store.dataset_folder(dataset.id))
            captioned.save_real(dataset, self.store.dataset_folder(dataset.id))


def _describe(spec: MetricSpec, order: int) -> dict[str, Any]:
    keys = ("label", "summary", "reference", "unit", "direction", "suite", "headline")
    return {**{k: getattr(spec, k) for k in keys}, "order": order}


def _tell(hook: Callable[..., Any], **news: Any) -> None:
    """Call a lifecycle hook; a listener that fails must not end the run it listens to."""
    try:
        hook(**news)
    except Exception as error:
        print(f"warning: a plugin's hook failed: {type(error).__name__}: {error}", file=sys.stderr)


def choose_device(text: str) -> torch.device:
    """Return the device for ``auto``, ``cpu`` or ``cuda[:i]``; raise ``UsageError`` if missing."""
    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(text)
    except RuntimeError:
        raise UsageError(f"unknown device '{text}'; use auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"device '{text}': this machine has no usable CUDA device (gengauge doctor)"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(f"device '{text}': this machine has {count} CUDA device(s)")
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device '{text}' is not supported; use auto, cpu, cuda or cuda:1")
    return device
