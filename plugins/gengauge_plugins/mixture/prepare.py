"""From a dataset to the standardised float64 values that EM runs on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, dequantise, seeds
from gengauge_plugins.mixture.subspace import Subspace

_NEVER_VARIES = 1e-9  # the deviation, of its size, that a value is taken to have at least


@dataclass(frozen=True)
class Prepared:
    """Data as EM takes it, on its device.

    Attributes:
        z: Standardised training data ``[n * copies, q]``, one copy after the other.
        held_out: Validation data ``[m * copies, q]`` in the same units; there may be none.
        subspace: What ``q`` coordinates are kept of each example; None: all values.
        shift: What was subtracted from each coordinate ``[q]``.
        scale: What it was then divided by ``[q]``.
        offsets: Mean of log p(x) - log p(z) over training and held-out data, in nats.
    """

    z: Tensor
    held_out: Tensor
    subspace: Subspace | None
    shift: Tensor
    scale: Tensor
    offsets: tuple[float, float]


def prepare(data: Dataset, copies: int, size: int, run: FitRun, device: torch.device) -> Prepared:
    """Return ``data`` in coordinates of mean 0 and deviation 1, ``size`` of them (0: all)."""
    noise = run.generator("dequantise")
    x, held_out = (
        copied(split.x, data.levels, copies, noise).to(device)
        for split in (data.train, data.validation)
    )
    subspace, rests = None, (0.0, 0.0)
    size = min(size, len(x))  # no more axes than examples
    if 0 < size < x.shape[1]:
        seed = seeds.named_seed(run.seed, "axes") % 2**32
        subspace = Subspace.fitted(x, held_out if len(held_out) else x, size, seed)
        (x, rest), (held_out, other) = subspace.split(x), subspace.split(held_out)
        rests = float(rest.mean()), float(other.mean()) if len(other) else 0.0
    shift = x.mean(0)
    size_of = x.abs().amax(0).clamp_min(1)
    scale = torch.maximum(x.std(0, correction=0), _NEVER_VARIES * size_of)
    jacobian = float(scale.log().sum())
    offsets = (rests[0] - jacobian, rests[1] - jacobian)
    z, other = (x - shift).div_(scale), (held_out - shift).div_(scale)
    return Prepared(z, other, subspace, shift, scale, offsets)


def copied(x: Tensor, levels: int | None, copies: int, noise: torch.Generator) -> Tensor:
    """Return flat float64 values ``[n * copies, d]`` of ``x``, levels dequantised with fresh noise.

    Continuous data is taken once, and not copied if it is float64 already.
    """
    if levels is None:
        return x.flatten(1).double()
    return torch.cat([dequantise(x, levels, noise).flatten(1) for _ in range(copies)])
