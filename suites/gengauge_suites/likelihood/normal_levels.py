"""The discretised Gaussian: normal noise integrated over each level's bin, exactly."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_normal_mass(x: Tensor, mean: Tensor, deviation: Tensor, levels: int) -> Tensor:
    """Return log P(x) in nats of levels ``x`` when N(mean, deviation^2) is rounded to levels.

    ``mean`` and ``deviation``, in levels, broadcast against ``x``. The edge bins take the tails,
    so that the probabilities sum to one (Ho et al. 2020, eq. 13); the normal's distribution
    function is exact, where reference code approximates it by a tanh.

    >>> every = torch.arange(3)
    >>> log_normal_mass(every, torch.tensor(7.0), torch.tensor(2.0), 3).exp().sum()
    tensor(1., dtype=torch.float64)
    """
    x, mean, deviation = (v.to(torch.float64) for v in (x, mean, deviation))
    below, above = (x - mean - 0.5) / deviation, (x - mean + 0.5) / deviation
    # in the upper tail both distribution functions round to one, so the bin is mirrored
    mirror = below > 0
    low, high = torch.where(mirror, -above, below), torch.where(mirror, -below, above)
    log_low, log_high = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    inner = log_high + torch.log(-torch.expm1((log_low - log_high).clamp_max(-1e-300)))
    first, last = torch.special.log_ndtr(above), torch.special.log_ndtr(-below)
    edges = torch.where(x <= 0, first, torch.where(x >= levels - 1, last, inner))
    return torch.zeros_like(edges) if levels == 1 else edges


def log_normal(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return log N(x; mean, variance) of each value in nats, float64."""
    x, mean, log_variance = (v.to(torch.float64) for v in (x, mean, log_variance))
    squared = (x - mean) ** 2 * torch.exp(-log_variance)
    return -0.5 * (squared + log_variance + math.log(2 * math.pi))
