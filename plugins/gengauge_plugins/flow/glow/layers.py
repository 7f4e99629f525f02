"""The invertible layers of Glow, each with its exact log-determinant.

References:
    | Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma & Dhariwal, 2018)
    | https://arxiv.org/abs/1807.03039
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.flow.kinds import univariate


class ActNorm(nn.Module):
    """Scale and shift each channel; ``initialise`` makes the first images' channels standard."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Choose shift and scale so that the channels of ``x`` come out standard."""
        spread, mean = torch.std_mean(x, (0, 2, 3), keepdim=True, correction=0)
        self.shift.copy_(-mean)
        self.log_scale.copy_(-spread.clamp_min(1e-3).log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images ``[n, c, h, w]`` and log |det| in nats ``[]``, equal for all."""
        pixels = x.shape[2] * x.shape[3]
        return (x + self.shift) * self.log_scale.exp(), pixels * self.log_scale.sum()

    def inverse(self, y: Tensor) -> Tensor:
        """Return the images that become ``y``."""
        return y * (-self.log_scale).exp() - self.shift


class InvertibleConv(nn.Module):
    """A 1 x 1 convolution by P L (U + diag s), whose determinant is the product of s (eq. 10).

    It starts as a random rotation; P and the signs of s stay as they are then.
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels)).Q
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", diagonal.sign())
        self.lower = nn.Parameter(lower.tril(-1))
        self.upper = nn.Parameter(upper.triu(1))
        self.log_scale = nn.Parameter(diagonal.abs().log())

    def _factors(self) -> tuple[Tensor, Tensor]:
        unit = torch.eye(len(self.sign), dtype=self.lower.dtype, device=self.lower.device)
        scale = torch.diag(self.sign * self.log_scale.exp())
        return self.lower.tril(-1) + unit, self.upper.triu(1) + scale

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images ``[n, c, h, w]`` and log |det| in nats ``[]``, equal for all."""
        lower, upper = self._factors()
        matrix = self.permutation @ lower @ upper
        pixels = x.shape[2] * x.shape[3]
        return F.conv2d(x, matrix[:, :, None, None]), pixels * self.log_scale.sum()

    def inverse(self, y: Tensor) -> Tensor:
        """Return the images that become ``y``: two triangular systems, no inverse of a matrix."""
        lower, upper = self._factors()
        rows = self.permutation.T @ y.transpose(0, 1).flatten(1)
        rows = torch.linalg.solve_triangular(lower, rows, upper=False, unitriangular=True)
        rows = torch.linalg.solve_triangular(upper, rows, upper=True)
        rows = cast(Tensor, rows)
        return rows.view(y.shape[1], y.shape[0], *y.shape[2:]).transpose(0, 1)


class Coupling(nn.Module):
    """Move half of the channels by maps that the others choose through a small network.

    The network has a bias for every place: pictures that are centred have their parts where
    others have them. Its last layer is zero at first, and each map then the identity.
    ``context`` more channels, which stay as they are, are told to it.
    """

    def __init__(
        self, kind: str, shape: tuple[int, int, int], width: int, bins: int, context: int = 0
    ) -> None:
        super().__init__()
        channels, *sides = shape
        self.kept = channels // 2
        self.map, shapes = univariate(kind, bins)
        self.sizes = [int(torch.Size(s).numel()) for s in shapes]
        self.flat = [not s for s in shapes]
        self.first = nn.Conv2d(self.kept + context, width, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(1, width, *sides))
        self.second = nn.Conv2d(width, width, 1)
        self.last = nn.Conv2d(width, (channels - self.kept) * sum(self.sizes), 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def _chosen(self, kept: Tensor, context: Tensor | None) -> Any:
        seen = kept if context is None else torch.cat([kept, context], 1)
        h = F.silu(self.second(F.silu(self.first(seen) + self.place)))
        n, _, *sides = kept.shape
        given = self.last(h).view(n, -1, sum(self.sizes), *sides).movedim(2, -1)
        parts = given.split(self.sizes, -1)
        return self.map(*[
            part.squeeze(-1) if flat else part for part, flat in zip(parts, self.flat, strict=True)
        ])  # fmt: skip

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the images ``[n, c, h, w]`` and log |det| in nats ``[n]``."""
        kept, moved = x[:, : self.kept], x[:, self.kept :]
        moved, log_det = self._chosen(kept, context).call_and_ladj(moved)
        return torch.cat([kept, moved], 1), log_det.flatten(1).sum(1)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the images that become ``y``."""
        kept, moved = y[:, : self.kept], y[:, self.kept :]
        return torch.cat([kept, self._chosen(kept, context).inv(moved)], 1)


class Step(nn.Module):
    """One step of flow: actnorm, invertible 1 x 1 convolution, coupling."""

    def __init__(
        self, kind: str, shape: tuple[int, int, int], width: int, bins: int, context: int = 0
    ) -> None:
        super().__init__()
        self.norm = ActNorm(shape[0])
        self.mix = InvertibleConv(shape[0])
        self.couple = Coupling(kind, shape, width, bins, context)

    def initialise(self, x: Tensor) -> None:
        """Let the actnorm look at the first images ``x``."""
        self.norm.initialise(x)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the images ``[n, c, h, w]`` and log |det| in nats ``[n]``."""
        x, scaled = self.norm(x)
        x, mixed = self.mix(x)
        x, coupled = self.couple(x, context)
        return x, coupled + scaled + mixed

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the images that become ``y``."""
        return self.norm.inverse(self.mix.inverse(self.couple.inverse(y, context)))


def squeeze(x: Tensor) -> Tensor:
    """Return ``[n, 4 c, h / 2, w / 2]`` of images ``[n, c, h, w]``: each 2 x 2 becomes channels."""
    return F.pixel_unshuffle(x, 2)


def unsqueeze(x: Tensor) -> Tensor:
    """Return ``[n, c, h, w]`` of what ``squeeze`` made of it."""
    return F.pixel_shuffle(x, 2)
