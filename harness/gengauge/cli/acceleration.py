"""How ``gengauge run`` trains: precision, accumulation, and the processes that share a training."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from gengauge.errors import UsageError

_LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a model is trained."""
    for option in (
        click.option(
            "--gpus", type=click.IntRange(min=1), metavar="N", help="GPUs that train one model "
            "together; each takes its part of every batch.  [default: 1]",
        ),
        click.option(
            "--gradient-accumulation", type=click.IntRange(min=1), default=1, metavar="N",
            help="Batches whose mean gradient makes one step.  [default: 1]",
        ),
        click.option(
            "--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True,
            help="Of training; samples and scores are always made in fp32.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def launched() -> tuple[int, int]:
    """Return this process' number and how many ``accelerate launch`` or ``torchrun`` have started.

    The first of them runs the benchmark and starts others of its own for each training, as with
    ``--gpus``; so nothing of this is left in the environment. ``UsageError`` for several machines.
    """
    told = {name: os.environ.pop(name, "") for name in _LAUNCHED}
    count, here = int(told["WORLD_SIZE"] or 1), int(told["LOCAL_WORLD_SIZE"] or 0)
    if here and here != count:
        raise UsageError(
            f"{count} processes on several machines were launched, {here} of them here; one model "
            "is trained on one machine: launch on one, or give trials to several by --executor"
        )
    return int(told["RANK"] or 0), count
