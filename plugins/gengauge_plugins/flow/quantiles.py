"""Levelled values as normal scores: each value's own distribution is Gaussian from the start."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_UNIFORM = 0.01  # share of every level's probability that does not come from the training data
_EDGE = 1e-12  # quantiles nearer than this to 0 and 1 have no finite score in float64


class Quantiles(nn.Module):
    """Take dequantised data in [0, 1) to normal scores by each value's own histogram.

    z is Phi^-1(F(y)), where F is the distribution function of the training levels, linear within
    a level. A flow behind it has only to learn how values hang together: the identity is already
    the product of the marginals. Outside [0, 1) the density is zero.

    References:
        | Gaussianization (Chen & Gopinath, 2000), section 2, its one-dimensional case

    Example:
        >>> x = torch.tensor([[0], [0], [0], [1]])
        >>> scores = Quantiles.of(x, levels=2)
        >>> z, log_det = scores(torch.tensor([[0.25], [0.75]]))
        >>> scores.inverse(z)
        tensor([[0.2500],
                [0.7500]], dtype=torch.float64)
    """

    edges: Tensor

    def __init__(self, edges: Tensor) -> None:
        super().__init__()
        self.register_buffer("edges", edges.double().clone())

    @classmethod
    def of(cls, x: Tensor, levels: int) -> Quantiles:
        """Return the map of training levels ``x`` ``[n, d]``, integers below ``levels``."""
        x = x.long()
        counts = torch.zeros(x.shape[1], levels, dtype=torch.float64, device=x.device)
        counts.scatter_add_(1, x.T, torch.ones_like(x.T, dtype=torch.float64))
        share = (1 - _UNIFORM) * counts / len(x) + _UNIFORM / levels
        edges = torch.cat([torch.zeros_like(share[:, :1]), share.cumsum(1)], 1)
        return cls(edges / edges[:, -1:])

    @property
    def levels(self) -> int:
        """Levels of a value."""
        return self.edges.shape[1] - 1

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return z ``[n, d]``, float64, and log |det dz/dy| in nats ``[n]``."""
        y = y.double() * self.levels
        level = y.detach().floor().clamp(0, self.levels - 1).long()
        outside = ((y < 0) | (y >= self.levels)).any(-1)
        low, share = self._at(level)
        quantile = (low + share * (y - level)).clamp(_EDGE, 1 - _EDGE)
        z = torch.special.ndtri(quantile)
        log_normal = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
        log_det = (share.log() + math.log(self.levels) - log_normal).sum(-1)
        return z, log_det.masked_fill(outside, -math.inf)

    def inverse(self, z: Tensor) -> Tensor:
        """Return y ``[n, d]``, float64, of normal scores."""
        quantile = torch.special.ndtr(z.double())
        found = torch.searchsorted(self.edges, quantile.T.contiguous(), right=True).T - 1
        level = found.clamp(0, self.levels - 1)
        low, share = self._at(level)
        y: Tensor = (level + (quantile - low) / share) / self.levels
        return y

    def _at(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """Return the quantile at which each ``level`` ``[n, d]`` begins, and its probability."""
        low = self.edges.gather(1, level.T).T
        return low, self.edges.gather(1, level.T + 1).T - low
