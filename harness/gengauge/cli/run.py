"""``gengauge run``: the main job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gengauge.cli.acceleration import launched, ranks, training_options
from gengauge.cli.executors import choose_executor, executor_options
from gengauge.cli.output import open_registry, plugin_option, trust_option
from gengauge.cli.selection import (
    checkpoint_option,
    checkpoints,
    note_unfit,
    open_store,
    reproduction,
    resolve_benchmark,
)
from gengauge.cli.weights import folder_option, offline_option
from gengauge.errors import UsageError

if TYPE_CHECKING:
    from gengauge.benchmark import Benchmark
    from gengauge.registry import Registry
    from gengauge.runner import Run
    from gengauge.store import RunStore
    from gengauge.turns import Task

FAILED = ("failed", "timeout", "out_of_memory", "diverged")


@click.command("run")
@click.argument("benchmark", default="quick")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="'ID[k=v,w]'",
    help="Model with parameters; a comma makes a grid. Repeatable. Default: all that fit.",
)
@click.option("-d", "--dataset", "datasets", multiple=True, help="Dataset; repeatable.")
@click.option("-s", "--suite", "suites", multiple=True, help="Metric suite; repeatable.")
@click.option(
    "--embedder",
    "embedders",
    multiple=True,
    help="Feature map that distances are measured in; repeatable. Default: the dataset's.",
)
@click.option("--seeds", metavar="0-2", help="Seeds, such as 0-2 or 0,3.")
@click.option(
    "--budget", metavar="2000steps", help="Training budget in steps, examples, FLOPs, time."
)
@click.option("--samples", type=click.IntRange(min=2), help="Samples to draw from each model.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:i].")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="CPU threads; more help large networks only.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Trials to run side by side.  [default: as many as cores and memory allow; 1 on a GPU]",
)
@executor_options
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting of a suite or metric, such as likelihood.k=128; alignment.clip=ViT-B-32/openai "
    "names the CLIP that judges captions (or local-dir:FOLDER, openai:FILE). Repeatable.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=4),
    metavar="N",
    help="Use at most N examples of each split (to try things; another dataset).",
)
@click.option("--fresh", is_flag=True, help="Run everything again, whatever the store has.")
@click.option("--retry-failed", is_flag=True, help="Run trials again that failed before.")
@click.option(
    "--fail-on-error",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Exit with 3 when more than this share of the trials failed.",
)
@click.option("--timeout", metavar="30m", help="Longest time a trial may take.  [default: none]")
@click.option(
    "--memory",
    metavar="8G",
    help="Most memory a trial may hold.  [default: nine tenths of the machine's]",
)
@checkpoint_option
@training_options
@click.option(
    "--no-isolate",
    is_flag=True,
    help="Run trials one by one in this process, for a debugger; a crash ends the run.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@offline_option
@folder_option
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    help="Folder of the run, or a URL such as s3://BUCKET/RUN.  [default: runs/BENCHMARK]",
)
@plugin_option
@trust_option
def command(benchmark: str, **options: Any) -> int:  # fmt: skip
    """Train every model that fits BENCHMARK, score it and write the comparative report.

    BENCHMARK is a name (default: quick) or a TOML file. What the run's folder already has is
    not done again: adding a suite or more samples trains nothing.
    """
    from gengauge.plan import plan

    rank, options["launched"] = launched()
    if rank:
        return 0  # the first of those that were launched does it all
    use_threads(options["threads"])
    registry = open_registry(options["plugins"])
    resolved = resolve_benchmark(benchmark, registry, options)
    jobs = plan(resolved, registry)
    note_unfit(resolved, registry, options)
    run = _open_run(benchmark, resolved, registry, options)
    tasks = run.tasks(jobs)
    for warning in (*run.store.warnings, *_not_ready(run), *_copies(tasks)):
        click.echo(f"warning: {warning}", err=True)
    if options["dry_run"]:
        _print_plan(tasks)
        return 0
    records = _execute(run, tasks)
    write_reports(run.registry, run.store)
    return _exit_code(tasks, records, options["fail_on_error"])


def _not_ready(run: Run) -> list[str]:
    """Return what keeps embedders from being built; scores in them will say so, one by one."""
    from gengauge.metric import Unready

    return [e.reason for e in run.setting.embedders.values() if isinstance(e, Unready)]


def _copies(tasks: list[Task]) -> list[str]:
    """Return a line for each data set of the user's of which examples are in two splits."""
    from gengauge.copies import said

    found = []
    for data in {t.dataset.id: t.dataset for t in tasks}.values():
        sizes = {f"n_{part}": len(getattr(data, part)) for part in ("validation", "test")}
        if clauses := said({"copies": data.copies, **sizes}):
            found.append(f"dataset '{data.id}': {'; '.join(clauses)}: exact copies flatter a model")
    return found


