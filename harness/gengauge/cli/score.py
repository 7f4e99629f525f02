"""``gengauge score``: numbers for samples that are there already."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from gengauge.cli.executors import track_option
from gengauge.cli.output import open_registry, plugin_option, trust_option, write_rows
from gengauge.cli.weights import folder_option, offline_option

if TYPE_CHECKING:
    from gengauge.scorer import Scoring

_NO_CONTROLS = "none"


@click.command("score")
@click.argument("samples", nargs=-1, required=True)
@click.option(
    "--reference",
    required=True,
    metavar="DATASET",
    help="Real examples: a data set (gengauge list datasets), a path like SAMPLES, or statistics: "
    "those of `gengauge statistics`, or the field's .npz of mu and sigma.",
)
@click.option("-s", "--suite", "suites", multiple=True, help="Metric suite; repeatable.")
@click.option(
    "--embedder",
    "embedders",
    multiple=True,
    help="Feature map that distances are measured in; repeatable; identity takes features made "
    "elsewhere. Default: the data set's own.",
)
@click.option("--name", "names", multiple=True, help="What a row is called; once for each SAMPLES.")
@click.option(
    "--samples",
    "most",
    type=click.IntRange(min=2),
    default=10_000,
    show_default=True,
    help="Most examples a side for what compares pairs (KID, precision ...), drawn at random; "
    "Frechet distances take all.",
)
@click.option(
    "--controls",
    default="real,noise",
    show_default=True,
    metavar="ID,...",
    help="Calibration rows beside the samples, or none.",
)
@click.option(
    "--held-out",
    metavar="PATH",
    help="Real examples apart from the reference, which the row real is made of; a reference with "
    "a validation part has its own.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is drawn.")
@click.option(
    "--limit",
    type=click.IntRange(min=4),
    metavar="N",
    help="Use at most the first N examples of each file (to try things).",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting of a suite or metric, such as coverage.k=10. Repeatable.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:i].")
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads."
)
@click.option("--fresh", is_flag=True, help="Read and measure everything again.")
@click.option(
    "--fail-on-error",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Exit with 3 when more than this share of the rows failed.",
)
@track_option
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@offline_option
@folder_option
@click.option(
    "-o",
    "--output",
    default="runs/score",
    show_default=True,
    metavar="DIR",
    help="Folder of the run, or a URL such as s3://BUCKET/RUN.",
)
@plugin_option
@trust_option
def command(samples: tuple[str, ...], reference: str, **options: Any) -> int:
    """Score SAMPLES, files or folders, beside real examples, and write the report.

    Each becomes a row of one report: a folder of images, or a file (npz, npy and what else
    `gengauge list datasets` reads), found by its ending or with its prefix, npz:PATH; options
    follow in brackets. What is killed goes on from the last block it has read.
    """
    from gengauge.session import open_store, use_threads

    use_threads(options["threads"])
    registry = open_registry(options["plugins"])

    from gengauge.options import settings_of
    from gengauge.scoring import open_scoring
    from gengauge.tracking import Tracking

    Tracking.listen(options["track"], registry)

    chosen = [c for c in options["controls"].split(",") if c.strip() not in ("", _NO_CONTROLS)]
    scoring = open_scoring(
        samples, reference, open_store(options["output"]), registry=registry,
        names=options["names"], held_out=options["held_out"], device=options["device"],
        suites=tuple(dict.fromkeys(options["suites"])),
        embedders=tuple(dict.fromkeys(options["embedders"])),
        settings=settings_of(options["settings"]), controls=chosen, most=options["most"],
        seed=options["seed"], limit=options["limit"], fresh=options["fresh"],
        command=_again(samples, reference, options),
    )  # fmt: skip
    for reason in scoring.unready:
        click.echo(f"warning: {reason}", err=True)
    if options["dry_run"]:
        write_rows(scoring.planned(), "table")
        return 0
    records = _execute(scoring)
    from gengauge.cli.run import failures, write_reports

    write_reports(registry, scoring.store)
    return failures(records, options["fail_on_error"], len(scoring.planned()))


def _execute(scoring: Scoring) -> list[dict[str, Any]]:
    from gengauge.progress import progress

    try:
        with progress() as listener:
            records = scoring.execute(listener)
    except KeyboardInterrupt:
        click.echo(
            f"what was finished is kept in {scoring.store.address}; "
            "the same command goes on from there", err=True,
        )  # fmt: skip
        raise
    for note in dict.fromkeys(scoring.notes):
        click.echo(f"note: {note}", err=True)
    return records


def _again(samples: tuple[str, ...], reference: str, options: dict[str, Any]) -> str:
    """Return the command that scores the same samples again."""
    words = ["gengauge", "score", *samples, "--reference", reference]
    for flag in ("suites", "embedders", "names", "settings", "plugins"):
        word = "set" if flag == "settings" else flag.removesuffix("s")
        words += [w for value in options[flag] for w in (f"--{word}", value)]
    for flag, usual in (("controls", "real,noise"), ("seed", 0), ("limit", None),
                        ("held_out", None), ("threads", 1)):  # fmt: skip
        if options[flag] != usual:
            words += [f"--{flag.replace('_', '-')}", str(options[flag])]
    words += ["--samples", str(options["most"])] if options["most"] != 10_000 else []
    return shlex.join(words)
