"""``gengauge report``: finished runs, rendered."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gengauge.cli.output import open_registry, plugin_option

if TYPE_CHECKING:
    from gengauge.specs import ReportSpec
    from gengauge.store import RunStore


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--format", "format_", help="Output format; default: that of the name after -o, or terminal."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path),
    help="File to write; '-' or nothing: stdout (html: report.html in the first run).",
)  # fmt: skip
@plugin_option
def command(
    runs: tuple[str, ...], format_: str | None, output: Path | None, plugins: tuple[str, ...]
) -> None:
    """Render one or several finished runs."""
    from gengauge.rendering import render
    from gengauge.sources import open_source

    registry = open_registry(plugins)
    format_ = format_ or _format_of(output, registry.reports)
    registry.find("reports", format_)
    stores = [open_source(run) for run in runs]
    content = render(registry, format_, stores)
    for store in stores:
        for warning in store.warnings:
            click.echo(f"warning: {warning}", err=True)
    if output is None and format_ == "html":
        _save(stores[0], content)
    elif output is None or str(output) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        _write(output, content)


def _format_of(output: Path | None, reports: Mapping[str, ReportSpec]) -> str:
    """Return the format that a file's name asks for; of several, the one named as it ends."""
    ending = output.suffix if output else ""
    found = [id_ for id_, spec in reports.items() if ending and spec.suffix == ending]
    return next((id_ for id_ in found if ending == f".{id_}"), found[0] if found else "terminal")


def _save(store: RunStore, content: bytes) -> None:
    from gengauge.errors import StorageError, UsageError

    try:
        where = store.save("report.html", content)
    except StorageError as error:
        raise UsageError(f"cannot write report.html ({error}); give -o a file") from None
    click.echo(f"wrote {where}", err=True)


def _write(path: Path, content: bytes) -> None:
    from gengauge.errors import UsageError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror}") from None
    click.echo(f"wrote {path}", err=True)
