"""Laws of what looks at runs, hears of them or makes them."""

from __future__ import annotations

import copy
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gengauge.benchmark import read_benchmark
from gengauge.executor import ExecutorSpec
from gengauge.plan import plan
from gengauge.publisher import PublisherSpec
from gengauge.registry import Registry, load_target
from gengauge.specs import BenchmarkSpec, ReportSpec
from gengauge.testing.case import NotApplicable, require
from gengauge.testing.rehearsal import PLUGIN, finished_run, rehearse


@dataclass
class ReportCase:
    """A report format and a finished run."""

    spec: ReportSpec

    def render(self) -> Any:
        """Return the report of the run."""
        return load_target(self.spec.target)([finished_run()])


@dataclass
class PublisherCase:
    """A form of publication and a finished run."""

    spec: PublisherSpec


@dataclass
class ExecutorCase:
    """A way to run trials, and the registry that it is part of."""

    spec: ExecutorSpec
    registry: Callable[[], Registry]


@dataclass
class BenchmarkCase:
    """A benchmark, and the registry that knows what it names."""

    spec: BenchmarkSpec
    registry: Callable[[], Registry]


@dataclass
class ListenerCase:
    """A module that hears of runs."""

    module: Any


def report_is_content(case: ReportCase) -> None:
    """A run with a failed trial becomes bytes, and is left as it was."""
    before = _digest(finished_run().folder)
    found = case.render()
    require(isinstance(found, bytes) and bool(found), "bytes", f"{type(found).__name__}",
            "render(stores, **options) returns the file's content: text.encode()")  # fmt: skip
    require(_digest(finished_run().folder) == before, "the run as it was", "another",
            "a report reads, and returns what is to be written")  # fmt: skip


def report_is_repeatable(case: ReportCase) -> None:
    """The same run gives the same report."""
    first, second = case.render(), case.render()
    require(first == second, "the same report of the same run", "another",
            "write no time of day, and sort what is listed")  # fmt: skip


def publication_stays_in_its_folder(case: PublisherCase) -> None:
    """It writes into the folder it is given, returns the file to begin with, and leaves the run."""
    if case.spec.lacks:
        raise NotApplicable(case.spec.lacks)
    before = _digest(finished_run().folder)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "public"
        folder.mkdir()
        first = load_target(case.spec.target)([finished_run()], folder, **case.spec.resolve({}))
        inside = isinstance(first, Path) and first.is_file() and first.is_relative_to(folder)
        require(inside, "a file within the folder that publish was given", str(first),
                "return the pathlib.Path of the page to begin with")  # fmt: skip
        beside = [p.name for p in Path(place).iterdir() if p != folder]
        require(not beside, "nothing beside that folder", ", ".join(beside), "write into it only")
    require(_digest(finished_run().folder) == before, "the run as it was", "another",
            "publish copies of what it shows")  # fmt: skip


def every_trial_ends_once(case: ExecutorCase) -> None:
    """Of each trial there is one record with the scores that the usual executor gives."""
    if case.spec.lacks:
        raise NotApplicable(case.spec.lacks)
    if case.spec.elsewhere:
        raise NotApplicable("it runs trials on other machines")
    usual = {r["trial"]: _told(r) for r in finished_run().records()}
    with tempfile.TemporaryDirectory() as folder:
        store, tasks, records = rehearse(Path(folder), case.registry(), case.spec)
        found = [r["trial"] for r in records]
        require(sorted(found) == sorted(t.trial.key for t in tasks), "one record of each trial",
                f"{len(found)} records of {len(tasks)} trials",
                "yield (task, record, seconds) once for each of shift.tasks")  # fmt: skip
        told = {r["trial"]: _told(r) for r in store.records()}
    require(told == usual, "the scores of the usual executor", "others",
            "run each trial by gengauge.InTurn, or gengauge.execute.run_trial")  # fmt: skip


def benchmark_can_be_planned(case: BenchmarkCase) -> None:
    """Its file is read, and all that it names is known here."""
    registry = case.registry()
    plan(read_benchmark(case.spec.id, registry), registry)


def listeners_change_nothing(case: ListenerCase) -> None:
    """What hears of a run raises nothing, and changes neither records nor the run's folder."""
    store = finished_run()
    records, before = store.records(), _digest(store.folder)
    given = copy.deepcopy(records)
    started = getattr(case.module, "gengauge_run_started", None)
    finished = getattr(case.module, "gengauge_trial_finished", None)
    if started is not None:
        _heard(started, folder=str(store.folder), trials=[r["trial"] for r in records])
    for record in given if finished is not None else ():
        _heard(finished, record=record)
    require(given == records, "records as they were", "others", "work on a copy.deepcopy")
    changed = [n for n, held in before.items() if _digest(store.folder).get(n) != held]
    require(not changed, "the run's files as they were", ", ".join(changed[:3]),
            "write into files of your own")  # fmt: skip


def _heard(hook: Any, **news: Any) -> None:
    """Call a hook as pluggy does: with the arguments that it names."""
    wanted = hook.__code__.co_varnames[: hook.__code__.co_argcount]
    hook(**{name: value for name, value in news.items() if name in wanted})


def _told(record: dict[str, Any]) -> tuple[Any, ...]:
    scores = sorted((s["metric"], s["value"]) for s in record["scores"])
    return record["status"], record["model"]["id"], scores


def _digest(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*")) if p.is_file()
    }  # fmt: skip


def executor_registry(registry: Registry) -> Registry:
    """Return a registry with the stand-ins beside the plugins of ``registry``."""
    names = [p.module for p in registry.plugins if p.distribution == "--plugin"]
    return Registry((PLUGIN, *(n for n in names if n != PLUGIN)))


REPORT_LAWS = (report_is_content, report_is_repeatable)
PUBLISHER_LAWS = (publication_stays_in_its_folder,)
EXECUTOR_LAWS = (every_trial_ends_once,)
BENCHMARK_LAWS = (benchmark_can_be_planned,)
LISTENER_LAWS = (listeners_change_nothing,)
