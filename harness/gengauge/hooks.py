"""The whole plugin API: implement any of these with ``@gengauge.hookimpl``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from gengauge.executor import ExecutorSpec
    from gengauge.publisher import PublisherSpec
    from gengauge.specs import (
        BenchmarkSpec,
        DatasetSpec,
        EmbedderSpec,
        MetricSpec,
        ModelSpec,
        ReportSpec,
    )
    from gengauge.tracker import TrackerSpec

PROJECT = "gengauge"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def gengauge_models() -> Iterable[ModelSpec]:  # type: ignore[empty-body]
    """Return the models this plugin offers."""


@hookspec
def gengauge_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Return the datasets this plugin offers."""


@hookspec
def gengauge_embedders() -> Iterable[EmbedderSpec]:  # type: ignore[empty-body]
    """Return the feature maps this plugin offers."""


@hookspec
def gengauge_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Return the metrics this plugin offers; a suite is the set of metrics that name it."""


@hookspec
def gengauge_benchmarks() -> Iterable[BenchmarkSpec]:  # type: ignore[empty-body]
    """Return the benchmark files this plugin ships."""


@hookspec
def gengauge_reports() -> Iterable[ReportSpec]:  # type: ignore[empty-body]
    """Return the output formats this plugin offers."""


@hookspec
def gengauge_publishers() -> Iterable[PublisherSpec]:  # type: ignore[empty-body]
    """Return the forms of publication this plugin offers."""


@hookspec
def gengauge_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Return the ways to run trials that this plugin offers."""


@hookspec
def gengauge_trackers() -> Iterable[TrackerSpec]:  # type: ignore[empty-body]
    """Return the trackers of experiments that this plugin offers."""


@hookspec
def gengauge_run_started(folder: str, trials: list[str]) -> None:
    """Hear that a run begins, with its folder and the keys of the trials it will look at."""


@hookspec
def gengauge_trial_finished(record: dict[str, Any], folder: str) -> None:
    """Hear of a trial's record right after it was stored; its artifacts lie in ``folder``."""


@hookspec
def gengauge_run_finished(folder: str) -> None:
    """Hear that a run has ended, whether all of its trials were run or not."""
