"""An affine map to uncorrelated values of deviation 1, in float64."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gengauge_plugins.flow.preprocess import Standardise

_OWN = 1e-3  # share of each value's variance that is taken to be its own


class Whiten(nn.Module):
    """z = C^(-1/2) (x - mean) / spread, C the correlations: a Gaussian fits z to begin with.

    The symmetric root moves each value least, so pixels stay where they were.

    Example:
        >>> x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)).cumsum(1)
        >>> whiten = Whiten.of(x)
        >>> torch.allclose(whiten(x).T.cov(), torch.eye(2).double(), atol=1e-2)
        True
    """

    shift: Tensor
    root: Tensor
    inverse_root: Tensor
    log_det: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        eye = torch.eye(features, dtype=torch.float64)
        self.register_buffer("shift", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("root", eye)
        self.register_buffer("inverse_root", eye.clone())
        self.register_buffer("log_det", torch.zeros((), dtype=torch.float64))

    @classmethod
    def of(cls, x: Tensor, noise: float = 0.0) -> Whiten:
        """Return the map for ``x`` ``[n, d]``, to which noise of that deviation will be added."""
        own = cls(x.shape[1])
        standard = Standardise.of(x)
        spread = (standard.scale**2 * (x.double().std(0) > 0) + noise**2).sqrt()
        spread = spread.where(spread > 0, standard.scale)
        z = (x.double() - standard.shift) / spread
        correlations = z.T @ z / max(1, len(z) - 1)
        correlations.diagonal().fill_(1.0)
        eye = torch.eye(len(spread), dtype=torch.float64, device=x.device)
        values, vectors = torch.linalg.eigh((1 - _OWN) * correlations + _OWN * eye)
        roots = values.clamp_min(_OWN / 2).sqrt()
        own.shift = standard.shift
        own.root = spread[:, None] * ((vectors * roots) @ vectors.T)
        own.inverse_root = ((vectors / roots) @ vectors.T) / spread
        own.log_det = -(roots.log() + spread.log()).sum()
        return own

    def forward(self, x: Tensor) -> Tensor:
        """Return z ``[n, d]``, float64; log |det dz/dx| is ``log_det``."""
        return (x.double() - self.shift) @ self.inverse_root.T

    def inverse(self, z: Tensor) -> Tensor:
        """Return x ``[n, d]``, float64."""
        return z.double() @ self.root.T + self.shift

    def push(self, v: Tensor) -> Tensor:
        """Return what a velocity ``[n, d]`` of z is for x, float64."""
        return v.double() @ self.root.T