def use_threads(threads: int) -> None:
    """Fix the threads of every numeric library, to be called before torch is imported.

    One is the default: sums then come out the same whatever the number of cores, small networks
    gain little from more, and two threads that wait for each other by spinning make a
    five-second training take two minutes beside any other load.
    """
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)


def _open_run(name: str, benchmark: Benchmark, registry: Any, options: dict[str, Any]) -> Run:
    from gengauge.isolation.birth import possible
    from gengauge.isolation.limits import Limits
    from gengauge.pool import default_workers
    from gengauge.runner import Run, choose_device

    store = open_store(options["output"] or str(Path("runs") / benchmark.name))
    if options["no_isolate"] and (options["timeout"] or options["memory"] or options["jobs"]):
        raise UsageError("--no-isolate takes no --timeout, --memory or --jobs: nobody watches it")
    if not options["no_isolate"] and not possible():
        click.echo("warning: this system cannot fork: trials run one by one, unwatched", err=True)
    executor = choose_executor(registry, options)
    device = choose_device(options["device"], executor.spec.elsewhere)
    together = ranks(options["gpus"], options["launched"], device, options["jobs"])
    if together > 1 and executor.spec.elsewhere:
        raise UsageError(
            "--executor: one model is trained by several processes on this machine only"
        )
    crowd = default_workers(options["threads"] * together, device.type == "cuda")
    return Run(
        benchmark, registry, store, device,
        options["retry_failed"], options["fresh"], benchmark.limit or None,
        command=lambda job: reproduction(name, job, options),
        workers=options["jobs"] or crowd,
        isolated=not options["no_isolate"],
        limits=Limits.parse(options["timeout"], options["memory"]),
        jobs=options["jobs"], threads=options["threads"], executor=executor,
        checkpoints=checkpoints(options["checkpoint_every"]),
        precision=options["precision"], accumulation=options["gradient_accumulation"],
        ranks=together,
    )  # fmt: skip


def _print_plan(tasks: list[Task]) -> None:
    from gengauge.cli.output import write_rows

    write_rows(
        [
            {
                "model": t.trial.label, "dataset": t.trial.dataset, "seed": t.trial.seed,
                "budget": t.trial.budget if t.job.choice.spec.learns else "none",
                "to do": t.todo or ("failed before" if t.failed_before else "done"),
                "scores": len(t.missing), "trial": t.trial.key,
            }
            for t in tasks
        ],
        "table",
    )  # fmt: skip


def _execute(run: Run, tasks: list[Task]) -> list[dict[str, Any]]:
    from gengauge.cli.progress import progress

    done = sum(not t.todo for t in tasks)
    if done:
        click.echo(f"{done} of {len(tasks)} trials are done already", err=True)
    try:
        with progress() as listener:
            return run.execute(tasks, listener)
    except KeyboardInterrupt:
        click.echo(
            f"what was finished is kept in {run.store.address}; "
            "the same command goes on from there", err=True,
        )  # fmt: skip
        raise


def write_reports(registry: Registry, store: RunStore) -> None:
    """Print the table of a run, and write its page into the run's folder."""
    from gengauge.rendering import render

    if "terminal" in registry.reports:
        click.echo(render(registry, "terminal", [store]).decode(), nl=False)
    if "html" in registry.reports:
        page = render(registry, "html", [store])
        click.echo(f"report: {store.save('report.html', page)}", err=True)


def _exit_code(tasks: list[Task], records: list[dict[str, Any]], allowed: float) -> int:
    before = sum(t.failed_before and not t.todo for t in tasks)
    code = failures(records, allowed, len(tasks), before)
    if before:
        click.echo(f"{before} trials failed before; --retry-failed runs them again", err=True)
    return code


def failures(records: list[dict[str, Any]], allowed: float, of: int, before: int = 0) -> int:
    """Say what failed, and return the exit code where that share of all is ``allowed``."""
    failed = [r for r in records if r["status"] in FAILED]
    for record in failed:
        error = record["error"]
        click.echo(
            f"{record['status']}: {record['model']['id']} on {record['dataset']['id']}: "
            f"{error['type']}: {error['message']}", err=True,
        )  # fmt: skip
    return 3 if len(failed) + before > allowed * of else 0
