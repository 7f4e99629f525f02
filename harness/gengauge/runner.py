"""Runs a benchmark: skips what the store has, runs the rest, and loses nothing that finished."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from gengauge import artifacts, captioned, provenance
from gengauge.accounts import Accounts
from gengauge.benchmark import Benchmark
from gengauge.budget import Budget
from gengauge.code import code_fingerprint
from gengauge.data import Dataset
from gengauge.errors import UsageError
from gengauge.executor import ExecutorChoice, ExecutorSpec
from gengauge.fitting import clear
from gengauge.identity import code_of
from gengauge.isolation.limits import Limits
from gengauge.keeping import Keeping
from gengauge.loading import load_dataset, load_embedder
from gengauge.plan import Job, MetricChoice
from gengauge.registry import Registry
from gengauge.resumption import EVERY
from gengauge.specs import MetricSpec
from gengauge.store import Record, RunStore
from gengauge.trial import Setting, Trial, request_of
from gengauge.turns import Listener, Shift, Task


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
    jobs: int | None = None  # workers that were asked for
    threads: int = 1
    executor: ExecutorChoice | None = None  # None: local
    checkpoints: Budget = EVERY
    precision: str = "fp32"
    accumulation: int = 1
    ranks: int = 1
    shared: dict[Any, Any] = field(default_factory=dict)

    def tasks(self, jobs: list[Job]) -> list[Task]:
        """Return every job with what is left to do for it."""
        specs = {j.dataset.id: j.dataset for j in jobs}  # each is loaded once, for all its jobs
        datasets = {id_: load_dataset(spec, self.limit) for id_, spec in specs.items()}
        self.setting = self._setting(jobs)
        self._code = cache(code_fingerprint)  # thousands of jobs, few models
        self._codes: dict[Any, str] = {}
        done = {} if self.fresh else {r["trial"]: r for r in self.store.records()}
        return [self._task(job, datasets[job.dataset.id], done) for job in jobs]

    def _setting(self, jobs: list[Job]) -> Setting:
        names = {m.embedder for job in jobs for m in job.metrics if m.embedder}
        specs = map(self.registry.embedder, sorted(names))
        embedders = {s.id: load_embedder(s, self._here) for s in specs}
        version = {"name": self.benchmark.name, "version": self.benchmark.version}
        return Setting(
            self.store, version, self.benchmark.samples, self._here, uuid.uuid4().hex[:12],
            embedders, self.shared, checkpoints=self.checkpoints,
            ranks=self.ranks,
        )  # fmt: skip

    @property
    def _here(self) -> torch.device:
        """The device of this process: it may have no card, where trials run elsewhere."""
        card = self.device.type == "cpu" or torch.cuda.is_available()
        return self.device if card else torch.device("cpu")

    def _task(self, job: Job, dataset: Dataset, done: dict[str, Record]) -> Task:
        learns = job.choice.spec.learns  # else in no precision
        code = self._code_of(job)
        trial = Trial(
            job.choice.spec.id, job.choice.label, tuple(sorted(job.choice.parameters.items())),
            code, dataset.id, dataset.fingerprint, job.seed, job.budget, self.device.type,
            self.precision if learns else "fp32", self.accumulation if learns else 1,
        )  # fmt: skip
        old = done.get(trial.key)
        if old is None:
            return Task(job, trial, dataset, job.metrics, "train")
        if old["status"] != "ok":
            retry = self.retry_failed
            return Task(job, trial, dataset, job.metrics, "retry" if retry else "", not retry)
        missing = self._missing(job, trial, dataset, old)
        return Task(job, trial, dataset, missing, "score" if missing else "")

    def _code_of(self, job: Job) -> str:
        """Return the fingerprint of a job's code, found once for all seeds and data sets."""
        key = (job.choice.spec.id, *sorted(job.choice.parameters.items()))
        if key not in self._codes:
            self._codes[key] = code_of(job.choice.spec, job.choice.parameters, self._code)
        return self._codes[key]

    def _missing(
        self, job: Job, trial: Trial, dataset: Dataset, old: Record
    ) -> tuple[MetricChoice, ...]:
        """Return what a record has not been asked for; elsewhere, its own machine counts."""
        have = {s["request"] for s in old["scores"] if not s["failed"]}
        machines = [provenance.hardware(str(self._here))]
        if self._chosen().spec.elsewhere:
            there = self.store.environments().get(old["environment"])
            machines = [there, *machines] if there else machines
        return tuple(
            m for m in job.metrics
            if not any(request_of(m, trial, dataset, self.setting, h) in have for h in machines)
        )  # fmt: skip

    def execute(self, tasks: list[Task], listener: Listener) -> list[Record]:
        """Run what is to be done; each record is stored as soon as its trial has ended."""
        with self.store.writing():
            self._describe(tasks)
            todo = [t for t in tasks if t.todo]
            for task in todo:
                self._clear(task)
            started = closing(self._start(tasks, todo))
            with started as trials, closing(Keeping(listener, self.store)) as kept:
                return self._store(tasks, trials, kept)

    def _start(self, tasks: list[Task], todo: list[Task]) -> Accounts:
        """Return what runs the trials; where there are none, no executor is troubled."""
        chosen = self._chosen() if todo else self._local()
        place = {t.trial.key: i for i, t in enumerate(tasks)}

        def stamp(task: Task) -> dict[str, Any]:
            return {
                "command": self.command(task.job), "command_line": provenance.command_line(),
                "position": place[task.trial.key],
            }  # fmt: skip

        shift = Shift(
            todo, self.setting, self.registry, str(self.device), self.workers, self.jobs,
            self.threads, self.limit, self.limits, self.isolated, stamp,
        )  # fmt: skip
        return Accounts.start(chosen.spec.id, chosen.spec.target, shift, chosen.parameters)

    def _local(self) -> ExecutorChoice:
        spec = self.registry.find("executors", "local")
        assert isinstance(spec, ExecutorSpec)
        return ExecutorChoice(spec)

    def _chosen(self) -> ExecutorChoice:
        return self.executor or self._local()

    def _store(self, tasks: list[Task], trials: Accounts, listener: Keeping) -> list[Record]:
        hook = self.registry.manager.hook
        keys = [t.trial.key for t in tasks]
        folder = str(self.store.folder)
        tell(hook.gengauge_run_started, folder=folder, trials=keys)
        try:
            return self._record(tasks, trials, listener)
        finally:
            tell(hook.gengauge_run_finished, folder=folder)

    def _record(self, tasks: list[Task], trials: Accounts, listener: Keeping) -> list[Record]:
        listener.started([t for t in tasks if t.todo])
        place = {t.trial.key: i for i, t in enumerate(tasks)}
        records = []
        for task, record, seconds in trials.run(listener):
            record.update(trials.shift.stamp(task), workers=trials.workers)
            if record["status"] != "ok":
                self.store.check()  # where nothing can be written, it was no fault of the trial's
            if trials.stores:
                self.store.push_shared()  # with what others wrote into the copy here
            else:
                self.store.append(record)
            records.append(record)
            where = str(self.store.trial_folder(task.trial.key))
            tell(self.registry.manager.hook.gengauge_trial_finished, record=record, folder=where)
            listener.finished(task, record, seconds)
        return sorted(records, key=lambda r: place[r["trial"]])

    def _clear(self, task: Task) -> None:
        """Forget a checkpoint that must not be used again; get hold of any other."""
        self.store.pull(task.trial.key, replace=self.fresh)
        if self.fresh or task.todo == "retry":
            clear(self.store.trial_folder(task.trial.key), also_begun=self.fresh)

    def _describe(self, tasks: list[Task]) -> None:
        """Write what a reader needs: configuration, meanings of metrics, real examples."""
        self.store.folder.mkdir(parents=True, exist_ok=True)
        (self.store.folder / "benchmark.toml").write_text(self.benchmark.to_toml())
        specs = {m.spec.id: m.spec for t in tasks for m in t.job.metrics}
        order = {id_: i for i, id_ in enumerate(self.registry.metrics)}
        self.store.add_metrics({id_: description(s, order[id_]) for id_, s in specs.items()})
        for dataset in {t.dataset.id: t.dataset for t in tasks}.values():
            artifacts.save_reference(dataset, self.store.dataset_folder(dataset.id))
            captioned.save_real(dataset, self.store.dataset_folder(dataset.id))
        self.store.push_shared()


def description(spec: MetricSpec, order: int) -> dict[str, Any]:
    """Return what a run's folder says of a metric; ``order`` is its place among them."""
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


def tell(hook: Callable[..., Any], **news: Any) -> None:
    """Call a lifecycle hook; a listener that fails must not end the run it listens to."""
    try:
        hook(**news)
    except Exception as error:
        print(f"warning: a plugin's hook failed: {type(error).__name__}: {error}", file=sys.stderr)


def choose_device(text: str, elsewhere: bool = False) -> torch.device:
    """Return the device for ``auto``, ``cpu`` or ``cuda[:i]``; raise ``UsageError`` if missing.

    What trials ``elsewhere`` have is not known here: ``cuda`` is taken at its word.
    """
    if elsewhere and text == "cuda":
        return torch.device(text)
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
