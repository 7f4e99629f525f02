"""Priors p(z) of latent-variable models."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class MixturePrior(nn.Module):
    """A learned mixture of diagonal Gaussians over z; one component is the fixed N(0, I).

    It starts as a cover of N(0, I): ``components`` narrow Gaussians with the same total variance,
    each wide enough for its share of the volume. A standard normal has one mode and no holes, and
    a decoder must tear it to draw separate modes, which networks learn slowly; a mixture need not.

    References:
        | Deep Unsupervised Clustering with Gaussian Mixture Variational Autoencoders
        | (Dilokthanakul et al., 2016), https://arxiv.org/abs/1611.02648

        | VAE with a VampPrior (Tomczak & Welling, 2017), which compares with this prior
        | https://arxiv.org/abs/1705.07120

    Labels, where there are ``classes``, share the Gaussians and weigh them each in its own way.

    Example:
        >>> prior = MixturePrior(components=1, latent=2)
        >>> prior.log_prob(torch.zeros(1, 2)).exp()  # 1 / (2 pi)
        tensor([0.1592])
    """

    def __init__(self, components: int, latent: int, classes: int = 0) -> None:
        super().__init__()
        self.components, self.latent = components, latent
        if components > 1:
            width = components ** (-1 / latent)
            spread = math.sqrt(1 - width**2)
            self.mean = nn.Parameter(spread * torch.randn(components, latent))
            self.log_std = nn.Parameter(torch.full((components, latent), math.log(width)))
            self.logits = nn.Parameter(torch.zeros(max(1, classes), components))

    @property
    def _log_std(self) -> Tensor:
        return self.log_std.clamp(-4.0, 3.0)  # narrower would cost log_prob its float32 digits

    def _of(self, table: Tensor, y: Tensor | None) -> Tensor:
        """Return the row ``[components]`` of all, or those of labels ``y`` ``[n, components]``."""
        if len(table) == 1:
            return table[0]
        assert y is not None, "a prior with classes needs labels"
        return table[y]

    def log_prob(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return log p(z | y) in nats ``[..., n]`` of ``z`` ``[..., n, latent]``, in its dtype."""
        constant = 0.5 * self.latent * math.log(2 * math.pi)
        if self.components == 1:
            return -0.5 * (z**2).sum(-1) - constant
        mean, log_std, logits = (p.to(z.dtype) for p in (self.mean, self._log_std, self.logits))
        # the square multiplied out: matrix products, without a table [..., components, latent]
        precision = torch.exp(-2 * log_std)
        linear = z @ (precision * mean).T - 0.5 * z**2 @ precision.T
        offset = self._of(logits.log_softmax(-1), y) - (0.5 * precision * mean**2 + log_std).sum(-1)
        return torch.logsumexp(linear + offset, -1) - constant

    def divergence(
        self, z: Tensor, mean: Tensor, log_std: Tensor, y: Tensor | None = None
    ) -> Tensor:
        """Return KL(q | p) in nats ``[n]`` of q = N(mean, std^2), estimated at its draw ``z``.

        Exact for one component; otherwise only the entropy of q is, which costs no noise.
        """
        if self.components == 1:
            return 0.5 * (mean**2 + torch.exp(2 * log_std) - 1 - 2 * log_std).sum(-1)
        entropy = (log_std + 0.5 + 0.5 * math.log(2 * math.pi)).sum(-1)
        return -entropy - self.log_prob(z, y)

    def place(self, noise: Tensor, u: Tensor, y: Tensor | None = None) -> Tensor:
        """Return draws ``[n, latent]`` of p(z | y), of normal ``noise``, uniform ``u`` ``[n]``."""
        if self.components == 1:
            return noise
        edges = self._of(self.logits.softmax(-1).cumsum(-1), y)
        which = (edges < u.unsqueeze(-1)).sum(-1).clamp_max(self.components - 1)
        return self.mean[which] + self._log_std[which].exp() * noise
