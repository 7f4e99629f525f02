"""What networks of a state and a time are told: the time's frequencies, and a vector a class."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

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
