"""``gengauge run`` as a function."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from gengauge.api.given import Names, Place, listening, names_of, say, seeds_of, threads_of, warn

if TYPE_CHECKING:
    from gengauge.results import Results
    from gengauge.turns import Listener


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
    with threads_of(threads):
        from gengauge.options import Options
        from gengauge.results import Results
        from gengauge.session import Session, save_page

        options = Options(
            benchmark=os.fspath(benchmark), models=names_of(models), datasets=names_of(datasets),
            suites=names_of(suites), embedders=names_of(embedders), seeds=seeds_of(seeds),
            budget=budget, samples=samples, limit=limit, device=device, threads=threads,
            jobs=jobs, settings=tuple(f"{k}={v}" for k, v in (settings or {}).items()),
            no_isolate=not isolate, timeout=timeout, memory=memory, gpus=gpus,
            checkpoint_every=checkpoint_every, precision=precision, executor=executor,
            gradient_accumulation=gradient_accumulation, address=address,
            output=None if output is None else os.fspath(output), fresh=fresh,
            retry_failed=retry_failed, plugins=names_of(plugins), track=names_of(track),
        )  # fmt: skip
        session = Session.open(options, say if progress else warn)
        session.execute(listening(progress))
        store, registry = session.run.store, session.run.registry
        save_page(registry, store)
    return Results(store, registry, [task.trial.key for task in session.tasks])
