"""``gengauge report``: finished runs, rendered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gengauge.cli.output import open_registry, plugin_option

if TYPE_CHECKING:
    from gengauge.store import RunStore

_PAGES = {"html": "report.html", "atlas": "atlas.html"}  # go into the run where no file is named


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--format", "format_", help="Output format; default: that of the name after -o, or terminal."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path),
    help="File to write; '-' or nothing: stdout (html, atlas: a page in the first run).",
)  # fmt: skip
@plugin_option
def command(
    runs: tuple[str, ...], format_: str | None, output: Path | None, plugins: tuple[str, ...]
) -> None:
    """Render one or several finished runs."""
    from gengauge.rendering import format_of, render
    from gengauge.sources import open_source

    registry = open_registry(plugins)
    format_ = format_ or format_of(output, registry)
    registry.find("reports", format_)
    stores = [open_source(run) for run in runs]
    content = render(registry, format_, stores)
    for store in stores:
        for warning in store.warnings:
            click.echo(f"warning: {warning}", err=True)
    if output is None and format_ in _PAGES:
        _save(stores[0], _PAGES[format_], content)
    elif output is None or str(output) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        _write(output, content)


def _save(store: RunStore, name: str, content: bytes) -> None:
    from gengauge.errors import StorageError, UsageError

    try:
        where = store.save(name, content)
    except StorageError as error:
        raise UsageError(f"cannot write {name} ({error}); give -o a file") from None
    click.echo(f"wrote {where}", err=True)


def _write(path: Path, content: bytes) -> None:
    from gengauge.errors import UsageError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write '{path}': {error.strerror}") from None
    click.echo(f"wrote {path}", err=True)
