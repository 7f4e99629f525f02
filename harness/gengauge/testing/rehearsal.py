"""A small finished run, for what looks at runs: two models that were scored and one that failed."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import torch

from gengauge.benchmark import Benchmark
from gengauge.executor import ExecutorChoice, ExecutorSpec
from gengauge.plan import plan
from gengauge.registry import Registry
from gengauge.runner import Run
from gengauge.store import Record, RunStore
from gengauge.turns import Task

PLUGIN = "gengauge.testing.standins"
_BENCHMARK = Benchmark(
    "rehearsal", ("tiny/points",), suites=("tiny",), samples=200,
    models=("tiny/kernels[width=0.3,1.0]", "tiny/breaks"),
)  # fmt: skip
_kept: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


class Quiet:
    """A listener that says nothing."""

    def started(self, tasks: list[Task]) -> None:
        """Say nothing."""

    def stage(self, task: Task, stage: str, fraction: float) -> None:
        """Say nothing."""

    def finished(self, task: Task, record: Record, seconds: float) -> None:
        """Say nothing."""


@cache
def finished_run() -> RunStore:
    """Return the store of the run, made once a process."""
    _kept.append(tempfile.TemporaryDirectory(prefix="gengauge-rehearsal-"))
    registry = Registry((PLUGIN,))
    for hook in (registry.manager.hook.gengauge_run_started,
                 registry.manager.hook.gengauge_trial_finished):  # fmt: skip
        for heard in hook.get_hookimpls():  # what listens here may be on trial itself
            registry.manager.unregister(heard.plugin)
    return rehearse(Path(_kept[-1].name), registry, None)[0]


def rehearse(
    folder: Path, registry: Registry, executor: ExecutorSpec | None
) -> tuple[RunStore, list[Task], list[Record]]:
    """Run the stand-ins into ``folder`` by an executor; return store, tasks and records."""
    store = RunStore(folder)
    chosen = ExecutorChoice(executor, executor.resolve({})) if executor else None
    run = Run(
        _BENCHMARK, registry, store, torch.device("cpu"), isolated=False, executor=chosen
    )  # fmt: skip
    tasks = run.tasks(plan(_BENCHMARK, registry))
    return store, tasks, run.execute(tasks, Quiet())
