"""Brings what a model returned into the data's own units, the same way for every model.

And into units that distances can add up, where the data's own differ from column to column.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.data import Dataset, quantise
from gengauge.errors import DivergedError


def in_units(raw: Tensor, n: int, dataset: Dataset) -> tuple[Tensor, float]:
    """Return ``raw`` as ``[n, *event]`` of the data's type, and the share that was clamped.

    Floats of a model of levelled data become the level whose bin holds them. A wrong shape
    raises ``ValueError``, a value that is not finite ``DivergedError``.
    """
    expected = (n, *dataset.event_shape)
    if tuple(raw.shape) != expected:
        raise ValueError(f"sample({n}) returned shape {tuple(raw.shape)}, expected {expected}")
    if raw.is_floating_point() and not bool(torch.isfinite(raw).all()):
        bad = int((~torch.isfinite(raw)).flatten(1).any(1).sum())
        raise DivergedError(f"{bad} of {n} samples hold values that are not finite")
    if dataset.levels is None:
        return raw.to(dataset.train.x.dtype), 0.0
    if raw.is_floating_point():
        outside = (raw < 0) | (raw > 1)
        return quantise(raw.double(), dataset.levels), float(outside.double().mean())
    raw = raw.long()  # in uint8 a 256 to compare with is 0
    outside = (raw < 0) | (raw >= dataset.levels)
    inside = raw.clamp(0, dataset.levels - 1).to(dataset.train.x.dtype)
    return inside, float(outside.double().mean())


def comparable(x: Tensor, dataset: Dataset) -> Tensor:
    """Return ``x`` ``[n, *event]`` as vectors ``[n, d]`` whose values have one unit, float64.

    The columns of a table have units of their own, and a distance would be that of the widest
    alone: each is divided by its standard deviation over the test split, unless it never varies.
    Points and pictures have one unit as they are. The result is on the CPU.
    """
    flat = x.flatten(1).to("cpu", torch.float64)
    if dataset.modality != "table":
        return flat
    real = dataset.test.x.flatten(1).to("cpu", torch.float64)
    spread = real.std(0, correction=0)
    return flat / spread.where(spread > 0, 1.0)
