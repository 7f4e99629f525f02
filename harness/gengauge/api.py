"""gengauge from Python and from notebooks: the verbs of the command line as functions."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from os import PathLike
from typing import TYPE_CHECKING, Literal

from gengauge.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from gengauge.results import Results
    from gengauge.store import RunStore
    from gengauge.turns import Listener

Names = str | Sequence[str]
Place = str | PathLike[str]


def run(
    benchmark: Place = "quick",
    *,
    models: Names = (),
    datasets: Names = (),
    suites: Names = (),
    embedders: Names = (),
    seeds: int | str | Sequence[int] | None = None,
    budget: str | None = None,
    samples: int | None = None,
    limit: int | None = None,
    settings: Mapping[str, object] | None = None,
    device: str = "auto",
    threads: int = 1,
    jobs: int | None = None,
    isolate: bool = True,
    timeout: str | None = None,
    memory: str | None = None,
    checkpoint_every: str = "30s",
    precision: Literal["fp32", "bf16"] = "fp32",
    gradient_accumulation: int = 1,
    gpus: int | None = None,
    executor: str = "local",
    address: str | None = None,
    output: Place | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    plugins: Names = (),
    track: Names = (),
    progress: bool | Listener = True,
) -> Results:
    """Train every model that fits a benchmark, score it, and return what came out.

    It is ``gengauge run``: the same options, records, folder and page. What the folder has is not
    done again, and an interrupt keeps what was finished: the same call goes on from there.

    Where this program has one thread and no graphics card in use, trials are forked from it;
    anywhere else, and so in a notebook, from a new program that loads torch for itself.

    Arguments:
        benchmark: A name out of ``gengauge list benchmarks``, or a TOML file.
        models: Models with parameters, such as ``"vae[latent=8,16]"``; none: all that fit.
        datasets: Data sets; none: the benchmark's.
        suites: Suites of metrics; none: the benchmark's.
        embedders: Feature maps that distances are measured in; none: the data set's.
        seeds: ``0``, ``[0, 1, 2]`` or ``"0-2"``.
        budget: Training budget in steps, examples, FLOPs or time, such as ``"2000steps"``.
        samples: How many samples are drawn from each model.
        limit: Use at most so many examples of each split.
        settings: Settings of suites and metrics, such as ``{"coverage.k": 10}``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of a trial.
        jobs: Trials side by side; none: as many as cores and memory allow.
        isolate: Give each trial a process of its own; else they run one by one in this one.
        timeout: Longest time a trial may take, such as ``"30m"``.
        memory: Most memory a trial may hold, such as ``"8G"``.
        checkpoint_every: Time or steps between checkpoints.
        precision: Of training.
        gradient_accumulation: Batches whose mean gradient makes one step.
        gpus: GPUs that train one model together.
        executor: What runs the trials: ``local``, ``"slurm[partition=gpu]"`` ...
        address: A Ray cluster that is there already.
        output: The run's folder or URL; none: ``runs/BENCHMARK``.
        fresh: Run everything again, whatever the folder has.
        retry_failed: Run trials again that failed before.
        plugins: Modules of plugins to load too.
        track: Trackers to tell as well, such as ``"tensorboard=logs"``.
        progress: Whether to show how it goes on; or a listener of your own that is told.

    Raises:
        UsageError: for a name or a value that is not one of the allowed ones, before any work.
        NothingSelectedError: where no model fits.
        StorageError: where the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     results = run(
        ...         models=["gmm[components=2]", "gmm[components=8]"], datasets="points/moons",
        ...         suites="likelihood", limit=400, isolate=False, output=folder, progress=False,
        ...     )
        ...     frame, finished = results.frame(), len(results) - len(results.failed)
        >>> finished
        2
        >>> frame[frame["metric"] == "nll"]["model"].tolist()
        ['gmm[components=2]', 'gmm[components=8]']
    """
    with _threads(threads):
        from gengauge.options import Options
        from gengauge.results import Results
        from gengauge.session import Session, save_page

        options = Options(
            benchmark=os.fspath(benchmark), models=_names(models), datasets=_names(datasets),
            suites=_names(suites), embedders=_names(embedders), seeds=_seeds(seeds),
            budget=budget, samples=samples, limit=limit, device=device, threads=threads,
            jobs=jobs, settings=tuple(f"{k}={v}" for k, v in (settings or {}).items()),
            no_isolate=not isolate, timeout=timeout, memory=memory, gpus=gpus,
            checkpoint_every=checkpoint_every, precision=precision, executor=executor,
            gradient_accumulation=gradient_accumulation, address=address,
            output=None if output is None else os.fspath(output), fresh=fresh,
            retry_failed=retry_failed, plugins=_names(plugins), track=_names(track),
        )  # fmt: skip
        session = Session.open(options, _say if progress else _warn)
        session.execute(_listening(progress))
        store, registry = session.run.store, session.run.registry
        save_page(registry, store)
    return Results(store, registry, [task.trial.key for task in session.tasks])


def load_runs(*sources: Place | RunStore | Results) -> pd.DataFrame:
    """Return the tidy table of one or several runs: a row for each trial and metric.

    Its first column ``run`` says where a row is from; the others are those of ``RunStore.frame``.
    A source is a run's folder, its URL, a submission (checked whole before it is read) or results.
    What could not be read is warned of. ``UsageError`` for what is none of these.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = run(
        ...         models="gmm", datasets="points/moons", suites="likelihood", limit=400,
        ...         isolate=False, output=folder, progress=False,
        ...     )
        ...     frame = load_runs(folder)
        >>> frame["model"].unique().tolist(), frame.columns[:4].tolist()
        (['gmm'], ['run', 'model', 'family', 'dataset'])
    """
    import pandas as pd

    from gengauge.results import Results
    from gengauge.sources import open_source
    from gengauge.store import RunStore

    if not sources:
        raise UsageError("load_runs needs a run: give the folder, such as runs/quick, or its URL")
    tables = []
    for source in sources:
        opened = (
            source if isinstance(source, RunStore | Results) else open_source(os.fspath(source))
        )
        table = opened.frame()
        table.insert(0, "run", opened.address)
        tables.append(table)
        for warning in opened.warnings if isinstance(opened, RunStore) else ():
            warnings.warn(warning, stacklevel=2)
    whole = [table for table in tables if len(table)] or tables[:1]
    return pd.concat(whole, ignore_index=True)


def _names(given: Names) -> tuple[str, ...]:
    """Return names of which there may be one.

    >>> _names("vae[latent=8,16]"), _names(["gmm", "vae"])
    (('vae[latent=8,16]',), ('gmm', 'vae'))
    """
    return (given,) if isinstance(given, str) else tuple(given)


def _seeds(given: int | str | Sequence[int] | None) -> str | None:
    """Return seeds as the command line writes them.

    >>> _seeds(3), _seeds([0, 2]), _seeds("0-2"), _seeds(range(2))
    ('3', '0,2', '0-2', '0,1')
    """
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, int):
        return str(given)
    if not given:
        raise UsageError("seeds names no seed; give 0, [0, 1, 2] or '0-2'")
    return ",".join(map(str, given))


def _listening(given: bool | Listener) -> AbstractContextManager[Listener]:
    from gengauge.progress import progress

    return progress(given) if isinstance(given, bool) else nullcontext(given)


def _say(text: str) -> None:
    """Warn as Python does, and write notes where progress is written."""
    if not text.startswith("warning: "):
        print(text, file=sys.stderr)
    _warn(text)


def _warn(text: str) -> None:
    if text.startswith("warning: "):
        warnings.warn(text.removeprefix("warning: "), stacklevel=4)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let numeric libraries use so many threads, here and in what is started, and put it back."""
    import torch
    from threadpoolctl import threadpool_limits

    from gengauge.session import THREADS, use_threads

    if count < 1:
        raise UsageError(f"threads is {count}, expected at least 1")
    before, there = {name: os.environ.get(name) for name in THREADS}, torch.get_num_threads()
    use_threads(count)
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(there)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
