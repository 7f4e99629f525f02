"""``gengauge statistics``: a reference in one small file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gengauge.cli.output import open_registry, plugin_option, trust_option
from gengauge.cli.weights import folder_option, offline_option


@click.command("statistics")
@click.argument("dataset")
@click.option("--embedder", required=True, help="Feature map that distances are to be measured in.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE.safetensors",
    help="File to write.",
)  # fmt: skip
@click.option(
    "--samples",
    "most",
    type=click.IntRange(min=2),
    default=10_000,
    show_default=True,
    help="Most examples whose features are kept, for what compares pairs; moments are of all.",
)
@click.option("--limit", type=click.IntRange(min=4), metavar="N", help="The first N examples only.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:i].")
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads."
)
@offline_option
@folder_option
@plugin_option
@trust_option
def command(dataset: str, output: Path, **options: Any) -> int:
    """Write statistics of DATASET, its name or a path, for `gengauge score --reference FILE`.

    The file says of which data, in which embedder, by hash: nothing else can be scored beside it.
    """
    from gengauge.session import use_threads

    use_threads(options["threads"])
    registry = open_registry(options["plugins"])

    from gengauge.runner import choose_device
    from gengauge.summarising import write_statistics

    found = write_statistics(
        dataset, options["embedder"], output, registry, choose_device(options["device"]),
        most=options["most"], limit=options["limit"],
    )  # fmt: skip
    click.echo(
        f"{output}: {found.n:,} examples of {found.dataset} in {found.embedder}, "
        f"{len(found.mean)} features each", err=True,
    )  # fmt: skip
    return 0
