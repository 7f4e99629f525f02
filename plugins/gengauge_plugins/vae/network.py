"""Encoder, prior and decoder of a variational autoencoder, and the log-weights they give."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.networks.conv import ConvDecoder, ConvEncoder
from gengauge_plugins.networks.decoders import Decoder
from gengauge_plugins.networks.mlp import mlp
from gengauge_plugins.vae.prior import MixturePrior
from gengauge_plugins.vae.traversal import Survey


@dataclass(frozen=True)
class Architecture:
    """Sizes of the networks for examples of ``shape``; ``classes`` is 0 without labels.

    Dense networks have two layers of ``hidden``; convolutions have ``width`` channels at the
    image's full size and end in one layer of ``hidden``.
    """

    shape: tuple[int, ...]
    latent: int
    hidden: int
    components: int = 1
    classes: int = 0
    convolves: bool = False
    width: int = 32

    @property
    def dimensions(self) -> int:
        """Values in one example."""
        return math.prod(self.shape)


class Network(nn.Module):
    """Prior p(z | y), Gaussian encoder q(z | x, y), and decoder p(x | z, y) of ``[n, d]``.

    Labels ``y`` ``[n]`` are left out where the architecture has no classes.
    """

    def __init__(self, decoder: nn.Module, sizes: Architecture) -> None:
        super().__init__()
        self.observe, self.sizes, self.latent = decoder, sizes, sizes.latent
        outputs = self.observation.outputs
        inputs, hidden = sizes.latent + sizes.classes, (sizes.hidden, sizes.hidden)
        self.see: nn.Module = nn.Identity()
        self.paint: nn.Module = nn.Identity()
        if sizes.convolves:
            self.see = nn.Sequential(ConvEncoder(sizes.shape, sizes.width, sizes.hidden), nn.SiLU())
            self.encoder = mlp(sizes.hidden + sizes.classes, (), 2 * sizes.latent)
            self.decoder = mlp(inputs, (sizes.hidden,), sizes.hidden)
            self.paint = ConvDecoder(
                sizes.hidden, sizes.shape, sizes.width, outputs * sizes.shape[0]
            )
        else:
            self.encoder = mlp(sizes.dimensions + sizes.classes, hidden, 2 * sizes.latent)
            self.decoder = mlp(inputs, hidden, outputs * sizes.dimensions)
        self.prior = MixturePrior(sizes.components, sizes.latent, sizes.classes)
        self.survey = Survey(sizes.latent)

    @property
    def observation(self) -> Decoder:
        """The meaning of the decoder's outputs."""
        return self.observe  # type: ignore[return-value]  # a Protocol cannot extend nn.Module

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation ``[n, latent]`` of q(z | x, y)."""
        seen = self.observation.inputs(x)
        if self.sizes.convolves:
            seen = self.see(seen.view(-1, *self.sizes.shape))
        mean, log_std = self.encoder(self._with(seen, y)).chunk(2, dim=-1)
        return mean, log_std.clamp(-7.0, 3.0)

    def outputs(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return what p(x | z, y) is made of, ``[..., n, outputs * d]``, of ``[..., n, latent]``.

        Outputs lie plane after plane: all first ones of an example, then all second ones.
        """
        h: Tensor = self.decoder(self._with(z, y))
        if self.sizes.convolves:
            h = self.paint(h.flatten(0, -2)).reshape(*z.shape[:-1], -1)
        return h

    def _with(self, values: Tensor, y: Tensor | None) -> Tensor:
        if not self.sizes.classes:
            return values
        assert y is not None, "a network with classes needs labels"
        shown = F.one_hot(y, self.sizes.classes).to(values.dtype)
        return torch.cat([values, shown.expand(*values.shape[:-1], -1)], -1)

    def log_weights(self, x: Tensor, y: Tensor | None, noise: Tensor) -> Tensor:
        """Return log p(x, z | y) - log q(z | x, y) in nats ``[k, n]``, float64.

        The latents are those of standard normal ``noise`` ``[k, n or 1, latent]``.
        """
        mean, log_std = self.posterior(x, y)
        z = mean + log_std.exp() * noise
        fit = self.observation.log_likelihood(x, self.outputs(z, y))
        posterior = (-log_std - 0.5 * noise**2 - 0.5 * math.log(2 * math.pi)).double().sum(-1)
        return fit.double().sum(-1) + self.prior.log_prob(z.double(), y) - posterior
