"""Random numbers from one explicit generator, wherever the model lives."""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.errors import UnsupportedError
from gengauge.model import Condition


def normal(
    shape: tuple[int, ...],
    generator: torch.Generator,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return standard normal draws on ``device``, made where ``generator`` lives."""
    return torch.randn(shape, generator=generator, device=generator.device, dtype=dtype).to(device)


def uniform(
    shape: tuple[int, ...],
    generator: torch.Generator,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return draws from [0, 1) on ``device``, made where ``generator`` lives."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=dtype).to(device)


def whole(shape: tuple[int, ...], high: int, generator: torch.Generator) -> Tensor:
    """Return integers drawn from ``0 .. high - 1``, int64, on the CPU."""
    return torch.randint(high, shape, generator=generator, device=generator.device).cpu()


def refuse_condition(condition: Condition | None, model: str) -> None:
    """Raise ``UnsupportedError`` when an unconditional ``model`` is given a condition."""
    if condition is not None:
        raise UnsupportedError(
            f"{model} is unconditional and cannot sample for a condition; pass condition=None"
        )


def below_one(y: Tensor) -> Tensor:
    """Clamp ``y`` into ``[0, 1)``, the range of dequantised levelled data.

    Samples outside the data's range would be judged for what no viewer ever sees.

    >>> below_one(torch.tensor([-0.5, 0.25, 1.0])).lt(1).all()
    tensor(True)
    """
    return y.clamp(0.0, 1.0 - torch.finfo(y.dtype).eps)
