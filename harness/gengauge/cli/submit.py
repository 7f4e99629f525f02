"""``gengauge submit``: a run as one checked file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("submit")
@click.argument("run")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path),
    help="File to write.  [default: the run's name with .zip, here]",
)  # fmt: skip
@click.option("-m", "--model", "models", multiple=True, metavar="ID",
              help="Submit this model alone; repeatable. Default: all of the run.")  # fmt: skip
@click.option("--note", default="", help="What a reader of the leaderboard should know.")
@click.option("--samples", is_flag=True, help="Pack the samples too, not their digests alone.")
def command(
    run: str, output: Path | None, models: tuple[str, ...], note: str, samples: bool
) -> None:
    """Pack RUN into one bundle that `gengauge publish` checks and takes.

    It holds every record, failed ones too, the environments, the pictures and curves that reports
    show, and digests of the samples; no weights, and no credentials. Prints its SHA-256.
    """
    from gengauge.bundle.packed import pack
    from gengauge.store import RunStore

    store = RunStore.open(run)
    name = run.rstrip("/").rpartition("/")[2] or store.folder.resolve().name
    done = pack(
        store, output or Path(f"{name}.zip"), models=models, note=note, samples=samples
    )  # fmt: skip
    for warning in done.warnings:
        click.echo(f"warning: {warning}", err=True)
    counts = done.counts
    click.echo(
        f"wrote {done.path}: {counts['trials']} trials ({counts['failed']} failed) of "
        f"{counts['models']} models on {counts['datasets']} datasets, {counts['scores']} scores, "
        f"{done.size:,} bytes",
        err=True,
    )
    click.echo(f"{done.sha256}  {done.path}")
