"""``gengauge baseline``: a run, condensed to a file that a repository can hold."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("baseline")
@click.argument("run")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="baseline.json", show_default=True,
    help="File to write; '-': stdout.",
)  # fmt: skip
@click.option(
    "--gate", "gates", multiple=True, metavar="METRIC:TOLERANCE",
    help="Keep this metric with this tolerance, as `gengauge compare` takes it; repeatable.",
)  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Keep every metric, not the headline alone.")
def command(run: str, output: Path, gates: tuple[str, ...], every: bool) -> None:
    """Write what RUN reached as a small JSON file that `gengauge compare` takes.

    It holds one line for each model, data set and metric: the values of all seeds, their errors,
    and block means of single examples, so that later differences are still tested on pairs.
    """
    from gengauge.cli.compare import write
    from gengauge.gate.sides import open_side
    from gengauge.gate.snapshot import snapshot
    from gengauge.gate.tolerance import Gates

    side = open_side(run)
    chosen = Gates.parse(gates, {} if gates else side.gates)
    if side.cells:
        chosen.check((k.metric, k.embedder) for k in side.cells)
    side.gates = {name: str(tolerance) for name, tolerance in chosen.given}
    text = snapshot(side, chosen, every)
    for note in side.notes:
        click.echo(f"note: {note}", err=True)
    if str(output) == "-":
        sys.stdout.write(text)
    else:
        write(output, text.encode())
