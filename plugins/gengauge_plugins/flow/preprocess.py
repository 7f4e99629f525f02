"""What a flow sees instead of the data: values of order one, with the exact log-Jacobian."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """Shift and scale each value to mean 0 and deviation 1, in float64.

    A spline flow is the identity outside +-5, so data in other units would pass it unchanged.

    Example:
        >>> z, log_det = Standardise(torch.tensor([1.0]), torch.tensor([2.0]))(torch.ones(1, 1))
        >>> z, log_det.exp()
        (tensor([[0.]], dtype=torch.float64), tensor([0.5000], dtype=torch.float64))
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift.double().clone())
        self.register_buffer("scale", scale.double().clone())

    @classmethod
    def of(cls, x: Tensor) -> Standardise:
        """Return the map that standardises ``x`` ``[n, d]``, whatever the units of a column.

        A value that never varies is scaled by the resolution of float32 at its size.
        """
        x = x.double()
        least = torch.finfo(torch.float32).eps * x.abs().amax(0)
        spread = x.std(0).maximum(least)
        return cls(x.mean(0), spread.where(spread > 0, 1.0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return z ``[n, d]`` and log |det dz/dx| in nats ``[n]``."""
        z = (x.double() - self.shift) / self.scale
        return z, -self.scale.log().sum().expand(len(x))

    def inverse(self, z: Tensor) -> Tensor:
        """Return x ``[n, d]``."""
        return z.double() * self.scale + self.shift


class Logit(nn.Module):
    """Take dequantised data in [0, 1) to the real line, then standardise it.

    y becomes logit(alpha + (1 - 2 alpha) y). Outside the slightly wider interval on which the
    logit is defined the model's density is zero, and the log-Jacobian is minus infinity.

    References:
        | Density estimation using Real NVP (Dinh et al., 2016), section 4.1
        | https://arxiv.org/abs/1605.08803
    """

    def __init__(self, alpha: float, standardise: Standardise) -> None:
        super().__init__()
        self.alpha = alpha
        self.standardise = standardise

    @classmethod
    def of(cls, y: Tensor, alpha: float) -> Logit:
        """Return the map whose result is standardised on ``y`` ``[n, d]``."""
        return cls(alpha, Standardise.of(torch.logit(alpha + (1 - 2 * alpha) * y.double())))

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return z ``[n, d]`` and log |det dz/dy| in nats ``[n]``."""
        u = self.alpha + (1 - 2 * self.alpha) * y.double()
        outside = ((u <= 0) | (u >= 1)).any(-1)
        u = u.clamp(1e-12, 1 - 1e-12)
        log_det = math.log(1 - 2 * self.alpha) - u.log() - torch.log1p(-u)
        z, scaling = self.standardise(torch.logit(u))
        return z, (log_det.sum(-1) + scaling).masked_fill(outside, -math.inf)

    def inverse(self, z: Tensor) -> Tensor:
        """Return y ``[n, d]``; the wider interval reaches a little below 0 and above 1."""
        u = torch.sigmoid(self.standardise.inverse(z))
        return (u - self.alpha) / (1 - 2 * self.alpha)
