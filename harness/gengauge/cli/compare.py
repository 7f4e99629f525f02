"""``gengauge compare``: a candidate run tested against its baseline."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gengauge.cli.output import Names, console

if TYPE_CHECKING:
    from gengauge.gate.verdict import Comparison

_PATH = click.Path(path_type=Path)


@click.command("compare")
@click.argument("baseline")
@click.argument("candidate")
@click.option(
    "--gate", "gates", multiple=True, metavar="METRIC:TOLERANCE",
    help="Test this metric, and allow it to lose so much: fd:5%, bits_per_dim:0.02, 'recall*:10%'; "
    "repeatable. Default: the benchmark's own gates, else every metric with no tolerance.",
)  # fmt: skip
@click.option(
    "--alpha", type=click.FloatRange(0, 0.5, min_open=True), default=0.05, show_default=True,
    help="Probability of a false alarm over the whole table.",
)  # fmt: skip
@click.option(
    "--missing", type=Names("choice", ["fail", "skip"]), default="fail", show_default=True,
    help="What becomes of models and metrics that only the baseline has.",
)  # fmt: skip
@click.option("--format", "format_", type=Names("format", ["table", "json", "md"]), default="table",
              help="What to print.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Show what is within tolerance too.")
@click.option("--junit", type=_PATH, metavar="FILE", help="Also write JUnit XML.")
@click.option("--markdown", type=_PATH, metavar="FILE", help="Also write GitHub Markdown.")
@click.option(
    "--github-summary", is_flag=True, help="Also append Markdown to $GITHUB_STEP_SUMMARY."
)
def command(
    baseline: str, candidate: str, gates: tuple[str, ...], alpha: float, missing: str,
    format_: str, every: bool, junit: Path | None, markdown: Path | None, github_summary: bool,
) -> int:  # fmt: skip
    """Test CANDIDATE against BASELINE, each a run, a records file or a baseline file.

    \b
    Exit codes: 0 nothing was lost, 1 a gate was missed, 3 trials failed,
    4 the baseline is missing or was measured by another protocol.
    """
    from gengauge.gate.formats import to_json, to_junit, to_markdown
    from gengauge.gate.sides import open_side
    from gengauge.gate.tolerance import Gates
    from gengauge.gate.verdict import compare

    before, now = open_side(baseline, baseline=True), open_side(candidate)
    chosen = Gates.parse(gates, {} if gates else {**before.gates, **now.gates})
    found = compare(before, now, chosen, alpha, missing)
    write(junit, to_junit(found))
    write(markdown, to_markdown(found).encode())
    if github_summary:
        _summarise(to_markdown(found))
    if format_ == "json":
        click.echo(to_json(found), nl=False)
    elif format_ == "md":
        click.echo(to_markdown(found), nl=False)
    else:
        _print(found, every)
    return found.exit_code


def write(path: Path | None, content: bytes) -> None:
    """Write a file and say so on stderr; `UsageError` where that cannot be done."""
    from gengauge.errors import UsageError

    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror}") from None
    click.echo(f"wrote {path}", err=True)


def _summarise(text: str) -> None:
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        click.echo("note: no $GITHUB_STEP_SUMMARY here; the summary was not written", err=True)
        return
    with Path(target).open("a", encoding="utf-8") as file:
        file.write(text)


_COLOURS = {"better": "green", "ok": "dim", "skipped": "dim", "new": "dim", "not gated": "dim"}


def _print(found: Comparison, every: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from gengauge.gate.shown import HEADINGS, NUMERIC, headline, lines, method

    rows = lines(found, every)
    if rows:
        table: Any = Table(box=None, pad_edge=False, header_style="bold")
        for heading in HEADINGS:
            right = heading in NUMERIC
            table.add_column(
                heading, justify="right" if right else "left", no_wrap=right, overflow="fold"
            )
        for line in rows:
            style = "red" if line.fails else _COLOURS.get(line.status, "")
            table.add_row(*(Text(cell) for cell in line.cells), style=style)
        console().print(table)
        for line in (line for line in rows if line.reason):
            click.echo(f"{' '.join(line.cells[:3])}: {line.reason}")
        click.echo()
    click.echo(headline(found))
    click.echo(method(found))
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    sys.stdout.flush()
