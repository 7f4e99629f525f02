"""A trial written down so that a process on another machine can run it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from gengauge import provenance
from gengauge.budget import Budget
from gengauge.data import Dataset
from gengauge.errors import UsageError
from gengauge.identity import code_of
from gengauge.isolation.limits import Limits
from gengauge.metric import Embedder
from gengauge.parameters import Value
from gengauge.plan import Choice, Job, MetricChoice
from gengauge.record import blank_record
from gengauge.registry import Registry
from gengauge.specs import DatasetSpec, MetricSpec, ModelSpec
from gengauge.store import Record, RunStore
from gengauge.trial import Setting, Trial
from gengauge.turns import Shift, Task

_HERE = ("store", "device", "embedders", "shared", "on_progress", "alone")  # not what is sent
_BUDGET = "budget"  # marks one among what a setting holds
_SIGN = "benchmark.toml"  # lies in every run's folder before the first trial starts


@dataclass(frozen=True)
class Order:
    """A trial with all that is needed to run it: plain values, so that JSON holds it whole.

    Specs are named by their ids, to be found in the registry of whoever runs it. ``blank`` is
    its record before anything has run.
    """

    version: str
    trial: dict[str, Any]
    parameters: dict[str, Value]
    metrics: list[dict[str, Any]]
    setting: dict[str, Any]
    run: str  # the run's folder
    device: str
    threads: int
    limit: int | None
    limits: list[float]
    plugins: list[str]
    path: list[str]
    folder: str  # the working folder
    blank: Record

    @property
    def key(self) -> str:
        """The trial's content hash."""
        return str(self.blank["trial"])

    def to_json(self) -> str:
        """Return the order as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Order:
        """Read what ``to_json`` has written."""
        return cls(**json.loads(text))

    def failed(self, kind: str, message: str, status: str = "failed") -> Record:
        """Return the record of this trial if it could not be run."""
        return {**self.blank, "status": status, "error": {"type": kind, "message": message}}


def order_of(task: Task, shift: Shift) -> Order:
    """Write down a task of a shift, with what the harness adds to its record."""
    setting = shift.setting
    sent = {f.name: getattr(setting, f.name) for f in fields(setting) if f.name not in _HERE}
    sent = {k: {_BUDGET: str(v)} if isinstance(v, Budget) else v for k, v in sent.items()}
    blank = blank_record(task.trial, task.job, task.dataset, setting)
    return Order(
        version=provenance.installed("gengauge"),
        trial=asdict(task.trial),
        parameters=dict(task.job.choice.parameters),
        metrics=[
            {"id": m.spec.id, "version": m.spec.version, "parameters": dict(m.parameters),
             "embedder": m.embedder}
            for m in task.missing
        ],
        setting=sent,
        run=str(setting.store.folder.resolve()),
        device=shift.device,
        threads=shift.threads,
        limit=shift.limit,
        limits=[shift.limits.seconds, shift.limits.memory],
        plugins=[p.module for p in shift.registry.plugins if p.distribution == "--plugin"],
        path=[str(Path(p).resolve()) for p in sys.path],
        folder=os.getcwd(),  # noqa: PTH109
        blank={**blank, **shift.stamp(task)},
    )  # fmt: skip


def shift_of(
    order: Order, registry: Registry, datasets: dict[str, Dataset], embedders: dict[str, Embedder]
) -> Shift:
    """Return the order as a shift of one task, made of what is here.

    ``UsageError`` where that is not what was ordered: another version of code, data or a metric,
    or a run's folder that cannot be seen.
    """
    _same("gengauge", order.version, provenance.installed("gengauge"))
    job = _job(order, registry)
    trial = Trial(**{**order.trial, "parameters": tuple(map(tuple, order.trial["parameters"]))})
    here = code_of(job.choice.spec, job.choice.parameters)
    _same(f"the code of model '{trial.model}'", trial.code, here)
    dataset = datasets[job.dataset.id]
    _same(f"dataset '{dataset.id}'", trial.fingerprint, dataset.fingerprint)
    folder = Path(order.run)
    if not (folder / _SIGN).exists():
        raise UsageError(
            f"the worker does not see the run's folder {folder}: "
            "give -o a folder on a file system that all machines share"
        )
    device = torch.device(order.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("the worker has no usable CUDA device; ask for a card or --device cpu")
    more = {k: _value(v) for k, v in order.setting.items()}
    setting = Setting(store=RunStore(folder), device=device, embedders=embedders, shared={}, **more)
    task = Task(job, trial, dataset, job.metrics, "train")
    limits = Limits(order.limits[0], int(order.limits[1]))
    return Shift(
        [task], setting, registry, order.device, threads=order.threads, limit=order.limit,
        limits=limits, stamp=lambda task: {k: order.blank.get(k) for k in ("command", "position")},
    )  # fmt: skip


def _value(sent: Any) -> Any:
    """Return a part of a setting as it was before it was written down."""
    return Budget.parse(sent[_BUDGET]) if isinstance(sent, dict) and _BUDGET in sent else sent


def dataset_of(order: Order, registry: Registry) -> DatasetSpec:
    """Return the spec of an order's dataset."""
    spec = registry.find("datasets", order.trial["dataset"])
    assert isinstance(spec, DatasetSpec)
    return spec


def _job(order: Order, registry: Registry) -> Job:
    spec = registry.find("models", order.trial["model"])
    assert isinstance(spec, ModelSpec)
    metrics = tuple(_metric(m, registry) for m in order.metrics)
    choice = Choice(spec, order.parameters, order.trial["label"])
    dataset = dataset_of(order, registry)
    return Job(choice, dataset, order.trial["seed"], order.trial["budget"], metrics)


def _metric(wanted: dict[str, Any], registry: Registry) -> MetricChoice:
    spec = registry.find("metrics", wanted["id"])
    assert isinstance(spec, MetricSpec)
    _same(f"metric '{spec.id}'", str(wanted["version"]), str(spec.version))
    return MetricChoice(spec, wanted["parameters"], wanted["embedder"])


def _same(what: str, ordered: str, here: str) -> None:
    if ordered != here:
        raise UsageError(
            f"the worker has another version of {what} ({here or 'none'}) than was ordered "
            f"({ordered}): install the same there and here"
        )


def single(shift: Shift, task: Task) -> Shift:
    """Return the part of a shift that is one task, to be run by one worker."""
    return replace(shift, tasks=[task], workers=1, jobs=1)
