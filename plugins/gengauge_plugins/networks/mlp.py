"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def mlp(
    inputs: int,
    hidden: tuple[int, ...],
    outputs: int,
    activation: Callable[[], nn.Module] = nn.SiLU,
) -> nn.Sequential:
    """Return a perceptron ``[n, inputs] -> [n, outputs]`` with ``activation`` between its layers.

    >>> mlp(2, (8, 8), 3)
    Sequential(
      (0): Linear(in_features=2, out_features=8, bias=True)
      (1): SiLU()
      (2): Linear(in_features=8, out_features=8, bias=True)
      (3): SiLU()
      (4): Linear(in_features=8, out_features=3, bias=True)
    )
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), activation()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
