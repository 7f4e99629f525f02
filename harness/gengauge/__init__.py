"""gengauge: compare, gate and rank generative models of every family."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gengauge.api.runs import run
    from gengauge.api.scores import score
    from gengauge.api.tables import load_runs
    from gengauge.averaging import PowerAverage
    from gengauge.budget import Budget
    from gengauge.checks import check_training
    from gengauge.collection import Collection
    from gengauge.data import Dataset, Split, dequantise, quantise
    from gengauge.errors import GengaugeError, NothingSelectedError, StorageError, UsageError
    from gengauge.evidence import Evidence, Features
    from gengauge.executor import ExecutorSpec
    from gengauge.hooks import hookimpl
    from gengauge.likelihood import (
        ClassDensity,
        ClassLatentVariable,
        ClassMass,
        Density,
        DiffusionDecoder,
        GaussianDiffusion,
        LatentDecoder,
        LatentVariable,
        Mass,
        ObservationModel,
        ProbabilityFlow,
        VariationalBound,
    )
    from gengauge.metric import Embedder, Score, unscored
    from gengauge.model import Clusterer, CountsNFE, Model, Reconstructor
    from gengauge.parameters import Parameter
    from gengauge.publisher import PublisherSpec
    from gengauge.results import Results
    from gengauge.specs import (
        BenchmarkSpec,
        DatasetSpec,
        EmbedderSpec,
        MetricSpec,
        ModelSpec,
        ReportSpec,
    )
    from gengauge.statistics import Interval
    from gengauge.store import RunStore
    from gengauge.tracker import Measured, Tracked, Tracker, TrackerSpec
    from gengauge.training import FitRun, train
    from gengauge.turns import InTurn, Shift, Task, Turns

_HOME = {
    "api.runs": ("run",),
    "api.scores": ("score",),
    "api.tables": ("load_runs",),
    "averaging": ("PowerAverage",),
    "budget": ("Budget",),
    "checks": ("check_training",),
    "collection": ("Collection",),
    "data": ("Dataset", "Split", "dequantise", "quantise"),
    "errors": ("GengaugeError", "NothingSelectedError", "StorageError", "UsageError"),
    "evidence": ("Evidence", "Features"),
    "executor": ("ExecutorSpec",),
    "hooks": ("hookimpl",),
    "likelihood": (
        "ClassDensity", "ClassLatentVariable", "ClassMass", "Density", "DiffusionDecoder",
        "GaussianDiffusion", "LatentDecoder", "LatentVariable", "Mass", "ObservationModel",
        "ProbabilityFlow", "VariationalBound",
    ),
    "metric": ("Embedder", "Score", "unscored"),
    "model": ("Clusterer", "CountsNFE", "Model", "Reconstructor"),
    "parameters": ("Parameter",),
    "publisher": ("PublisherSpec",),
    "results": ("Results",),
    "specs": (
        "BenchmarkSpec", "DatasetSpec", "EmbedderSpec", "MetricSpec", "ModelSpec", "ReportSpec",
    ),
    "statistics": ("Interval",),
    "store": ("RunStore",),
    "tracker": ("Measured", "Tracked", "Tracker", "TrackerSpec"),
    "training": ("FitRun", "train"),
    "turns": ("InTurn", "Shift", "Task", "Turns"),
}  # fmt: skip
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "BenchmarkSpec", "Budget", "ClassDensity", "ClassLatentVariable", "ClassMass", "Clusterer",
    "Collection", "CountsNFE", "Dataset", "DatasetSpec", "Density", "DiffusionDecoder", "Embedder",
    "EmbedderSpec", "Evidence", "ExecutorSpec", "Features", "FitRun", "GaussianDiffusion",
    "GengaugeError", "InTurn", "Interval", "LatentDecoder", "LatentVariable", "Mass", "Measured",
    "MetricSpec", "Model", "ModelSpec", "NothingSelectedError", "ObservationModel", "Parameter",
    "PowerAverage", "ProbabilityFlow", "PublisherSpec", "Reconstructor", "ReportSpec", "Results",
    "RunStore", "Score", "Shift", "Split", "StorageError", "Task", "Tracked", "Tracker",
    "TrackerSpec", "Turns", "UsageError", "VariationalBound", "check_training", "dequantise",
    "hookimpl", "load_runs", "quantise", "run", "score", "train", "unscored",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a plugin's registration must not load torch."""
    if name not in _MODULE:
        raise AttributeError(f"module 'gengauge' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gengauge.{_MODULE[name]}"), name)
