"""The record of a trial: one JSON line that says what ran, on what, and what it scored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import torch

from gengauge import provenance
from gengauge.data import Dataset
from gengauge.errors import DivergedError, UnsupportedError
from gengauge.metric import Embedder, Score
from gengauge.plan import Job, MetricChoice
from gengauge.store import SCHEMA_VERSION, Record
from gengauge.trial import Setting, Trial

_LONGEST = 1000  # characters of a message that a record keeps


def blank_record(trial: Trial, job: Job, dataset: Dataset, setting: Setting) -> Record:
    """Return the record of a trial before anything ran: who, on what, from where."""
    environment = provenance.environment(str(setting.device))
    environment_id = provenance.content_hash(environment)
    setting.store.add_environment(environment_id, environment)
    distribution, _, rest = trial.code.partition("==")
    spec = job.choice.spec
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": setting.run_id,
        "trial": trial.key,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": "ok",
        "model": {
            "id": trial.label, "base": spec.id, "family": spec.family, "summary": spec.summary,
            "assumes": spec.assumes, "capabilities": list(spec.capabilities),
            "conditions": list(spec.takes(job.choice.parameters)),
            "reference": spec.reference, "control": spec.control, "distribution": distribution,
            "version": rest.partition("+")[0], "code": trial.code,
            "parameters": spec.given(dict(trial.parameters)), "n_parameters": None,
            "checkpoint_sha256": None,
        },
        "dataset": {
            "id": dataset.id, "modality": dataset.modality, "levels": dataset.levels,
            "revision": dataset.revision, "fingerprint": dataset.fingerprint,
            "n_train": len(dataset.train), "n_validation": len(dataset.validation),
            "n_test": len(dataset.test),
            "entropy": dataset.truth.entropy if dataset.truth else None,
            **({"copies": dict(dataset.copies)} if dataset.copies else {}),
        },
        "benchmark": setting.benchmark,
        "seeds": {
            "seed": trial.seed, "train": trial.stage_seed("train"),
            "sample": trial.stage_seed("sample"), "data": dataset.revision,
        },
        "budget": trial.budget, **trial.unusual,
        "training": None,
        "scores": [],
        "timing": {},
        "peak_memory": {"host": None, "device": None},
        "environment": environment_id,
        "error": None,
        "command": "",
        "artifacts": [],
    }  # fmt: skip


def status_of(error: BaseException) -> str:
    """Return the status a trial gets when ``error`` ended it."""
    if isinstance(error, DivergedError):
        return "diverged"
    if isinstance(error, UnsupportedError):
        return "unsupported"
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "out_of_memory"
    return "failed"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, at most ``_LONGEST`` characters of it."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # a plugin's own error may fail at this as well
        return "its message cannot be shown"
    line = lines[0] if lines else "no message"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _no_interval(score: Score) -> str | None:
    return None if score.value is None else "none: a single reading"


def score_json(
    metric: MetricChoice, score: Score, request: str, embedder: Embedder | None, failed: bool
) -> dict[str, Any]:
    """Return a score as it is stored, numbers that are not finite left out."""
    spec, interval = metric.spec, score.interval
    protocol = [request, score.split, score.n_samples, score.n_reference, score.protocol]
    return {
        "suite": spec.suite,
        "metric": spec.id,
        "metric_version": spec.version,
        "unit": spec.unit,
        "direction": spec.direction,
        "kind": score.kind,
        "split": score.split,
        "embedder": {"id": embedder.id, "sha256": embedder.sha256} if embedder else None,
        "parameters": dict(metric.parameters),
        "n_samples": score.n_samples,
        "n_reference": score.n_reference,
        "request": request,
        "comparability_key": provenance.content_hash(protocol),
        "value": score.value,
        "low": _finite(interval.low) if interval else None,
        "high": _finite(interval.high) if interval else None,
        "level": interval.level if interval else None,
        "interval_method": interval.method if interval else _no_interval(score),
        "standard_error": _finite(interval.standard_error) if interval else None,
        "unscored_reason": score.reason or None,
        "caveat": score.caveat or None,
        "protocol": score.protocol,
        "failed": failed,
        "details": score.details,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and value - value == 0 else None
