"""How ``gengauge run`` trains: precision, accumulation, and the processes that share a training."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gengauge.errors import UsageError

if TYPE_CHECKING:
    import torch

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


def ranks(gpus: int | None, launched: int, device: torch.device, jobs: int | None) -> int:
    """Return how many processes train one model; ``UsageError`` where that cannot be."""
    import torch

    if gpus and launched > 1 and gpus != launched:
        raise UsageError(f"--gpus {gpus}, and {launched} processes were launched; give one of both")
    count = gpus or launched
    if count == 1:
        return 1
    if device.type == "cpu":
        if gpus and launched == 1:
            raise UsageError(
                f"--gpus {gpus}: trials run on the CPU; give --device cuda, or, to train on "
                f"several cores, start by: torchrun --nproc-per-node {gpus} -m gengauge run ..."
            )
    elif device.index is not None:
        raise UsageError(f"--device {device} is one GPU; with --gpus {count} give --device cuda")
    elif (there := torch.cuda.device_count()) < count:
        raise UsageError(f"--gpus {count}: this machine has {there} CUDA device(s)")
    elif jobs and jobs > 1:
        raise UsageError(f"--jobs {jobs}: trials of {count} GPUs each run one at a time")
    return count
