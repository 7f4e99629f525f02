"""How listings are written: a table for people, JSON or CSV for programs, always on stdout."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from gengauge.admission import ALLOW, DENY

F = TypeVar("F", bound=Callable[..., Any])


class Names(click.Choice[str]):
    """A choice whose error names the nearest allowed value."""

    def __init__(self, kind: str, names: Sequence[str]) -> None:
        super().__init__(list(names))
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return ``value`` if it is allowed."""
        if value not in self.choices:
            from gengauge.errors import unknown

            raise unknown(self.kind, str(value), self.choices)
        return str(value)


class Verbs(click.Group):
    """A group whose error names the nearest verb."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command for ``args``, or fail with the nearest verb."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            from gengauge.errors import unknown

            known = [f"{self.name} {c}" for c in self.commands]
            raise unknown("command", f"{self.name} {args[0]}", known)
        return super().resolve_command(ctx, args)


def format_option(command: F) -> F:
    """Add ``--format table|json|csv``."""
    return click.option(
        "--format", "format_", type=Names("format", ["table", "json", "csv"]), default="table",
        help="How to write the listing.",
    )(command)  # fmt: skip


def admission_options(command: F) -> F:
    """Add the lists of what may be imported at all."""
    for flag, variable, what in (
        ("--deny-plugins", DENY, "Never import plugins"),
        ("--allow-plugins", ALLOW, "Import no plugins of others but those"),
    ):
        command = click.option(
            flag, metavar="PATTERN,...", envvar=variable, expose_value=False, callback=_listed,
            help=f"{what} that match, by name or distribution, such as 'acme-*'.",
        )(command)  # fmt: skip
    return command


def plugin_option(command: F) -> F:
    """Add ``--plugin MODULE``, repeatable, and the lists of what may be imported at all."""
    return click.option(
        "--plugin", "plugins", multiple=True, metavar="MODULE",
        help="Also load this plugin module; repeatable.",
    )(admission_options(command))  # fmt: skip


def trust_option(command: F) -> F:
    """Add ``--trust``: pickles of others are read."""
    return click.option(
        "--trust", is_flag=True, envvar="GENGAUGE_TRUST", expose_value=False, callback=_trust,
        help="Read pickles and programs in files of weights: you know who made them.",
    )(command)  # fmt: skip


def _trust(ctx: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        from gengauge.trust import go_trusting

        go_trusting()


def _listed(ctx: click.Context, option: click.Parameter, patterns: str | None) -> None:
    """Tell the registry, and every process that is started from here, before anything loads."""
    if patterns and isinstance(option.envvar, str):
        os.environ[option.envvar] = patterns


def open_registry(plugins: Sequence[str], whole: bool = True) -> Any:
    """Return the registry with ``--plugin`` modules, as ``session.open_registry`` does."""
    from gengauge import session

    return session.open_registry(plugins, whole)


def write_rows(rows: Sequence[dict[str, Any]], format_: str) -> None:
    """Write ``rows``, all with the same keys, to stdout."""
    if format_ == "json":
        click.echo(json.dumps(list(rows), indent=2, allow_nan=False))
    elif format_ == "csv":
        click.echo(_csv(rows), nl=False)
    else:
        _table(rows)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: cell(v) for k, v in row.items()} for row in rows)
    return text.getvalue()


def cell(value: Any) -> str:
    """Return a value as a reader wants it: lists joined, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def console(stderr: bool = False) -> Any:
    """Return a rich console that never cuts a column when its output is not a terminal."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = 200
    return made


def _table(rows: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, name in enumerate(rows[0]):
        table.add_column(name, overflow="fold", no_wrap=i == 0)
    for row in rows:
        table.add_row(*(Text(cell(v)) for v in row.values()))
    console().print(table)
