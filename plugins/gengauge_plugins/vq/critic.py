"""The discriminator of patches, and what first stages minimise against it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.gan import losses
from gengauge_plugins.networks.adversarial import Batch
from gengauge_plugins.networks.first_stage import FirstStage
from gengauge_plugins.networks.logistic import scaled

_SLOPE = 0.2  # below zero, DCGAN's
_ALIKE = 0.1  # weight of the distance in the critic's features
_MOST = 1e3  # of the adversarial loss's weight, where its gradient all but vanishes


class Critic(nn.Module):
    """A score for every patch of a picture, high for data; one for the whole of a small vector.

    Patches overlap and have about a quarter of the side, so it judges texture and edges and leaves
    the whole to the other losses.

    References:
        | Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2016),
        | section 3.2.2, https://arxiv.org/abs/1611.07004

    Example:
        >>> critic = Critic((3, 32, 32), 8, convolves=True)
        >>> critic(torch.zeros(2, 3, 32, 32)).shape, len(critic.layers(torch.zeros(2, 3, 32, 32)))
        (torch.Size([2, 1, 8, 8]), 3)
    """

    def __init__(self, shape: tuple[int, ...], width: int, *, convolves: bool) -> None:
        super().__init__()
        channels, values = shape[0], math.prod(shape)
        if convolves:
            made: list[nn.Module] = [
                nn.Conv2d(channels, width, 4, stride=2, padding=1),
                nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
                nn.Conv2d(2 * width, 1, 3, padding=1),
            ]
        else:
            made = [nn.Linear(values, 8 * width), nn.Linear(8 * width, 8 * width),
                    nn.Linear(8 * width, 1)]  # fmt: skip
        self.convolves, self.made = convolves, nn.ModuleList(made)

    def layers(self, x: Tensor) -> list[Tensor]:
        """Return the features of each layer of pictures ``x`` ``[n, *shape]``; scores are last."""
        h, found = x if self.convolves else x.flatten(1), []
        for i, layer in enumerate(self.made):
            h = layer(h) if i == 0 else layer(F.leaky_relu(h, _SLOPE))
            found.append(h)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores ``[n, ...]`` of pictures ``x`` ``[n, *shape]``, black at -1."""
        scores: Tensor = self.layers(x)[-1]
        return scores


def adaptive_weight(error: Tensor, verdict: Tensor, last: Tensor) -> Tensor:
    """Return |d error / d last| / |d verdict / d last|, so that both pull equally hard.

    ``last`` are the weights of the decoder's last layer.

    References:
        | Taming Transformers for High-Resolution Image Synthesis (Esser et al., 2020), equation 7
        | https://arxiv.org/abs/2012.09841

    Example:
        >>> last = torch.ones(2, requires_grad=True)
        >>> float(adaptive_weight((6 * last).sum(), (-2 * last).sum(), last))
        3.0
    """
    error_size, verdict_size = (
        torch.linalg.vector_norm(torch.autograd.grad(part, last, retain_graph=True)[0])
        for part in (error, verdict)
    )
    weight: Tensor = (error_size / verdict_size.clamp_min(1e-8)).clamp_max(_MOST)
    return weight.detach()


@dataclass(frozen=True)
class Refinement:
    """A game of decoder and critic, which begins once pictures are recognisable.

    The perceptual loss is the distance in the critic's own features, which are learned from these
    very pictures; LPIPS would need a network that was trained on photos.

    References:
        | Taming Transformers for High-Resolution Image Synthesis (Esser et al., 2020)
        | https://arxiv.org/abs/2012.09841
        | Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2015)
        | https://arxiv.org/abs/1512.09300
    """

    generator: FirstStage
    discriminator: Critic
    adversarial: float
    perceptual: float
    every: int = 16

    def discriminate(
        self, batch: Batch, noise: torch.Generator, penalised: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the critic's hinge loss, and a penalty on its slope at data if ``penalised``."""
        real = scaled(batch[0], self.generator.levels)
        with torch.no_grad():
            fake = self.generator.planes(self._coded(batch[0], noise)[0])
        real.requires_grad_(penalised)
        scores = self.discriminator(real)
        loss = losses.discriminator_loss("hinge", scores, self.discriminator(fake))
        penalty = torch.zeros((), device=real.device)
        if penalised:  # or its scores would grow for ever, and its features with them
            penalty = losses.r1(scores.flatten(1).mean(1), real, 0.1 * self.every)
        return loss, penalty

    def generate(self, batch: Batch, noise: torch.Generator) -> Tensor:
        """Return the autoencoder's loss: error, likeness, codebook and the critic's verdict."""
        stage, real = self.generator, scaled(batch[0], self.generator.levels)
        codes, extra = self._coded(batch[0], noise)
        fake = stage.planes(codes)
        *shown, scores = self.discriminator.layers(fake)
        with torch.no_grad():
            known = self.discriminator.layers(real)[:-1]
        alike = sum((a - b).abs().mean() for a, b in zip(shown, known, strict=True))
        error = stage.error(fake, batch[0]) + self.perceptual * _ALIKE * alike
        verdict = -scores.mean()
        weight = self.adversarial * adaptive_weight(error, verdict, stage.last)
        return error + weight * verdict + extra

    def _coded(self, x: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        assert self.generator.codebook is not None
        return self.generator.codebook.quantised(self.generator.encode(x), noise)
