"""Planar densities in closed form; each one is a ``gengauge.data.Truth``.

They are normalised exactly, so that a model's likelihood can be held against the true entropy.
All arithmetic is float64; points are handed out as float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_LOG_2PI = math.log(2 * math.pi)
_BLOCK = 1 << 14  # points at a time: keeps the [n, components] table in the cache


@dataclass(frozen=True, eq=False)
class Mixture:
    """Equally likely round Gaussians with ``means`` ``[k, 2]`` and ``scales`` ``[k]``."""

    means: Tensor
    scales: Tensor
    entropy: float
    classes: int = 1  # equal runs of neighbouring components

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of ``x`` ``[n, 2]`` in nats, ``[n]``, float64."""
        x = x.to("cpu", torch.float64)
        return torch.cat([self._log_prob(part) for part in torch.split(x, _BLOCK)])

    def _log_prob(self, x: Tensor) -> Tensor:
        squared = ((x[:, None] - self.means) ** 2).sum(-1)
        parts = -squared / (2 * self.scales**2) - 2 * self.scales.log() - _LOG_2PI
        return parts.logsumexp(1) - math.log(len(self.means))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` points ``[n, 2]``, float32."""
        return self.labelled(n, generator)[0]

    def labelled(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return ``n`` points ``[n, 2]``, float32, and the class that each came from ``[n]``."""
        which = torch.randint(len(self.means), (n,), generator=generator)
        noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        x = (self.means[which] + self.scales[which, None] * noise).float()
        return x, which // (len(self.means) // self.classes)


@dataclass(frozen=True, eq=False)
class SeparateModes(Mixture):
    """A mixture whose components lie so far apart that each is a mode: a ``Modal`` truth."""

    @property
    def centres(self) -> Tensor:
        """Means of the modes ``[k, 2]``."""
        return self.means

    @property
    def deviations(self) -> Tensor:
        """Standard deviations of the modes ``[k]``."""
        return self.scales


@dataclass(frozen=True)
class Checkerboard:
    """Uniform on every second square of a 4 x 4 board over ``[-4, 4)``; density 1/32 or 0."""

    entropy: float = math.log(32)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return ``-log 32`` inside and ``-inf`` outside for ``x`` ``[n, 2]``; ``[n]``, float64."""
        cell = (x.to("cpu", torch.float64) / 2).floor()
        inside = ((cell >= -2) & (cell < 2)).all(1) & (cell.sum(1) % 2 == 0)
        density = inside.to(torch.float64) * math.exp(-self.entropy)
        return density.log()

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` points ``[n, 2]``, float32."""
        column = torch.randint(4, (n,), generator=generator)
        row = 2 * torch.randint(2, (n,), generator=generator) + column % 2
        corner = 2.0 * torch.stack([column, row], 1) - 4
        # A multiple of 2^-20 is exact in float32, so no point is rounded out of its square.
        steps = torch.randint(1 << 21, (n, 2), generator=generator)
        return (corner + steps / (1 << 20)).float()


@dataclass(frozen=True, eq=False)
class Rings:
    """Concentric rings: a uniform angle, and a radius ``|N(radius, scale)|`` about a random ring.

    The density is ``f(r) / (2 pi r)`` with f the mixture of folded normal densities, which need
    no truncation constant.
    """

    radii: Tensor
    weights: Tensor
    scale: float
    entropy: float

    def log_radius_density(self, r: Tensor) -> Tensor:
        """Return log f(r) in nats ``[n]`` of radii ``[n]``."""
        signed = torch.stack([r, -r], -1)[:, :, None] - self.radii
        parts = -0.5 * (signed / self.scale) ** 2 + self.weights.log()
        return parts.flatten(1).logsumexp(1) - math.log(self.scale) - 0.5 * _LOG_2PI

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of ``x`` ``[n, 2]`` in nats, ``[n]``, float64."""
        r: Tensor = torch.linalg.vector_norm(x.to("cpu", torch.float64), dim=1).clamp_min(1e-30)
        return self.log_radius_density(r) - r.log() - _LOG_2PI

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` points ``[n, 2]``, float32."""
        return self.labelled(n, generator)[0]

    def labelled(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return ``n`` points ``[n, 2]``, float32, and the ring that each came from ``[n]``."""
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, generator=generator, dtype=torch.float64)
        r = (self.radii[which] + self.scale * noise).abs()
        angle = 2 * math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
        return (r[:, None] * torch.stack([angle.cos(), angle.sin()], 1)).float(), which
