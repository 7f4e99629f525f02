"""``gengauge weights``: which published networks are ready on this machine, and fetching them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gengauge.cli.output import Verbs, format_option, open_registry, plugin_option, write_rows
from gengauge.places import go_offline

if TYPE_CHECKING:
    from gengauge.specs import EmbedderSpec, WeightsFile

F = TypeVar("F", bound=Callable[..., Any])
Row = dict[str, Any]


@click.group("weights", cls=Verbs)
def command() -> None:
    """Say which embedders' weights are here, fetch them, or say where they are looked for."""


def folder_option(verb: F) -> F:
    """Add ``--weights-dir DIR``, the folder that is looked at first and fetched to."""
    return click.option(
        "--weights-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="GENGAUGE_WEIGHTS",
        metavar="DIR",
        expose_value=False,
        callback=_use_folder,
        help="Folder of weights, looked at first and fetched to.  [default: the user's cache]",
    )(verb)


def offline_option(verb: F) -> F:
    """Add ``--offline``: the network is never touched."""
    return click.option(
        "--offline",
        is_flag=True,
        envvar="GENGAUGE_OFFLINE",
        expose_value=False,
        callback=_forbid_network,
        help="Never touch the network.",
    )(verb)


def _use_folder(ctx: click.Context, _: click.Parameter, folder: Path | None) -> None:
    if folder is not None and not ctx.resilient_parsing:
        os.environ["GENGAUGE_WEIGHTS"] = str(folder)


def _forbid_network(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        go_offline()


@command.command("status")
@click.argument("embedders", nargs=-1, metavar="[EMBEDDER]...")
@format_option
@folder_option
@plugin_option
def status(embedders: tuple[str, ...], format_: str, plugins: tuple[str, ...]) -> None:
    """List embedders: ready, missing, or a file that is not the published one."""
    rows = [_row(spec, file) for spec, file in _files(_chosen(embedders, plugins))]
    write_rows([_short(row) for row in rows] if format_ == "table" else rows, format_)


@command.command("fetch")
@click.argument("embedders", nargs=-1, metavar="[EMBEDDER]...")
@offline_option
@folder_option
@plugin_option
def fetch(embedders: tuple[str, ...], plugins: tuple[str, ...]) -> int:
    """Download and verify what is missing; without EMBEDDER, everything.

    Prints the path of each file. Exits with 3 when one could not be had.
    """
    from gengauge import weights

    failed = False
    for spec, file in _files(_chosen(embedders, plugins)):
        if file is None:
            continue
        try:
            with _Bar(file) as bar:
                path = weights.fetch(file, bar.update)
            click.echo(path)
        except weights.FetchError as error:
            click.echo(f"error: {spec.id}: {error}", err=True)
            failed = True
    return 3 if failed else 0


@command.command("path")
@click.argument("embedders", nargs=-1, metavar="[EMBEDDER]...")
@format_option
@folder_option
@plugin_option
def path(embedders: tuple[str, ...], format_: str, plugins: tuple[str, ...]) -> None:
    """List where each file is looked for, in order; the first that exists is used."""
    from gengauge import weights

    rows = [
        {"id": spec.id, "path": str(place), "exists": place.is_file()}
        for spec, file in _files(_chosen(embedders, plugins))
        for place in (weights.places(file) if file else ())
    ]
    write_rows(rows, format_)


def _chosen(names: Sequence[str], plugins: Sequence[str]) -> list[EmbedderSpec]:
    registry = open_registry(plugins)
    every = [spec for spec in registry.embedders.values() if not spec.takes_path]
    return [registry.embedder(name) for name in names] or every


def _files(specs: Iterable[EmbedderSpec]) -> Iterable[tuple[EmbedderSpec, WeightsFile | None]]:
    for spec in specs:
        for file in spec.weights or (None,):
            yield spec, file


def _row(spec: EmbedderSpec, file: WeightsFile | None) -> Row:
    from gengauge import weights

    if file is None:
        blank = dict.fromkeys(("file", "path", "size", "sha256", "found", "licence", "url"))
        return {"id": spec.id, "status": "ready", **blank}
    found = weights.find(file)
    state = "missing" if found is None else "wrong" if found.problem else "ready"
    return {
        "id": spec.id, "status": state, "file": file.name,
        "path": str(found.path if found else weights.home() / file.name),
        "size": found.size if found else file.size, "sha256": file.sha256,
        "found": found.sha256 if found else None, "licence": file.licence, "url": file.url,
    }  # fmt: skip


def _short(row: Row) -> Row:
    """Return what fits on a line; ``--format json`` has names, hashes and addresses whole."""
    hashes = {k: row[k] and f"{row[k][:12]}..." for k in ("sha256", "found")}
    size = f"{row['size'] / 1e6:,.1f} MB" if row["size"] else None
    return {"id": row["id"], "status": row["status"], "size": size, **hashes,
            "licence": row["licence"], "path": row["path"]}  # fmt: skip


class _Bar:
    """Shows on a terminal how far a download is; elsewhere one line says that it began."""

    def __init__(self, file: WeightsFile) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        from gengauge.cli.output import console

        self._file = file
        self._rich = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
            console=console(stderr=True), transient=True,
        )  # fmt: skip
        self._task = self._rich.add_task(file.name, total=file.size or None, visible=False)

    def update(self, done: int, total: int) -> None:
        if not self._rich.console.is_terminal and not self._rich.tasks[0].visible:
            click.echo(f"fetching {self._file.name} from {self._file.url}", err=True)
        self._rich.update(self._task, completed=done, total=total or None, visible=True)

    def __enter__(self) -> _Bar:
        if self._rich.console.is_terminal:
            self._rich.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._rich.console.is_terminal:
            self._rich.stop()
