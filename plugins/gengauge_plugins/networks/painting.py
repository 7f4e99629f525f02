"""A painter of pictures for few steps: convolutions that are told at every size what to paint."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.networks.conv import sizes

_GROUP = 16  # channels that are normalised together
_GROWTH = 1.5  # channels, from one size to the next smaller
_SLOPE = 0.2  # below zero, as discriminators have it


class Painter(nn.Module):
    """Vectors ``[n, inputs]`` to pictures ``[n, *shape]``, of any size.

    The vector makes the smallest planes, and scales and shifts the channels of each size: what is
    the same everywhere, as a colour or a form, need not be drawn anew at each place. ``width`` is
    the channels at half the size; the last transposed convolution draws all pixels at once.

    References:
        | FiLM: Visual Reasoning with a General Conditioning Layer (Perez et al., 2017)
        | https://arxiv.org/abs/1709.07871
        | A Style-Based Generator Architecture for Generative Adversarial Networks
        | (Karras et al., 2018), https://arxiv.org/abs/1812.04948

    Example:
        >>> Painter(10, (3, 28, 30), width=8)(torch.zeros(2, 10)).shape
        torch.Size([2, 3, 28, 30])
    """

    def __init__(self, inputs: int, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.stages = sizes(*shape[1:])[::-1]
        inner = max(1, len(self.stages) - 1)
        many = [round(width * _GROWTH**i) for i in reversed(range(inner))]
        self.head = nn.Linear(inputs, many[0] * math.prod(self.stages[0]))
        self.told = nn.ModuleList(Told(inputs, channels) for channels in many)
        ends = [*many, shape[0]] if len(self.stages) > 1 else many
        self.ups = nn.ModuleList(nn.ConvTranspose2d(*pair, 4, 2, 1) for pair in pairwise(ends))
        # a picture too small to be halved is drawn as it is
        self.last = nn.Identity() if self.ups else nn.Conv2d(width, shape[0], 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        """Return planes ``[n, *shape]`` of vectors ``z`` ``[n, inputs]``, not yet bounded."""
        h = self.told[0](self.head(z).view(len(z), -1, *self.stages[0]), z)
        for i, up in enumerate(self.ups, 1):
            height, width = self.stages[i]
            h = up(h)[:, :, :height, :width]  # an odd side is one less than twice its half
            if i < len(self.told):
                h = self.told[i](h, z)
        planes: Tensor = self.last(h)
        return planes


class Told(nn.Module):
    """Planes, normalised by themselves, then scaled and shifted as a vector says.

    >>> Told(3, 16)(torch.randn(2, 16, 4, 4), torch.zeros(2, 3)).shape
    torch.Size([2, 16, 4, 4])
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(max(1, channels // _GROUP), channels), channels,
                                 affine=False)  # fmt: skip
        self.told = nn.Linear(inputs, 2 * channels)

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        """Return planes like ``h`` ``[n, channels, H, W]``."""
        scale, shift = self.told(told)[:, :, None, None].chunk(2, 1)
        return F.leaky_relu(torch.addcmul(shift, self.norm(h), 1 + scale), _SLOPE)


def painter_width(hidden: int) -> int:
    """Return the width of a painter that perceptrons of ``hidden`` units would replace.

    >>> painter_width(256)
    32
    """
    return max(8, hidden // 8)
