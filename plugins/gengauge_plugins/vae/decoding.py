"""A trained decoder as the harness asks for one: a prior with a density, and p(x | z)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gengauge_plugins.networks.drawing import normal, uniform
from gengauge_plugins.vae.classes import Classes
from gengauge_plugins.vae.inference import VALUES
from gengauge_plugins.vae.network import Network


class Decoding:
    """What a variational autoencoder does without its encoder.

    Where the network knows labels, a latent more than it has is a normal number whose quantile
    is the label: so p(z) has a density, and p(x) needs no label.
    """

    network: Network
    classes: Classes | None
    shape: tuple[int, ...]

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _parts(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the network's latents, and the labels that the last one stands for."""
        return (z, None) if self.classes is None else (z[:, :-1], self.classes.at(z[:, -1]))

    @torch.no_grad()
    def _drawn(self, z: Tensor, y: Tensor | None, generator: torch.Generator | None) -> Tensor:
        """Return a draw of p(x | z, y) for each latent, its mean where there is no generator."""
        observation = self.network.observation
        size = max(1, VALUES // (observation.outputs * math.prod(self.shape)))
        parts = []
        for start in range(0, len(z), size):
            labels = None if y is None else y[start : start + size]
            h = self.network.outputs(z[start : start + size], labels)
            parts.append(observation.sample(h, generator) if generator else observation.mean(h))
        return torch.cat(parts).view(len(z), *self.shape)

    @torch.no_grad()
    def draw_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` latents ``[n, latent]`` drawn from p(z), one more with labels."""
        if self.classes is None:
            return self._placed(n, None, generator)
        quantile = normal((n, 1), generator, self._device)
        z = self._placed(n, self.classes.at(quantile[:, 0]), generator)
        return torch.cat([z, quantile], -1)

    @torch.no_grad()
    def _placed(self, n: int, y: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` latents ``[n, latent]`` of p(z | y), without one for the label."""
        noise = normal((n, self.network.latent), generator, self._device)
        return self.network.prior.place(noise, uniform((n,), generator, self._device), y)

    def log_prior(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats ``[n]``."""
        if self.classes is None:
            return self.network.prior.log_prob(z)
        label = -0.5 * z[:, -1] ** 2 - 0.5 * math.log(2 * math.pi)
        return self.network.prior.log_prob(*self._parts(z)) + label

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of p(x | z) ``[n, *event]`` as floats; 0 to 1 on levelled data."""
        centre = self.network.observation.centre(self.network.outputs(*self._parts(z)))
        return centre.view(len(z), *self.shape)

    def log_observation(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x_i | z_i) in nats ``[n]``, float64."""
        h = self.network.outputs(*self._parts(z))
        return self.network.observation.log_likelihood(x.flatten(1), h).double().sum(-1)

    def draw_observation(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Return one draw of p(x | z_i) ``[n, *event]`` for each ``z`` ``[n, latent]``."""
        return self._drawn(*self._parts(z), generator)

    @torch.no_grad()
    def traverse(self, rows: int, steps: int) -> Tensor:
        """Return the decoder's mean along the latents that tell most ``[r, steps, *event]``."""
        survey = self.network.survey
        z = survey.walks(rows, steps).flatten(0, 1)
        if not len(z):  # no latent tells anything
            return z.new_zeros(0, steps, *self.shape)
        y = None if self.classes is None else survey.label.expand(len(z))
        x = self.network.observation.centre(self.network.outputs(z, y))
        return x.view(-1, steps, *self.shape)
