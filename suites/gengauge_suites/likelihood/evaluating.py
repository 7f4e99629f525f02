"""Asking a model for one number an example: in batches, checked, in float64 on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gengauge.evidence import Evidence

BATCH = 2000  # examples at a time


def evaluate(function: Callable[..., Tensor], x: Tensor, *beside: Tensor) -> Tensor:
    """Return ``function`` of ``x`` ``[n, *event]``, batch by batch, as float64 ``[n]``.

    What is known ``beside`` each example, such as labels ``[n]``, goes with it.
    """
    name = getattr(function, "__name__", "the model")
    with torch.no_grad():
        parts = [
            of_shape(function(*part), (len(part[0]),), name)
            for part in zip(*(torch.split(v, BATCH) for v in (x, *beside)), strict=True)
        ]
    return torch.cat(parts)


def of_shape(values: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    """Return ``values`` as float64 on the CPU; a wrong shape would broadcast without a word."""
    if tuple(values.shape) != shape:
        raise ValueError(f"{name} returned shape {list(values.shape)}, expected {list(shape)}")
    return values.detach().to("cpu", torch.float64)


def held_out(evidence: Evidence, n: int | None = None) -> Tensor:
    """Return the test examples on the run's device: all, or ``n`` drawn at random, once each.

    The draw is the same for every model: their values are then paired.
    """
    x = evidence.dataset.test.x
    if n is not None and n < len(x):
        x = x[torch.randperm(len(x), generator=evidence.generator("held out"))[:n]]
    return x.to(evidence.device)


def summed(values: Tensor) -> Tensor:
    """Return ``values`` ``[n, *event]`` summed over the event, float64 ``[n]``."""
    return values.to(torch.float64).flatten(1).sum(1)
