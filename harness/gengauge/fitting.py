"""Trains a trial's model, goes on with training that was cut short, or loads what is trained."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gengauge import artifacts, provenance, seeds, trust
from gengauge.budget import Budget
from gengauge.data import Dataset
from gengauge.model import Model
from gengauge.plan import Job
from gengauge.ranks import Order, beside, device_of
from gengauge.registry import load_target
from gengauge.resumption import Resumption
from gengauge.training_run import FitRun
from gengauge.trial import Setting, Trial

BEGUN = "training"  # of a trial's folder: checkpoints of training that is not over


def new(job: Job) -> Model:
    """Return an untrained model; ``TypeError`` for what is none."""
    spec = job.choice.spec
    model = load_target(spec.target)(**spec.given(job.choice.parameters))
    if not isinstance(model, Model):
        missing = [v for v in ("fit", "sample", "save", "load") if not hasattr(model, v)]
        raise TypeError(f"{spec.target} is not a model: it has no {', '.join(missing)}")
    return model


def visible(job: Job, dataset: Dataset) -> Dataset:
    """Return what a fit may see: never the test split; the truth only if the spec asks."""
    hidden = dataset.for_training()
    return replace(hidden, truth=dataset.truth) if job.choice.spec.needs_truth else hidden


def fit_or_load(
    trial: Trial, job: Job, dataset: Dataset, setting: Setting, folder: Path
) -> tuple[Model, dict[str, Any]]:
    """Return the model and what training it cost; what has a checkpoint is not fitted."""
    stats, begun = folder / "checkpoint" / "fit.json", folder / BEGUN
    if stats.exists():
        shutil.rmtree(begun, ignore_errors=True)
        model = restore(job, dataset, setting.device, folder, trial)
        return model, json.loads(stats.read_text())
    run = FitRun(
        trial.stage_seed("train"), Budget.parse(trial.budget), setting.device,
        on_progress=lambda fraction: setting.on_progress("train", fraction),
        place=Resumption(
            begun, {"trial": trial.key, "gengauge": provenance.installed("gengauge")},
            setting.checkpoints,
        ),
        precision=trial.precision, accumulation=trial.accumulation,
    )  # fmt: skip
    with seeds.global_seed(run.seed):
        model, data = new(job), visible(job, dataset)
        with beside(_order(job, data, run, setting.ranks)):
            run.started = time.perf_counter()  # to start other ranks is no training
            model.fit(data, run)
    if not run.looped:
        run.only_plain()
    training: dict[str, Any] = {
        "steps": run.steps, "examples": run.examples, "seconds": round(run.seconds, 6),
        "laps": run.laps[:: -max(1, len(run.laps) // 40)][::-1],  # the last one always
        "resumed": run.place.resumed, "ranks": run.ranks, "precision": run.precision,
        "accumulation": run.accumulation, **({"flops": run.flops} if run.flops else {}),
    }  # fmt: skip
    artifacts.save_curve(run.curve, folder)
    half_made = folder / f"checkpoint.{os.getpid()}.tmp"  # another run may train the same trial
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(parents=True)
    model.save(half_made)
    training["sha256"] = provenance.folder_sha256(half_made)
    (half_made / "fit.json").write_text(json.dumps(training))
    try:
        half_made.rename(folder / "checkpoint")
    except OSError:
        if not stats.exists():
            raise
        shutil.rmtree(half_made, ignore_errors=True)  # the other run was first: its training counts
        return restore(job, dataset, setting.device, folder, trial), json.loads(stats.read_text())
    shutil.rmtree(begun, ignore_errors=True)
    return model, training


def _order(job: Job, data: Dataset, run: FitRun, ranks: int) -> Order:
    """Return what other ranks are asked to fit: nothing where there is nothing to learn."""
    if ranks > 1 and run.device.type == "cuda":
        run.device = device_of("cuda", 0)
    spec = job.choice.spec
    return Order(
        spec.target, spec.given(job.choice.parameters), data, run.seed, run.budget,
        run.device.type, run.precision, run.accumulation,
        ranks if spec.learns else 1,
    )  # fmt: skip


def restore(job: Job, dataset: Dataset, device: torch.device, folder: Path, trial: Trial) -> Model:
    """Return the trained model of a trial's folder."""
    model = new(job)
    if job.choice.spec.needs_truth:  # the truth is not a file; being handed it is all its training
        with seeds.global_seed(trial.stage_seed("train")):
            model.fit(visible(job, dataset), FitRun(0, Budget.parse(trial.budget), device))
    else:
        with trust.no_pickles(f"the checkpoint of '{trial.label}'"):
            model.load(folder / "checkpoint", device)
    return model


def clear(folder: Path, also_begun: bool) -> None:
    """Forget what a trial has left, and ``also_begun`` training that can be gone on with."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name == BEGUN and not also_begun:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
