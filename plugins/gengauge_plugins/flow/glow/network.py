"""A multiscale flow of images: half of the values leave as noise at every scale."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from gengauge_plugins.flow.glow.layers import Step, squeeze, unsqueeze
from gengauge_plugins.flow.kinds import log_normal

_SMALLEST = 7  # a side that is not halved any more


def scales_of(shape: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Return each scale's channels and sides after its squeeze, empty where none is possible.

    >>> scales_of((1, 28, 28)), scales_of((3, 32, 32)), scales_of((1, 7, 8))
    ([(4, 14, 14), (8, 7, 7)], [(12, 16, 16), (24, 8, 8), (48, 4, 4)], [])
    """
    if len(shape) != 3 or min(shape[1:]) < 4:
        return []
    channels, height, width = shape
    found: list[tuple[int, int, int]] = []
    while height % 2 == width % 2 == 0 and (not found or min(height, width) > _SMALLEST):
        channels, height, width = 4 * channels, height // 2, width // 2
        found.append((channels, height, width))
        channels //= 2  # the other half leaves
    return found


class Leave(nn.Module):
    """A Gaussian for values that leave: its mean and deviation from the rest, class and place.

    Written as a map of those values to standard normal noise.
    """

    def __init__(self, shape: tuple[int, int, int], rest: int, classes: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(max(1, classes), 2 * shape[0], *shape[1:]))
        self.look: nn.Conv2d | None = None
        if rest:
            self.look = nn.Conv2d(rest, 2 * shape[0], 3, padding=1)
            nn.init.zeros_(self.look.weight)
            nn.init.zeros_(self.look.bias)  # type: ignore[arg-type]

    def given(self, rest: Tensor | None) -> Tensor | float:
        """Return what the ``rest`` ``[n, c, h, w]`` says of mean and log-deviation."""
        if rest is None or self.look is None:
            return 0.0
        said: Tensor = self.look(rest)
        return said

    def forward(
        self, leaving: Tensor, given: Tensor | float, label: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return noise of the shape of ``leaving`` and log |det| in nats ``[n]``."""
        mean, log_deviation = (self.table[label] + given).chunk(2, 1)
        noise = (leaving - mean) * (-log_deviation).exp()
        return noise, -log_deviation.flatten(1).sum(1).expand(len(leaving))

    def inverse(self, noise: Tensor, given: Tensor | float, label: Tensor) -> Tensor:
        """Return the values that become ``noise``."""
        mean, log_deviation = (self.table[label] + given).chunk(2, 1)
        return noise * log_deviation.exp() + mean


class Scale(nn.Module):
    """One scale: squeeze, steps of flow, and the second half of the channels leaves."""

    def __init__(
        self, shape: tuple[int, int, int], kept: int, steps: int, width: int, classes: int
    ) -> None:
        super().__init__()
        channels, height, width_ = shape
        self.kept = kept
        self.leaving = (channels - kept, height, width_)
        self.steps = nn.ModuleList(Step("realnvp", shape, width, 0) for _ in range(steps))
        self.leave = Leave(self.leaving, kept, classes)

    def _steps(self) -> list[Step]:
        return cast("list[Step]", list(self.steps))

    def forward(
        self, x: Tensor, look: bool = False
    ) -> tuple[Tensor, tuple[Tensor, Tensor | float], Tensor]:
        """Return the images that stay, what leaves with what the rest says of it, log |det|.

        With ``look`` every actnorm is set by the images that come to it.
        """
        x = squeeze(x)
        log_det = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for step in self._steps():
            if look:
                step.initialise(x)
            x, more = step(x)
            log_det = log_det + more
        kept = x[:, : self.kept]
        return kept, (x[:, self.kept :], self._given(kept)), log_det

    def _given(self, kept: Tensor | None) -> Tensor | float:
        return self.leave.given(kept if self.kept else None)

    def inverse(self, noise: Tensor, kept: Tensor | None, labels: Tensor) -> Tensor:
        """Return the images that leave ``noise`` ``[n, c * h * w]`` and keep ``kept``."""
        noise = noise.view(-1, *self.leaving)
        x = self.leave.inverse(noise, self._given(kept), labels)
        x = x if kept is None else torch.cat([kept, x], 1)
        for step in reversed(self._steps()):
            x = step.inverse(x)
        return unsqueeze(x)


class Glow(nn.Module):
    """A multiscale flow between images, as vectors ``[n, d]``, and standard normal noise.

    At each scale: squeeze, ``steps`` steps of flow, and half of the channels leave. Labels enter
    where values leave, so that one pass serves the likelihoods of all classes.

    References:
        | Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma & Dhariwal, 2018)
        | https://arxiv.org/abs/1807.03039

    Example:
        >>> glow = Glow((1, 4, 4), steps=1, width=4)
        >>> z = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
        >>> noise, log_det = glow(z)
        >>> noise.shape, torch.allclose(glow.inverse(noise), z, atol=1e-5)
        (torch.Size([2, 16]), True)
    """

    def __init__(self, shape: tuple[int, ...], *, steps: int, width: int, classes: int = 0) -> None:
        super().__init__()
        sizes = scales_of(shape)
        if not sizes:
            raise ValueError(
                f"glow needs images of even sides from 4 pixels on, and the data has shape "
                f"{list(shape)}; take kind=nsf"
            )
        self.shape, self.classes = shape, classes
        kept = [size[0] // 2 for size in sizes[:-1]] + [0]
        self.scales = nn.ModuleList(
            Scale(size, rest, steps, width, classes) for size, rest in zip(sizes, kept, strict=True)
        )

    def _scales(self) -> list[Scale]:
        return cast("list[Scale]", list(self.scales))

    def initialise(self, z: Tensor) -> None:
        """Let every actnorm look at the first images ``z`` ``[n, d]`` that come to it."""
        with torch.no_grad():
            self._leaving(z, look=True)

    def _leaving(
        self, z: Tensor, look: bool = False
    ) -> tuple[list[tuple[Tensor, Tensor | float]], Tensor]:
        """Return what leaves at each scale, what the rest says of it, and log |det| ``[n]``."""
        x = z.view(-1, *self.shape)
        log_det = torch.zeros(len(x), dtype=z.dtype, device=z.device)
        found: list[tuple[Tensor, Tensor | float]] = []
        for scale in self._scales():
            x, left, more = scale(x, look)
            found.append(left)
            log_det = log_det + more
        return found, log_det

    def _standard(
        self, found: list[tuple[Tensor, Tensor | float]], labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return noise ``[n, d]`` and log |det| ``[n]`` of all that left."""
        pairs = zip(self._scales(), found, strict=True)
        noises, log_dets = zip(*[s.leave(*left, labels) for s, left in pairs], strict=True)
        return torch.cat([n.flatten(1) for n in noises], 1), torch.stack(log_dets).sum(0)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return noise ``[n, d]`` and log |det| of the map in nats ``[n]``."""
        found, log_det = self._leaving(z)
        noise, more = self._standard(found, _rows(labels, z))
        return noise, log_det + more

    def inverse(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the vectors ``[n, d]`` that become ``noise``."""
        scales, labels = self._scales(), _rows(labels, noise)
        parts = torch.split(noise, [math.prod(s.leaving) for s in scales], 1)
        x: Tensor | None = None
        for scale, part in zip(reversed(scales), reversed(parts), strict=True):
            x = scale.inverse(part, x, labels)
        assert x is not None
        return x.flatten(1)

    def log_prob(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the log-density of ``z`` in nats ``[n]``, float64."""
        noise, log_det = self.forward(z, labels)
        return log_normal(noise) + log_det.double()

    def log_prob_each(self, z: Tensor, seen: Tensor) -> Tensor:
        """Return the log-density of ``z`` within each class of ``seen`` ``[m]``, ``[n, m]``."""
        found, log_det = self._leaving(z)
        each = []
        for label in seen.to(z.device).view(-1, 1):
            noise, more = self._standard(found, label)
            each.append(log_normal(noise) + (log_det + more).double())
        return torch.stack(each, 1)


def _rows(labels: Tensor | None, like: Tensor) -> Tensor:
    """Return which rows of the tables to take: without labels there is one for all."""
    return torch.zeros(1, dtype=torch.int64, device=like.device) if labels is None else labels
