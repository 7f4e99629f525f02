"""Observation models p(x | h) of decoders: what a network's outputs mean as a distribution."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.networks.drawing import normal, uniform


class Decoder(Protocol):
    """A distribution over flat examples ``[n, d]`` given raw outputs ``h`` ``[..., n, 2 d]``."""

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


class DiscretisedLogistic(nn.Module):
    """Logistic noise integrated over each level's bin: an exact mass on ``0 .. levels - 1``.

    The edge bins take the tails, so the levels' probabilities sum to one at any location.

    References:
        | Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016)
        | https://arxiv.org/abs/1606.04934

    Example:
        >>> decoder, h = DiscretisedLogistic(17), torch.tensor([[0.3, -1.0]])
        >>> every = torch.arange(17).view(17, 1)
        >>> round(float(decoder.log_likelihood(every, h.expand(17, 2)).exp().sum()), 5)
        1.0
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def inputs(self, x: Tensor) -> Tensor:
        """Return levels ``x`` scaled to ``[-1, 1]``, float32."""
        return x.to(torch.float32) * (2.0 / (self.levels - 1)) - 1.0

    def _location_scale(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the location in levels, free to leave the range, and the inverse scale."""
        location, log_scale = h.chunk(2, dim=-1)
        half = (self.levels - 1) / 2
        # a scale far under one level is a certainty already; the bound keeps gradients finite
        inverse = torch.exp(-log_scale.clamp(-5.0, 5.0)) / (half / 4)
        return (location + 1.0) * half, inverse

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """Return log P(x | h) in nats ``[..., n, d]`` of levels ``x`` ``[n, d]``.

        With a, b the bin's edges, sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - e^(b - a)):
        three logarithms that are accurate however far out the bin lies.
        """
        location, inverse = self._location_scale(h)
        centred = x.to(h.dtype) - location
        upper = F.logsigmoid((centred + 0.5) * inverse)
        lower = F.logsigmoid((0.5 - centred) * inverse)
        gap = torch.log(-torch.expm1(-inverse))
        first, last = x == 0, x == self.levels - 1
        zero = torch.zeros((), dtype=h.dtype, device=h.device)
        gap = torch.where(first | last, zero, gap)
        return torch.where(last, zero, upper) + torch.where(first, zero, lower) + gap

    def _to_levels(self, value: Tensor) -> Tensor:
        dtype = torch.uint8 if self.levels <= 256 else torch.int64
        return value.round().clamp(0, self.levels - 1).to(dtype)

    def _expected(self, h: Tensor) -> Tensor:
        """Return E[x | h] = sum over j of P(x >= j), in levels.

        The location itself is no mean: it may lie far outside the range, with a wide scale.
        """
        location, inverse = self._location_scale(h)
        expected = torch.zeros_like(location)
        for level in range(1, self.levels):  # one by one: all at once is levels times the memory
            expected = expected + torch.sigmoid((location - level + 0.5) * inverse)
        return expected

    def mean(self, h: Tensor) -> Tensor:
        """Return the level nearest to the expected one."""
        return self._to_levels(self._expected(h))

    def centre(self, h: Tensor) -> Tensor:
        """Return the centre of the expected level's bin, 0 to 1."""
        return (self._expected(h) + 0.5) / self.levels

    def sample(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """Return levels drawn from P(x | h)."""
        location, inverse = self._location_scale(h)
        u = uniform(tuple(location.shape), generator, h.device).clamp(1e-7, 1 - 1e-7)
        return self._to_levels(location + torch.logit(u) / inverse)


class Gaussian(nn.Module):
    """A normal with learned mean and variance of each value, around standardised data.

    ``shift`` and ``scale`` ``[d]`` are the training data's mean and standard deviation.
    """

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
