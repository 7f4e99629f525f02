"""Where transport happens: data at order one, and back, with the exact log-Jacobian."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Scale(nn.Module):
    """Shift and scale data, ``z = (x - shift) / spread``, in float64.

    Example:
        >>> scale = Scale.of(torch.tensor([[0.0, 10.0], [2.0, 30.0]]), together=False)
        >>> scale(torch.tensor([[2.0, 20.0]]))
        tensor([[1., 0.]], dtype=torch.float64)
    """

    shift: Tensor
    spread: Tensor

    def __init__(self, shift: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift.double().clone())
        self.register_buffer("spread", spread.double().clone())

    @classmethod
    def of(cls, x: Tensor, together: bool) -> Scale:
        """Return the map that gives ``x`` ``[n, *event]`` mean 0 and deviation 1.

        Each value has a deviation of its own, or ``together`` all have one, which keeps distances
        as they are. None is taken below the resolution of float32.
        """
        x = x.double()
        shift, spread = x.mean(0), x.std(0, correction=0)
        if together:
            spread = spread.square().mean().sqrt().expand_as(spread)
        spread = spread.maximum(torch.finfo(torch.float32).eps * x.abs().amax(0))
        return cls(shift, spread.where(spread > 0, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return z ``[n, *event]`` of ``x``, float64."""
        return (x.double() - self.shift) / self.spread

    def inverse(self, z: Tensor) -> Tensor:
        """Return x ``[n, *event]`` of ``z``, float64."""
        return z.double() * self.spread + self.shift

    @property
    def log_det(self) -> Tensor:
        """Log |det dz/dx| in nats, the same everywhere."""
        return -self.spread.log().sum()
