"""Runs one trial: fit once or load, sample once, measure what is missing."""

from __future__ import annotations

import shutil
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import artifacts, provenance, seeds
from gengauge.conditions import conditions_of
from gengauge.data import Dataset
from gengauge.evidence import Evidence
from gengauge.fitting import BEGUN, fit_or_load, restore
from gengauge.measuring import measured, save_shown
from gengauge.metric import KnowsLevels
from gengauge.model import CountsParameters, Model, capabilities
from gengauge.plan import Job, MetricChoice
from gengauge.record import blank_record, first_line, score_json, status_of
from gengauge.store import Record
from gengauge.trial import Setting, Trial, n_samples, request_of
from gengauge.units import in_units

_TRACE = 1 << 16  # characters of a traceback that are kept


def run_trial(
    trial: Trial, job: Job, dataset: Dataset, metrics: list[MetricChoice], setting: Setting
) -> Record:
    """Return the trial's record; whatever a model raises becomes a status."""
    record = blank_record(trial, job, dataset, setting)
    folder = setting.store.trial_folder(trial.key)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with seeds.global_seed(trial.stage_seed("sample")):
            _fill(record, trial, job, dataset, metrics, setting)
        (folder / "error.txt").unlink(missing_ok=True)
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        if isinstance(error, KeyboardInterrupt) and not setting.alone:
            raise
        record["status"] = status_of(error)
        record["error"] = {"type": type(error).__name__, "message": first_line(error)}
        if not isinstance(error, OSError | MemoryError):  # it would lead to the same end
            shutil.rmtree(folder / BEGUN, ignore_errors=True)
        with suppress(OSError):  # a full disk, of which the harness finds out by itself
            (folder / "error.txt").write_text(traceback.format_exc()[-_TRACE:])
    record["peak_memory"]["host"] = provenance.peak_host_memory()
    record["artifacts"] = setting.store.artifacts(trial.key)
    return record


def _fill(
    record: Record,
    trial: Trial,
    job: Job,
    dataset: Dataset,
    metrics: list[MetricChoice],
    setting: Setting,
) -> None:
    folder, timing = setting.store.trial_folder(trial.key), record["timing"]
    if setting.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(setting.device)
    clock = time.perf_counter()
    model, training = fit_or_load(trial, job, dataset, setting, folder)
    clock = _lap(timing, "load", clock)
    samples, clamped = _samples(model, trial, dataset, setting, folder)
    clock = _lap(timing, "sample", clock)
    evidence = Evidence(
        dataset, model, samples, trial.seed, setting.device, training,
        conditions=conditions_of(model, job.choice.spec, job.choice.parameters),
        reload=lambda: restore(job, dataset, setting.device, folder, trial), shared=setting.shared,
    )  # fmt: skip
    record["model"]["checkpoint_sha256"] = training.pop("sha256", None)
    if not job.choice.spec.trained:  # what its description could not know
        record["model"]["conditions"] = list(evidence.conditions)
        record["model"]["capabilities"] = list(capabilities(model))
    record["training"] = training
    timing["train"] = training["seconds"]
    record["model"]["n_parameters"] = (
        int(model.n_parameters) if isinstance(model, CountsParameters) else None
    )
    record["scores"] = _measure(metrics, evidence, trial, dataset, setting, folder)
    _lap(timing, "score", clock)
    record["sampling"] = {"n": len(samples), "clamped": clamped}
    save_shown(evidence, metrics, record["scores"], setting, folder)
    if setting.device.type == "cuda":
        record["peak_memory"]["device"] = torch.cuda.max_memory_allocated(setting.device)


def _lap(timing: dict[str, float], stage: str, since: float) -> float:
    now = time.perf_counter()
    timing[stage] = round(now - since, 6)
    return now


def _samples(
    model: Model, trial: Trial, dataset: Dataset, setting: Setting, folder: Path
) -> tuple[Tensor, float]:
    """Return samples in the data's own units and the share of values that had to be clamped."""
    n = n_samples(setting, dataset)
    stored = artifacts.load_samples(folder)
    if stored is not None and len(stored[0]) == n:
        return stored
    setting.on_progress("sample", 0.0)
    stream = torch.Generator(setting.device).manual_seed(trial.stage_seed("sample"))
    with torch.no_grad():
        raw = model.sample(n, None, stream)
    samples, clamped = in_units(raw.detach().cpu(), n, dataset)
    artifacts.save_samples(samples, clamped, folder)
    return samples, clamped


def _measure(
    metrics: list[MetricChoice],
    evidence: Evidence,
    trial: Trial,
    dataset: Dataset,
    setting: Setting,
    folder: Path,
) -> list[dict[str, Any]]:
    scores, kept = [], {}
    for i, metric in enumerate(metrics):
        setting.on_progress("score", i / len(metrics))
        request = request_of(metric, trial, dataset, setting)
        embedder = setting.embedders[metric.embedder] if metric.embedder else None
        if isinstance(embedder, KnowsLevels):
            embedder = embedder.for_levels(dataset.levels)
        score, failed = measured(metric, evidence, embedder)
        kept[f"{metric.spec.id}.{metric.embedder}" if embedder else metric.spec.id] = score
        scores.append(score_json(metric, score, request, embedder, failed))
    artifacts.save_per_example(kept, folder)
    return scores
