"""Observation models p(x | h) of decoders: what a network's outputs mean as a distribution."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn

from gengauge_plugins.networks.drawing import normal
from gengauge_plugins.networks.logistic import Bernoulli, DiscretisedLogistic, LogisticMixture

_FINE = 64  # levels from which on a pixel may have several likely ones
_PARTS = 3  # components of the mixture there


class Decoder(Protocol):
    """A distribution over flat examples ``[n, d]`` given ``h`` ``[..., n, outputs * d]``."""

    outputs: int

    def inputs(self, x: Tensor) -> Tensor:
        """Return ``x`` as floats of order one, to feed a network."""
        ...

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """Return log p(x | h) of each value in nats ``[..., n, d]``."""
        ...

    def mean(self, h: Tensor) -> Tensor:
        """Return the mean of p(x | h), in the data's units and range."""
        ...

    def centre(self, h: Tensor) -> Tensor:
        """Return the mean as floats, differentiable; 0 to 1 on levelled data."""
        ...

    def sample(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """Return a draw from p(x | h), in the data's units and range."""
        ...


class Gaussian(nn.Module):
    """A normal with learned mean and variance of each value, around standardised data.

    ``shift`` and ``scale`` ``[d]`` are the training data's mean and standard deviation.
    """

    outputs = 2
    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        # cloned: two buffers over one tensor would overwrite each other when loaded
        self.register_buffer("shift", shift.to(torch.float32).clone())
        self.register_buffer("scale", scale.to(torch.float32).clone())

    def inputs(self, x: Tensor) -> Tensor:
        """Return ``x`` standardised, float32."""
        return (x.to(torch.float32) - self.shift) / self.scale

    def _location_scale(self, h: Tensor) -> tuple[Tensor, Tensor]:
        location, log_scale = h.chunk(2, dim=-1)
        return location, log_scale.clamp(-7.0, 3.0)

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """Return log p(x | h) in nats ``[..., n, d]``, in the data's own units."""
        location, log_scale = self._location_scale(h)
        z = (self.inputs(x) - location) * torch.exp(-log_scale)
        return -0.5 * z**2 - log_scale - 0.5 * math.log(2 * math.pi) - torch.log(self.scale)

    def mean(self, h: Tensor) -> Tensor:
        """Return the mean in the data's own units."""
        return self._location_scale(h)[0] * self.scale + self.shift

    def centre(self, h: Tensor) -> Tensor:
        """Return the mean in the data's own units."""
        return self.mean(h)

    def sample(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """Return a draw in the data's own units."""
        location, log_scale = self._location_scale(h)
        noise = normal(tuple(location.shape), generator, h.device)
        return (location + torch.exp(log_scale) * noise) * self.scale + self.shift


def mixtures_for(levels: int, asked: int) -> int:
    """Return the logistics a value: ``asked``, or where that is 0 what suits the levels.

    >>> mixtures_for(17, 0), mixtures_for(256, 0), mixtures_for(17, 5)
    (1, 3, 5)
    """
    return asked or (_PARTS if levels > _FINE else 1)


def levelled(levels: int, mixtures: int = 0) -> Bernoulli | DiscretisedLogistic | LogisticMixture:
    """Return the distribution for ``levels``: coins for two, else logistics, ``mixtures`` each."""
    if levels == 2:
        return Bernoulli()
    count = mixtures_for(levels, mixtures)
    return DiscretisedLogistic(levels) if count == 1 else LogisticMixture(levels, count)
