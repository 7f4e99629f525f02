"""The average of a network's weights over its training, which samples better than any of them."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn


class PowerAverage:
    """An exponential moving average whose memory is a share of all training so far.

    The weights of step s count in proportion to s^gamma. So one setting suits every budget, and
    the average is good at any time, where a fixed decay remembers the start of a short run or
    too little of a long one.

    References:
        | Analyzing and Improving the Training Dynamics of Diffusion Models (Karras et al., 2023),
        | section 3.1 and appendix C, https://arxiv.org/abs/2312.02696
        | The Unusual Effectiveness of Averaging in GAN Training (Yazici et al., 2018)
        | https://arxiv.org/abs/1806.04498

    Arguments:
        source: The network in training.
        width: Standard deviation of s over all steps, the number of steps being 1; at 0 the
            average is the last step's network.

    Example:
        >>> line = nn.Linear(1, 1, bias=False)
        >>> average = PowerAverage(line, width=0.2)
        >>> for step in range(1, 101):
        ...     _ = line.weight.data.fill_(step)
        ...     average.update()
        >>> round(float(average.network.weight))  # (gamma + 1) / (gamma + 2) of the way
        74
    """

    def __init__(self, source: nn.Module, width: float) -> None:
        self.source = source
        self.network = copy.deepcopy(source).requires_grad_(False)
        self.gamma = exponent(width)
        self.steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take another step's weights into the average."""
        self.steps += 1
        kept = (1 - 1 / self.steps) ** (self.gamma + 1)
        averages: list[Tensor] = list(self.network.parameters())
        weights: list[Tensor] = list(self.source.parameters())
        torch._foreach_lerp_(averages, weights, 1 - kept)

    def state_dict(self) -> dict[str, Any]:
        """Return the average and its age."""
        return {"network": dict(self.network.state_dict()), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        self.network.load_state_dict(state["network"])
        self.steps = state["steps"]


def exponent(width: float) -> float:
    """Return the gamma at which s^gamma on [0, 1] has the standard deviation ``width``.

    ``ValueError`` from 0.28 on: a weight that is the same at every step has no more than 0.289.

    >>> round(exponent(0.1), 2), round(exponent(0.05), 2), exponent(0.0)
    (6.94, 16.97, inf)
    """
    if not 0 <= width < 0.28:
        raise ValueError(f"the average's width must be 0 to 0.28, and {width:g} came")
    if width == 0:
        return math.inf
    low, high = 0.0, 1 / width  # the deviation falls as gamma rises
    for _ in range(60):
        gamma = (low + high) / 2
        deviation = math.sqrt((gamma + 1) / (gamma + 3)) / (gamma + 2)
        low, high = (gamma, high) if deviation > width else (low, gamma)
    return low
