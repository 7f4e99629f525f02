"""``--executor`` and ``--track``: what runs the trials, and who else hears of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def executor_options(command: F) -> F:
    """Add ``--executor ID[k=v]`` and ``--address``."""
    command = click.option(
        "--executor", default="local", show_default=True, metavar="'ID[k=v,...]'",
        help="What runs the trials: local, ray, slurm or a plugin's (gengauge list executors).",
    )(command)  # fmt: skip
    return click.option(
        "--address", metavar="ray://HOST:PORT", help="A Ray cluster that is there already."
    )(command)


def track_option(command: F) -> F:
    """Add ``--track ID=PLACE``, repeatable."""
    return click.option(
        "--track", multiple=True, metavar="ID[=PLACE]",
        help="Also send records to mlflow, tensorboard, wandb, trackio or a plugin's tracker "
        "(gengauge list trackers), such as tensorboard=DIR. Repeatable.",
    )(command)  # fmt: skip
