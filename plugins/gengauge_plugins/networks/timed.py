"""Networks of a state and a time: what every diffusion, flow and bridge learns.

Each takes ``x`` ``[n, *event]``, times ``t`` ``[n]`` in [0, 1], and what its ``context`` turns
into a vector: labels, captions, or nothing.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from gengauge_plugins.networks.mlp import mlp

_SLOWEST, _FASTEST = 0.5, 64.0  # periods in the unit interval: faster ones would rattle a solver


class Frequencies(nn.Module):
    """Sines and cosines of the time, at log-spaced frequencies.

    >>> Frequencies(6)(torch.zeros(2)).shape
    torch.Size([2, 6])
    """

    omega: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        spread = torch.linspace(math.log(_SLOWEST), math.log(_FASTEST), width // 2)
        self.register_buffer("omega", 2 * math.pi * spread.exp(), persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        """Return features ``[n, width]`` of times ``[n]``."""
        angle = t[:, None].to(self.omega.dtype) * self.omega
        return torch.cat([angle.sin(), angle.cos()], 1)


class LabelContext(nn.Module):
    """A vector for each class, and one more, the last, for no class in particular.

    Label ``classes`` stands for none: guidance without a classifier trains with it now and then
    (Ho & Salimans 2022, https://arxiv.org/abs/2207.12598).
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.classes = classes
        self.vectors = nn.Embedding(classes + 1, width)

    def forward(self, labels: Tensor) -> Tensor:
        """Return vectors ``[n, width]`` of labels ``[n]``."""
        return cast(Tensor, self.vectors(labels))


class _Block(nn.Module):
    """A residual block whose scale, shift and strength come from time and context."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 3 * width)
        self.inner = mlp(width, (width,), width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, h: Tensor, about: Tensor) -> Tensor:
        scale, shift, gate = self.modulation(about).chunk(3, 1)
        inner = self.inner(self.norm(h) * (1 + scale) + shift)
        return cast(Tensor, h + (1 + gate) * inner)


class TimedMLP(nn.Module):
    """A perceptron with residual blocks, for points, tables and pictures of 8 x 8.

    References:
        | Scalable Diffusion Models with Transformers (Peebles & Xie, 2022), adaptive layer norm
        | https://arxiv.org/abs/2212.09748

    Arguments:
        features: Values of one state; any event of as many values is flattened.
        outputs: Values of the answer ``[n, outputs]``.
        hidden: Width of the blocks, of the time's vector and of the context's.
        blocks: How many residual blocks.
        context: Turns conditions into vectors ``[n, hidden]``; None takes no conditions.

    Example:
        >>> network = TimedMLP(2, 2, hidden=16, context=LabelContext(3, 16))
        >>> network(torch.zeros(4, 2), torch.rand(4), torch.tensor([0, 1, 2, 3])).shape
        torch.Size([4, 2])
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        hidden: int = 256,
        blocks: int = 3,
        context: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.context = context
        self.times = nn.Sequential(Frequencies(64), *mlp(64, (hidden,), hidden))
        self.first = nn.Linear(features, hidden)
        self.blocks = nn.ModuleList(_Block(hidden) for _ in range(blocks))
        self.norm = nn.LayerNorm(hidden)
        self.last = nn.Linear(hidden, outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return ``[n, outputs]`` of states ``[n, *event]`` at times ``[n]``."""
        about = self.times(t)
        if self.context is not None:
            about = about + self.context(condition)
        about = nn.functional.silu(about)
        h = self.first(x.flatten(1))
        for block in self.blocks:
            h = block(h, about)
        return cast(Tensor, self.last(nn.functional.silu(self.norm(h))))
