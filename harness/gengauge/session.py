"""One run, from what was asked for to its records: ``gengauge run`` and ``gengauge.run``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gengauge.errors import UsageError

if TYPE_CHECKING:
    from gengauge.benchmark import Benchmark
    from gengauge.options import Options
    from gengauge.registry import Registry
    from gengauge.runner import Run
    from gengauge.store import RunStore
    from gengauge.turns import Listener, Task

Say = Callable[[str], None]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Session:
    """A run that is planned: its tasks, and all that executes them. ``say`` tells the user."""

    run: Run
    tasks: list[Task]
    say: Say

    @classmethod
    def open(cls, options: Options, say: Say) -> Session:
        """Look every name up, and return what is to be done; raises before any work is done."""
        from gengauge.metric import Unready
        from gengauge.options import resolve_benchmark, unfit
        from gengauge.plan import plan
        from gengauge.tracking import Tracking

        registry = open_registry(options.plugins)
        benchmark = resolve_benchmark(options, registry)
        jobs = plan(benchmark, registry)
        for note in unfit(benchmark, registry, options.models):
            say(f"note: {note}")
        Tracking.listen(options.track, registry)
        run = _open_run(benchmark, registry, options, say)
        tasks = run.tasks(jobs)
        unready = [e.reason for e in run.setting.embedders.values() if isinstance(e, Unready)]
        # what is not ready is said by each score too
        for warning in (*run.store.warnings, *unready, *_copies(tasks)):
            say(f"warning: {warning}")
        return cls(run, tasks, say)

    def execute(self, listening: AbstractContextManager[Listener]) -> list[dict[str, Any]]:
        """Run what is to be done, and return its records; an interrupt keeps what was finished."""
        if done := sum(not t.todo for t in self.tasks):
            self.say(f"{done} of {len(self.tasks)} trials are done already")
        try:
            with listening as listener:
                return self.run.execute(self.tasks, listener)
        except KeyboardInterrupt:
            self.say(
                f"what was finished is kept in {self.run.store.address}; "
                "the same command goes on from there"
            )
            raise

    @property
    def failed_before(self) -> int:
        """How many trials failed earlier and are not run again."""
        return sum(t.failed_before and not t.todo for t in self.tasks)


def open_registry(plugins: Iterable[str] = (), whole: bool = True) -> Registry:
    """Return the registry with modules of the user's, warning of broken plugins on stderr.

    ``UsageError`` where one of those, or a ``gengauge.toml``, cannot be used; of the latter, which
    the user did not name, only where ``whole``.
    """
    from gengauge import project
    from gengauge.registry import Registry

    modules = tuple(plugins)
    for name in modules:
        if not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"plugin '{name}' is not a module; write package.module, no path")
    if modules and "" not in sys.path:
        sys.path.insert(0, os.getcwd())  # noqa: PTH109  (as `python -m` does)
    registry = Registry(modules)
    for denied in (p for p in registry.plugins if p.denied and p.name in modules):
        raise UsageError(f"plugin '{denied.module}' is {denied.denied}")
    for broken in (p for p in registry.broken if p.name in modules):
        raise UsageError(f"plugin '{broken.module}' cannot be used: {broken.error}")
    for broken in (p for p in registry.broken if p.distribution == project.NAME and whole):
        raise UsageError(broken.error)
    registry.warn_broken()
    return registry


def _copies(tasks: list[Task]) -> list[str]:
    """Return a line for each data set of the user's of which examples are in two splits."""
    from gengauge.copies import said

    found = []
    for data in {t.dataset.id: t.dataset for t in tasks}.values():
        sizes = {f"n_{part}": len(getattr(data, part)) for part in ("validation", "test")}
        if clauses := said({"copies": data.copies, **sizes}):
            found.append(f"dataset '{data.id}': {'; '.join(clauses)}: exact copies flatter a model")
    return found


def open_store(place: str) -> RunStore:
    """Return the store of a run that is begun or gone on with."""
    from gengauge.store import RunStore

    store = RunStore(place)
    if store.folder.exists() and not store.folder.is_dir():
        raise UsageError(f"'{place}' is a file; give -o a folder")
    return store


def save_page(registry: Registry, store: RunStore) -> str:
    """Write a run's page into its folder; return where it is, nothing where no plugin has it."""
    from gengauge.rendering import render

    if "html" not in registry.reports:
        return ""
    return store.save("report.html", render(registry, "html", [store]))


def use_threads(threads: int) -> None:
    """Fix the threads of every numeric library, to be called before torch is imported.

    One is the default: sums then come out the same whatever the number of cores, small networks
    gain little from more, and two threads that wait for each other by spinning make a
    five-second training take two minutes beside any other load.
    """
    for name in THREADS:
        os.environ[name] = str(threads)


def _open_run(benchmark: Benchmark, registry: Registry, options: Options, say: Say) -> Run:
    from gengauge.choosing import checkpoints, choose_executor, ranks
    from gengauge.isolation.birth import possible
    from gengauge.isolation.limits import Limits
    from gengauge.options import reproduction
    from gengauge.pool import default_workers
    from gengauge.runner import Run, choose_device

    store = open_store(options.output or str(Path("runs") / benchmark.name))
    if options.no_isolate and (options.timeout or options.memory or options.jobs):
        raise UsageError("--no-isolate takes no --timeout, --memory or --jobs: nobody watches it")
    if not options.no_isolate and not possible():
        say("warning: this system cannot fork: trials run one by one, unwatched")
    executor = choose_executor(registry, options)
    device = choose_device(options.device, executor.spec.elsewhere)
    together = ranks(options.gpus, options.launched, device, options.jobs)
    if together > 1 and executor.spec.elsewhere:
        raise UsageError(
            "--executor: one model is trained by several processes on this machine only"
        )
    crowd = default_workers(options.threads * together, device.type == "cuda")
    return Run(
        benchmark, registry, store, device,
        options.retry_failed, options.fresh, benchmark.limit or None,
        command=lambda job: reproduction(options, job),
        workers=options.jobs or crowd,
        isolated=not options.no_isolate,
        limits=Limits.parse(options.timeout, options.memory),
        jobs=options.jobs, threads=options.threads, executor=executor,
        checkpoints=checkpoints(options.checkpoint_every),
        precision=options.precision, accumulation=options.gradient_accumulation,
        ranks=together,
    )  # fmt: skip
