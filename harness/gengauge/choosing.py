"""What a run's options choose: an executor, checkpoints, and how many processes train a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gengauge.budget import Budget
from gengauge.errors import UsageError
from gengauge.executor import ExecutorChoice, ExecutorSpec

if TYPE_CHECKING:
    import torch

    from gengauge.options import Options
    from gengauge.registry import Registry

_CHOICE = re.compile(r"\s*([^\[\]]+?)\s*(?:\[(.*)\])?\s*", re.DOTALL)


def checkpoints(text: str) -> Budget:
    """Read how often checkpoints are written: a time or steps."""
    try:
        every = Budget.parse(text)
    except UsageError:
        every = None
    if every is None or every.unit not in ("seconds", "steps"):
        raise UsageError(
            f"--checkpoint-every '{text}' is not understood; write a time or steps, such as 30s "
            "or 500steps"
        )
    return every


def choose_executor(registry: Registry, options: Options) -> ExecutorChoice:
    """Return what ``--executor`` and ``--address`` name; ``UsageError`` if it cannot be used."""
    id_, given = read_choice(options.executor, "--executor")
    spec = registry.find("executors", id_)
    assert isinstance(spec, ExecutorSpec)
    if options.address:
        if "address" not in {p.name for p in spec.parameters}:
            raise UsageError(f"--address goes with an executor that takes one, not with '{id_}'")
        given["address"] = options.address
    parameters = spec.resolve(given)
    if spec.lacks:
        raise UsageError(f"executor '{id_}' {spec.lacks}")
    if spec.elsewhere and options.no_isolate:
        raise UsageError(f"--no-isolate runs trials in this process, and '{id_}' elsewhere")
    return ExecutorChoice(spec, parameters)


def read_choice(text: str, flag: str) -> tuple[str, dict[str, str]]:
    """Read ``slurm[partition=gpu,time=60]``; a part without ``=`` goes on with the one before.

    >>> read_choice("slurm[options=nodelist:a,b,time=60]", "--executor")
    ('slurm', {'options': 'nodelist:a,b', 'time': '60'})
    """
    match = _CHOICE.fullmatch(text)
    if match is None:
        raise UsageError(f"{flag} '{text}' is not understood; write ID or 'ID[name=value,...]'")
    given: dict[str, str] = {}
    key = ""
    for part in (match[2] or "").split(",") if match[2] else ():
        name, equals, value = part.partition("=")
        if not equals and not key:
            raise UsageError(f"{flag} '{text}': '{part}' needs a parameter name before it")
        if equals and name.strip() in given:
            raise UsageError(f"{flag} '{text}': parameter '{name.strip()}' is given twice")
        key = name.strip() if equals else key
        given[key] = value.strip() if equals else f"{given[key]},{part.strip()}"
    return match[1], given


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
