"""Runs a benchmark: skips what the store has, runs the rest, and loses nothing that finished."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from gengauge import artifacts, captioned, provenance
from gengauge.benchmark import Benchmark
from gengauge.code import code_fingerprint
from gengauge.data import Dataset
from gengauge.errors import UsageError
from gengauge.hooks import PROJECT
from gengauge.isolation.birth import possible
from gengauge.isolation.limits import Limits
from gengauge.isolation.nursery import Nursery, Work
from gengauge.keeping import Keeping
from gengauge.loading import load_dataset, load_embedder
from gengauge.plan import Job
from gengauge.pool import Pool
from gengauge.registry import Registry
from gengauge.specs import MetricSpec
from gengauge.store import Record, RunStore
from gengauge.trial import Setting, Trial, request_of
from gengauge.turns import InTurn, Listener, SideBySide, Task, Turns


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
    isolated: bool = True
    limits: Limits = field(default_factory=Limits)
    shared: dict[Any, Any] = field(default_factory=dict)

    def tasks(self, jobs: list[Job]) -> list[Task]:
        """Return every job with what is left to do for it."""
        specs = {j.dataset.id: j.dataset for j in jobs}  # each is loaded once, for all its jobs
        datasets = {id_: load_dataset(spec, self.limit) for id_, spec in specs.items()}
        self.setting = self._setting(jobs)
        self._code = cache(code_fingerprint)  # thousands of jobs, few models
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
            self._code(module), dataset.id, dataset.fingerprint, job.seed, job.budget,
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
        with self.store.writing():
            self._describe(tasks)
            todo = [t for t in tasks if t.todo]
            for task in todo:
                self._clear(task)
            isolated = self.isolated and possible() and bool(todo)
            workers = min(self.workers, len(todo)) if isolated else 1
            turns = self._isolated(todo, workers) if isolated else InTurn(todo, self.setting)
            with closing(turns) as trials, closing(Keeping(listener, self.store)) as kept:
                return self._store(tasks, trials, kept, workers)

    def _store(
        self, tasks: list[Task], trials: Turns, listener: Keeping, workers: int
    ) -> list[Record]:
        hook = self.registry.manager.hook
        keys = [t.trial.key for t in tasks]
        _tell(hook.gengauge_run_started, folder=str(self.store.folder), trials=keys)
        listener.started([t for t in tasks if t.todo])
        place = {key: i for i, key in enumerate(keys)}
        records = []
        for task, record, seconds in trials.run(listener):
            record["command"] = self.command(task.job)
            record["command_line"] = provenance.command_line()
            record["position"], record["workers"] = place[task.trial.key], workers
            if record["status"] != "ok":
                self.store.check()  # where nothing can be written, it was no fault of the trial's
            self.store.append(record)
            records.append(record)
            _tell(hook.gengauge_trial_finished, record=record)
            listener.finished(task, record, seconds)
        return sorted(records, key=lambda r: place[r["trial"]])

    def _isolated(self, todo: list[Task], workers: int) -> SideBySide:
        if workers > 1:  # the long ones first
            todo = sorted(todo, key=lambda t: t.job.choice.spec.control)
        names = {m.embedder for t in todo for m in t.missing if m.embedder}
        nursery = Nursery(
            self.setting, [Work(t.trial, t.job, t.missing) for t in todo], self.limit,
            tuple(self.registry.embedder(name) for name in sorted(names)), self._modules(todo),
            {t.dataset.id: t.dataset for t in todo},
        )  # fmt: skip
        if self.device.type == "cpu":  # asked once, not by every trial
            provenance.environment(str(self.device))
        return SideBySide(todo, self.setting, Pool(nursery, workers, self.limits))

    def _modules(self, todo: list[Task]) -> tuple[str, ...]:
        """Return what trials import, of this distribution: another's module might do anything."""
        metrics = {m.spec.id: m.spec.target for t in todo for m in t.missing}
        models = Counter(t.job.choice.spec.id for t in todo)
        often = {id_: self.registry.models[id_].target for id_, n in models.items() if n > 1}
        found = [
            target.partition(":")[0]
            for kind, targets in (("metrics", metrics), ("models", often))
            for id_, target in targets.items()
            if self.registry.provider(kind, id_).distribution == PROJECT
        ]
        return tuple(dict.fromkeys(found))

    def _clear(self, task: Task) -> None:
        """Forget a checkpoint that must not be used again; get hold of any other."""
        again = self.fresh or task.todo == "retry"
        if again:
            shutil.rmtree(self.store.trial_folder(task.trial.key), ignore_errors=True)
        self.store.pull(task.trial.key, replace=again)

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
        self.store.push_shared()


def _describe(spec: MetricSpec, order: int) -> dict[str, Any]:
    keys = (
        "label",
        "summary",
        "reference",
        "unit",
        "direction",
        "suite",
        "headline",
        "hardware_bound",
    )
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
