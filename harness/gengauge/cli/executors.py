"""``--executor``: what runs the trials, by name and with its own parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gengauge.errors import UsageError

if TYPE_CHECKING:
    from gengauge.executor import ExecutorChoice

F = TypeVar("F", bound=Callable[..., Any])
_CHOICE = re.compile(r"\s*([^\[\]]+?)\s*(?:\[(.*)\])?\s*", re.DOTALL)


def executor_options(command: F) -> F:
    """Add ``--executor ID[k=v]`` and ``--address``."""
    command = click.option(
        "--executor", default="local", show_default=True, metavar="'ID[k=v,...]'",
        help="What runs the trials: local, ray, slurm or a plugin's (gengauge list executors).",
    )(command)  # fmt: skip
    return click.option(
        "--address", metavar="ray://HOST:PORT", help="A Ray cluster that is there already."
    )(command)


def choose_executor(registry: Any, options: dict[str, Any]) -> ExecutorChoice:
    """Return what ``--executor`` and ``--address`` name; ``UsageError`` if it cannot be used."""
    from gengauge.executor import ExecutorChoice

    text, address = options["executor"], options["address"]
    id_, given = read_executor(text)
    spec = registry.find("executors", id_)
    if address:
        if "address" not in {p.name for p in spec.parameters}:
            raise UsageError(f"--address goes with an executor that takes one, not with '{id_}'")
        given["address"] = address
    parameters = spec.resolve(given)
    if spec.lacks:
        raise UsageError(f"executor '{id_}' {spec.lacks}")
    if spec.elsewhere and options["no_isolate"]:
        raise UsageError(f"--no-isolate runs trials in this process, and '{id_}' elsewhere")
    return ExecutorChoice(spec, parameters)


def read_executor(text: str) -> tuple[str, dict[str, str]]:
    """Read ``slurm[partition=gpu,time=60]``; a part without ``=`` goes on with the one before.

    >>> read_executor("slurm[options=nodelist:a,b,time=60]")
    ('slurm', {'options': 'nodelist:a,b', 'time': '60'})
    """
    match = _CHOICE.fullmatch(text)
    if match is None:
        raise UsageError(f"--executor '{text}' is not understood; write ID or 'ID[name=value,...]'")
    given: dict[str, str] = {}
    key = ""
    for part in (match[2] or "").split(",") if match[2] else ():
        name, equals, value = part.partition("=")
        if not equals and not key:
            raise UsageError(f"--executor '{text}': '{part}' needs a parameter name before it")
        if equals and name.strip() in given:
            raise UsageError(f"--executor '{text}': parameter '{name.strip()}' is given twice")
        key = name.strip() if equals else key
        given[key] = value.strip() if equals else f"{given[key]},{part.strip()}"
    return match[1], given
