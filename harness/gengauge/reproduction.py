"""Runs a trial again from its record alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gengauge import trust
from gengauge.benchmark import Benchmark
from gengauge.budget import Budget
from gengauge.data import Dataset
from gengauge.errors import NotComparableError, UsageError
from gengauge.isolation.limits import Limits
from gengauge.plan import DEFAULT_BUDGET, Choice, Job, MetricChoice
from gengauge.registry import Registry
from gengauge.runner import Run
from gengauge.specs import DatasetSpec, ModelSpec
from gengauge.store import Record, RunStore
from gengauge.turns import Listener, Task


@dataclass(frozen=True)
class Again:
    """What came out again, and which of the recorded scores nobody here can measure, and why."""

    record: Record
    environment: dict[str, Any]
    unknown: tuple[str, ...]


def reproduce(
    record: Record,
    registry: Registry,
    folder: Path,
    device: torch.device,
    listener: Listener,
    *,
    command: str = "",
    isolated: bool = True,
    limits: Limits | None = None,
) -> Again:
    """Return the record of the same trial, run again into ``folder``.

    ``UsageError`` where a part of it is not installed here or lies in files of the writer's
    choice; ``NotComparableError`` where the data are not those of the record.
    """
    if record.get("given"):
        raise UsageError(
            f"'{record['model']['id']}' was measured by `gengauge score`: there is no model that "
            f"could be run again; score the same files again and compare: {record.get('command')}"
        )
    refuse_paths(record, registry)
    unknown: list[str] = []
    job = job_of(record, registry, unknown)
    benchmark = record.get("benchmark") or {}
    run = Run(
        Benchmark(
            benchmark.get("name") or "", (job.dataset.id,), version=benchmark.get("version") or 1,
            samples=(record.get("sampling") or {}).get("n") or Benchmark.samples,
        ),
        registry, RunStore(folder), device, command=lambda job: command, isolated=isolated,
        limits=limits or Limits(),
        precision="bf16" if record.get("precision") == "bf16" else "fp32",
        accumulation=_count(record.get("accumulation")),
    )  # fmt: skip
    [new] = run.execute([_task(run, job, record)], listener)
    return Again(new, run.store.environments().get(new["environment"], {}), tuple(unknown))


def refuse_paths(record: Record, registry: Registry) -> None:
    """Raise ``UsageError`` where a record names files beyond its run, unless it is trusted.

    What the model of that name has here for a path was not chosen by the record.
    """
    own = registry.models.get(record["model"].get("base") or record["model"]["id"])
    defaults = {p.default for p in own.parameters} if own else set()
    ours = {*defaults, *own.arguments.values(), *own.presets.values()} if own else defaults
    named = sorted(set(_paths(record)) - ours)
    if named and not trust.trusted():
        raise UsageError(
            f"the record reads files beyond its run: {', '.join(map(ascii, named))}; give --trust "
            "if you know who wrote it"
        )


def _paths(record: Record) -> Iterator[str]:
    """Yield data, embedders and parameters that are, or may be, paths of files."""
    embedders = [(s.get("embedder") or {}).get("id") or "" for s in record["scores"]]
    model = record["model"].get("base") or record["model"]["id"]
    for id_ in (record["dataset"]["id"], model, *embedders):
        if ":" in id_:
            yield id_
    for value in (record["model"].get("parameters") or {}).values():
        if isinstance(value, str) and value and (set(value) & set("/\\~\0") or _exists(value)):
            yield value


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except OSError:
        return False


def job_of(record: Record, registry: Registry, unknown: list[str]) -> Job:
    """Return what the record says was run; metrics that are not here are added to ``unknown``."""
    model, seed = record["model"], (record.get("seeds") or {}).get("seed")
    spec = registry.find("models", model.get("base") or model["id"])
    dataset = registry.find("datasets", record["dataset"]["id"])
    assert isinstance(spec, ModelSpec)
    assert isinstance(dataset, DatasetSpec)
    try:
        given = dict(model.get("parameters") or {})
        parameters = spec.resolve({k: v for k, v in given.items() if k not in spec.arguments})
    except (UsageError, TypeError, OverflowError) as error:
        raise NotComparableError(f"'{spec.id}' has changed since the record: {error}") from None
    budget = str(Budget.parse(record.get("budget") or spec.budget or DEFAULT_BUDGET))
    metrics = [m for s in record["scores"] if (m := _metric(s, registry, unknown))]
    choice = Choice(spec, parameters, model["id"])
    return Job(choice, dataset, seed or 0, budget, tuple(metrics))


def _metric(score: dict[str, Any], registry: Registry, unknown: list[str]) -> MetricChoice | None:
    embedder = (score.get("embedder") or {}).get("id") or ""
    try:
        spec = registry.metrics.get(score["metric"])
        if spec is None:
            registry.find("metrics", score["metric"])
        assert spec is not None
        known = registry.embedder(embedder).id if embedder else ""
        return MetricChoice(spec, spec.resolve(score.get("parameters") or {}), known)
    except (UsageError, TypeError, OverflowError) as error:
        unknown.append(f"{score['metric']}: {error}")
        return None


def _task(run: Run, job: Job, record: Record) -> Task:
    """Return the trial on the recorded data, cut by ``--limit`` where the record's were."""
    wanted = record["dataset"]
    [task] = run.tasks([job])
    counts = [wanted.get(f"n_{name}") for name in ("train", "validation", "test")]
    if task.dataset.fingerprint != wanted.get("fingerprint") and all(counts):
        limit = max(int(n) for n in counts if n)
        if limit < max(_counts(task.dataset)):
            run.limit = limit
            [task] = run.tasks([job])
    if task.dataset.fingerprint != wanted.get("fingerprint"):
        found = task.dataset
        raise NotComparableError(
            f"the data are not those of the record: '{found.id}' has revision {found.revision}, "
            f"fingerprint {found.fingerprint} and {_said(_counts(found))} examples, recorded were "
            f"revision {wanted.get('revision')}, fingerprint {wanted.get('fingerprint')} and "
            f"{_said(counts)}"
        )
    return task


def _counts(dataset: Dataset) -> tuple[int, int, int]:
    return len(dataset.train), len(dataset.validation), len(dataset.test)


def _said(counts: Any) -> str:
    return " / ".join(map(str, counts))


def _count(value: object) -> int:
    """Return how many batches a step was made of, 1 where the record does not say."""
    return value if type(value) is int and value > 0 else 1
