"""What is trained and scored: content-hashed, so that finished work is recognised anywhere."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch

from gengauge import provenance, seeds
from gengauge.budget import Budget
from gengauge.data import Dataset
from gengauge.metric import Embedder
from gengauge.plan import MetricChoice
from gengauge.resumption import EVERY
from gengauge.store import RunStore

_USUAL = {"precision": "fp32", "accumulation": 1}  # keys are older than these


@dataclass(frozen=True)
class Trial:
    """What is trained: everything the fitted model depends on, and nothing else.

    The key does not depend on suites, sample counts, output path or the order of lists.
    """

    model: str
    label: str
    parameters: tuple[tuple[str, Any], ...]
    code: str
    dataset: str
    fingerprint: str
    seed: int
    budget: str
    device: str
    precision: str = "fp32"
    accumulation: int = 1

    @cached_property
    def key(self) -> str:
        """Content hash of the trial; what is usual leaves no trace in it."""
        content = {k: v for k, v in asdict(self).items() if k not in _USUAL}
        return provenance.content_hash({**content, **self.unusual})

    @property
    def unusual(self) -> dict[str, Any]:
        """How it is trained, where that is not as usual: precision, accumulation."""
        return {k: getattr(self, k) for k, usual in _USUAL.items() if getattr(self, k) != usual}

    def stage_seed(self, stage: str) -> int:
        """Return the seed of a stage such as ``train``: by name, so code edits do not move it."""
        return seeds.named_seed(self.seed, self.label, self.dataset, stage)


@dataclass
class Setting:
    """What the trials of one run share."""

    store: RunStore
    benchmark: dict[str, Any]
    samples: int
    device: torch.device
    run_id: str
    embedders: dict[str, Embedder]
    shared: dict[Hashable, Any]
    on_progress: Callable[[str, float], None] = lambda stage, fraction: None
    checkpoints: Budget = EVERY  # of training, as often as this
    ranks: int = 1  # processes that train one model
    alone: bool = False  # in a process of its own, which no key at a terminal interrupts


def request_of(
    metric: MetricChoice, trial: Trial, dataset: Dataset, setting: Setting,
    environment: dict[str, Any] | None = None,
) -> str:  # fmt: skip
    """Return the hash of all a score is asked for with: equal requests give the same score.

    ``environment`` is that of the machine it is measured on, where that is not this one.
    """
    there = environment or (
        provenance.hardware(str(setting.device)) if metric.spec.hardware_bound else {}
    )
    return asked_with(
        metric, [dataset.id, dataset.revision, dataset.fingerprint], setting,
        n_samples(setting, dataset), there,
    )  # fmt: skip


def asked_with(
    metric: MetricChoice, data: list[str], setting: Setting, samples: int, there: dict[str, Any]
) -> str:
    """Return the hash of a metric on ``data`` (id, revision, content), of so many ``samples``."""
    spec = metric.spec
    content: dict[str, Any] = {
        "metric": [spec.suite, spec.id, spec.version, dict(metric.parameters)],
        "dataset": data,
        "benchmark": setting.benchmark,
        "embedder": setting.embedders[metric.embedder].sha256 if metric.embedder else None,
        "samples": samples if spec.uses_samples else None,
        "hardware": provenance.hardware_in(there) if spec.hardware_bound else None,
    }
    return provenance.content_hash(content)


def n_samples(setting: Setting, dataset: Dataset) -> int:
    """Return how many samples are drawn: never more than the held-out real examples.

    The *real* row must be scored on exactly as many, or its distances would not compare.
    """
    return min(setting.samples, len(dataset.validation))
