"""The reference of the command line, out of the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

import click

from gengauge.cli import VERBS, cli

_TAKEN = {"integer": "N", "integer range": "N", "float range": "SHARE", "path": "FILE"}


def commands() -> str:
    """Return a section for each verb: usage, what it does, its options."""
    root = click.Context(cli, info_name="gengauge", auto_envvar_prefix="GENGAUGE")
    return "\n".join(part for verb in VERBS for part in _verb(verb, root))


def _verb(verb: str, root: click.Context) -> Iterable[str]:
    command = cli.get_command(root, verb)
    assert command is not None
    yield f"## {verb}\n"
    yield from _command(command, click.Context(command, parent=root, info_name=verb))


def _command(command: click.Command, context: click.Context) -> Iterable[str]:
    """Yield usage, what it does and its options; of a group, those of what is in it."""
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {usage}\n```\n"
    yield _prose(command.help or VERBS[str(context.info_name)]) + "\n"
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    if options:
        yield "| option | what it does |\n| :--- | :--- |"
        yield from (_option(option, context) for option in options)
        yield ""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield f"### {context.info_name} {name}\n"
            yield from _command(inner, click.Context(inner, parent=context, info_name=name))


def _prose(text: str) -> str:
    r"""Return a help text's paragraphs; those after ``\b`` keep their lines."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    kept = [f"```text\n{p[2:].strip()}\n```" if p.startswith("\b\n") else p for p in paragraphs]
    return "\n\n".join(kept)


def _option(option: click.Option, context: click.Context) -> str:
    names = [n for n in (*option.opts, *option.secondary_opts) if n.startswith("-")]
    takes = "" if option.is_flag else f" {_takes(option, context)}"
    text = " ".join((option.help or "").split())
    default = option.get_default(context, call=False)
    stated = "default" in text.lower()
    if option.show_default and not stated and not option.is_flag and default not in (None, ()):
        text += f" Default: {default}."
    flags = "<br>".join(f"`{name}{takes}`" for name in names)
    return f"| {flags} | {_cell(text)}<br><small>{variable(option, context)}</small> |"


def variable(option: click.Option, context: click.Context) -> str:
    """Return the environment variable that an option is read from."""
    if isinstance(option.envvar, str):
        return option.envvar
    return f"{context.auto_envvar_prefix}_{option.name}".upper()


def _takes(option: click.Option, context: click.Context) -> str:
    return option.metavar or _TAKEN.get(option.type.name) or option.make_metavar(context)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
