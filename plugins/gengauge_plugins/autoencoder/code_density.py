"""The density that is fitted on the codes of a trained autoencoder, to draw new ones from."""

from __future__ import annotations

import math
import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor, nn

from gengauge_plugins.networks.drawing import normal, uniform

_REGULARISATION = 0.03  # added to variances of standardised codes; likeliest on held-out ones
_ROWS = 10_000  # codes that EM looks at: more would cost time and tell it little
_PER_COMPONENT = 2  # codes a dimension that a component must have, or there are fewer components


class CodeDensity(nn.Module):
    """A mixture of Gaussians with full covariances over codes ``[n, q]``, float64.

    References:
        | From Variational to Deterministic Autoencoders (Ghosh et al., 2019), section 4:
        | ex-post density estimation, https://arxiv.org/abs/1903.12436
    """

    log_mixing: Tensor  # [k]
    means: Tensor  # [k, q]
    factors: Tensor  # [k, q, q], lower triangular: the covariances are L L^T

    def __init__(self, components: int, latent: int) -> None:
        super().__init__()
        wide = torch.float64
        mixing = torch.full((components,), -math.log(components), dtype=wide)
        self.register_buffer("log_mixing", mixing)
        self.register_buffer("means", torch.zeros(components, latent, dtype=wide))
        self.register_buffer("factors", torch.eye(latent, dtype=wide).repeat(components, 1, 1))

    @classmethod
    def fitted(cls, codes: Tensor, components: int, seed: int) -> CodeDensity:
        """Return the density of standardised ``codes`` ``[n, q]``, by EM in scikit-learn.

        There are fewer components where each would have too few codes for a covariance.
        """
        x = codes[:_ROWS].to("cpu", torch.float64)
        components = max(1, min(components, len(x) // (_PER_COMPONENT * x.shape[1])))
        estimator = GaussianMixture(
            components, reg_covar=_REGULARISATION, random_state=seed % 2**32
        )
        # k-means sums in the order its threads finish: only one thread is reproducible
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(x.numpy())
        density = cls(components, x.shape[1])
        density.log_mixing.copy_(torch.as_tensor(estimator.weights_).log())
        density.means.copy_(torch.as_tensor(estimator.means_))
        density.factors.copy_(torch.linalg.cholesky(torch.as_tensor(estimator.covariances_)))
        return density.to(codes.device)

    def log_prob(self, codes: Tensor) -> Tensor:
        """Return the log-density in nats ``[n]``, differentiable in ``codes`` ``[n, q]``."""
        offset = codes.to(torch.float64) - self.means[:, None]  # [k, n, q]
        whitened: Tensor = torch.linalg.solve_triangular(self.factors, offset.mT, upper=False)
        log_det: Tensor = self.factors.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        joint = (self.log_mixing - log_det)[:, None] - 0.5 * (whitened**2).sum(1)
        total: Tensor = joint.logsumexp(0)
        return total - 0.5 * codes.shape[1] * math.log(2 * math.pi)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` codes ``[n, q]``, float32."""
        device, (_, q) = self.means.device, self.means.shape
        edges = self.log_mixing.exp().cumsum(0)
        u = uniform((n,), generator, device, torch.float64)
        which = torch.searchsorted(edges, u).clamp_max(len(edges) - 1)
        noise = normal((n, q), generator, device, torch.float64)
        codes = self.means[which]
        for k, factor in enumerate(self.factors):
            mine = which == k
            codes[mine] += noise[mine] @ factor.T
        return codes.to(torch.float32)
