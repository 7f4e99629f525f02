"""A velocity field whose directional derivatives come with it, without a second backward pass."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

_BEND = 3.0  # slope of the first units: at equal steps moons come .03 nats nearer than at 1


class Layer(nn.Module):
    """A linear layer that time and class scale and shift (FFJORD's concatsquash)."""

    def __init__(self, inputs: int, outputs: int, context: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.steer = nn.Linear(context, 2 * outputs)

    def forward(self, h: Tensor, slopes: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the layer's values ``[n, o]`` and their derivatives along ``slopes``."""
        scale, shift = self.steer(context).chunk(2, -1)
        scale = torch.sigmoid(scale)
        return self.linear(h) * scale + shift, (slopes @ self.linear.weight.T) * scale


class Field(nn.Module):
    """v(z, t, class) ``[n, d]`` and its derivatives along directions, by a perceptron of tanh.

    Derivatives travel forwards beside the values: k directions cost as much as k more rows, and
    training differentiates them once, where autograd would have to differentiate twice.

    References:
        | FFJORD (Grathwohl et al., 2019), https://arxiv.org/abs/1810.01367

    Example:
        >>> field = Field(2, hidden=8, depth=2, context=1)
        >>> z, t = torch.zeros(5, 2), torch.zeros(5, 1)
        >>> v, slopes = field(z, t, torch.eye(2)[:, None].expand(2, 5, 2))
        >>> v.shape, slopes.shape
        (torch.Size([5, 2]), torch.Size([2, 5, 2]))
    """

    def __init__(self, features: int, *, hidden: int, depth: int, context: int) -> None:
        super().__init__()
        widths = [features, *[hidden] * depth, features]
        self.layers = nn.ModuleList(Layer(a, b, context) for a, b in pairwise(widths))
        # units that bend within the data's range, at places spread over it
        first = cast(Layer, self.layers[0])
        nn.init.normal_(first.linear.weight, std=_BEND / features**0.5)
        nn.init.uniform_(first.linear.bias, -_BEND, _BEND)
        for parameter in self.layers[-1].parameters():  # a flow begins as the identity
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor, context: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Return v ``[n, d]`` and its derivatives ``[k, n, d]`` along ``directions`` of that shape.

        ``context`` ``[n, c]`` begins with the time.
        """
        h, slopes = z, directions
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            h, slopes = layer(h, slopes, context)
            if i < last:
                h = torch.tanh(h)
                slopes = slopes * (1 - h * h)
        return h, slopes

    def velocity(self, z: Tensor, context: Tensor) -> Tensor:
        """Return v ``[n, d]`` alone."""
        return cast(Tensor, self(z, context, z.new_zeros(0, *z.shape))[0])


def unit_directions(z: Tensor) -> Tensor:
    """Return the directions ``[d, n, d]`` along which derivatives give the exact divergence."""
    d = z.shape[1]
    return torch.eye(d, dtype=z.dtype, device=z.device)[:, None].expand(d, *z.shape)


def divergence(directions: Tensor, slopes: Tensor) -> Tensor:
    """Return the divergence ``[n]``: exact of unit directions, unbiased of one of random signs.

    >>> z = torch.zeros(1, 2)
    >>> double = unit_directions(z) * 2  # the derivatives of 2 z
    >>> divergence(unit_directions(z), double)
    tensor([4.])
    """
    return (directions * slopes).sum((0, 2))
