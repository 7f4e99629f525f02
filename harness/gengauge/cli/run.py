"""``gengauge run``: the main job."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from gengauge.cli.acceleration import launched, training_options
from gengauge.cli.executors import executor_options, track_option
from gengauge.cli.output import plugin_option, trust_option
from gengauge.cli.selection import checkpoint_option
from gengauge.cli.weights import folder_option, offline_option

if TYPE_CHECKING:
    from gengauge.registry import Registry
    from gengauge.store import RunStore
    from gengauge.turns import Task


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
@track_option
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
def command(benchmark: str, fail_on_error: float, dry_run: bool, **chosen: Any) -> int:  # fmt: skip
    """Train every model that fits BENCHMARK, score it and write the comparative report.

    BENCHMARK is a name (default: quick) or a TOML file. What the run's folder already has is
    not done again: adding a suite or more samples trains nothing.
    """
    from gengauge.session import use_threads

    rank, chosen["launched"] = launched()
    if rank:
        return 0  # the first of those that were launched does it all
    use_threads(chosen["threads"])

    from gengauge.options import Options
    from gengauge.progress import progress
    from gengauge.session import Session

    session = Session.open(Options(benchmark=benchmark, **chosen), partial(click.echo, err=True))
    if dry_run:
        _print_plan(session.tasks)
        return 0
    records = session.execute(progress())
    write_reports(session.run.registry, session.run.store)
    code = failures(records, fail_on_error, len(session.tasks), session.failed_before)
    if before := session.failed_before:
        click.echo(f"{before} trials failed before; --retry-failed runs them again", err=True)
    return code


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


def write_reports(registry: Registry, store: RunStore) -> None:
    """Print the table of a run, and write its page into the run's folder."""
    from gengauge.rendering import render
    from gengauge.session import save_page

    if "terminal" in registry.reports:
        click.echo(render(registry, "terminal", [store]).decode(), nl=False)
    if where := save_page(registry, store):
        click.echo(f"report: {where}", err=True)


def failures(records: list[dict[str, Any]], allowed: float, of: int, before: int = 0) -> int:
    """Say what failed, and return the exit code where that share of all is ``allowed``."""
    from gengauge.results import FAILED

    failed = [r for r in records if r["status"] in FAILED]
    for record in failed:
        error = record["error"]
        click.echo(
            f"{record['status']}: {record['model']['id']} on {record['dataset']['id']}: "
            f"{error['type']}: {error['message']}", err=True,
        )  # fmt: skip
    return 3 if len(failed) + before > allowed * of else 0
