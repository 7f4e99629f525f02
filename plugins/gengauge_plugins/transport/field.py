"""The network behind a flow or a bridge, with all it must know to be used again."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from gengauge_plugins.networks.conv import convolves
from gengauge_plugins.networks.residual import TimedResidual
from gengauge_plugins.networks.timed import LabelContext
from gengauge_plugins.transport.scaling import Scale


class Field(nn.Module):
    """Answers ``[n, heads, *event]`` about states ``[n, *event]`` at times ``[n]``.

    States are scaled data. ``frequency`` ``[classes]`` holds the share of each class in training,
    and is empty where labels are not looked at; ``kept`` ``[m, *event]`` are examples to start
    from, none where that is noise.
    """

    frequency: Tensor
    kept: Tensor

    def __init__(
        self, scale: Scale, network: nn.Module, heads: int, frequency: Tensor, kept: Tensor
    ) -> None:
        super().__init__()
        self.scale, self.network, self.heads = scale, network, heads
        self.register_buffer("frequency", frequency.double().clone())
        self.register_buffer("kept", kept.double().clone())

    @property
    def classes(self) -> int:
        """Number of classes; the label of no class in particular."""
        return len(self.frequency)

    @property
    def seen(self) -> Tensor:
        """Classes with a training example ``[m]``."""
        return torch.nonzero(self.frequency).flatten()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.frequency.device

    def scaled(self, x: Tensor) -> Tensor:
        """Return the states ``[n, *event]``, float64, of data ``x`` in its units."""
        return cast(Tensor, self.scale(x.to(self.device)))

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return ``[n, heads, *event]``, float32; without ``labels`` those of no class."""
        if self.classes and labels is None:
            labels = torch.full((len(x),), self.classes, device=x.device)
        found = self.network(x.float(), t.float(), labels if self.classes else None)
        return cast(Tensor, found.view(len(x), self.heads, *x.shape[1:]))


def network(
    shape: tuple[int, ...], heads: int, classes: int, hidden: int, blocks: int, channels: int
) -> nn.Module:
    """Return an untrained network: a U-Net for pictures of more than 256 values, else an MLP.

    Its weights come from torch's global stream. A perceptron is at most 64 wide a dimension.
    """
    if convolves("auto", shape):
        from gengauge_plugins.networks.unet import TimedUNet  # diffusers takes seconds to import

        about = LabelContext(classes, 4 * channels) if classes else None
        widths = (channels, 2 * channels, 4 * channels)
        return TimedUNet(shape[0], heads * shape[0], widths, context=about)
    features = math.prod(shape)
    hidden = min(hidden, 64 * features)
    about = LabelContext(classes, hidden) if classes else None
    return TimedResidual(features, heads * features, hidden, blocks, context=about)
