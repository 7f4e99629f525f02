"""The two players: a generator of data out of latents, and a discriminator of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gengauge_plugins.networks.conv import ConvDecoder, ConvEncoder
from gengauge_plugins.networks.mlp import mlp

_CODE = 16  # dimensions of a class's embedding beside the latents
_SLOPE = 0.2  # below zero, DCGAN's
_UNITS = 32  # hidden units for one channel of the first convolution


def _leaky() -> nn.Module:
    return nn.LeakyReLU(_SLOPE)  # a smooth SiLU tells samples from data far less well


def channels(hidden: int) -> int:
    """Return the channels at full resolution of convolutions that ``hidden`` asks for."""
    return max(4, hidden // _UNITS)


class Generator(nn.Module):
    """Latents ``[n, latent]``, and labels where there are ``classes``, to data ``[n, *shape]``.

    Levelled data is on the scale of bin centres, 0 to 1; other data is ``shift`` plus ``scale``
    times what the network says, both ``[*shape]``. ``frequency`` ``[classes]`` is that of the
    training labels.
    """

    shift: Tensor
    scale: Tensor
    frequency: Tensor

    def __init__(
        self,
        body: nn.Module,
        latent: int,
        shift: Tensor,
        scale: Tensor,
        frequency: Tensor,
        *,
        bounded: bool,
    ) -> None:
        super().__init__()
        self.latent, self.bounded = latent, bounded
        self.body = body
        self.code = nn.Embedding(len(frequency), _CODE) if len(frequency) else None
        for name, value in (("shift", shift), ("scale", scale), ("frequency", frequency)):
            self.register_buffer(name, value.to(torch.float32).clone())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return data of order one ``[n, *shape]``, as the discriminator sees it."""
        if self.code is not None:
            z = torch.cat([z, self.code(labels)], 1)
        out: Tensor = self.body(z).view(len(z), *self.shift.shape)
        return out.tanh() if self.bounded else out

    def normalised(self, x: Tensor) -> Tensor:
        """Return data ``x`` as ``forward`` would have made it."""
        return (x - self.shift) / self.scale

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return data in its units, or in 0 to 1, ``[n, *shape]``."""
        out: Tensor = self(z, labels)
        return out * self.scale + self.shift


class Discriminator(nn.Module):
    """Data ``[n, *shape]``, and labels where there are ``classes``, to scores ``[n]``.

    A label enters as a projection: the score is psi(phi(x)) + <v_label, phi(x)>. With
    ``spectral`` every weight, as a matrix of outputs by inputs, is divided by its largest singular
    value, which one power iteration a pass in training keeps up with.

    References:
        | cGANs with Projection Discriminator (Miyato & Koyama, 2018), equation 6
        | https://arxiv.org/abs/1802.05637
        | Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018),
        | algorithm 1, https://arxiv.org/abs/1802.05957
    """

    def __init__(
        self, features: nn.Module, width: int, classes: int = 0, *, spectral: bool = False
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(features, _leaky())
        self.score = nn.Linear(width, 1)
        self.direction = nn.Embedding(classes, width) if classes else None
        if self.direction is not None:  # of the score's own order, whatever the width
            nn.init.normal_(self.direction.weight, std=width**-0.5)
        if spectral:
            for module in [m for m in self.modules() if hasattr(m, "weight")]:
                spectral_norm(module)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the score of each ``x``, high for data."""
        h = self.features(x)
        score: Tensor = self.score(h)[:, 0]
        if self.direction is not None:
            score = score + (self.direction(labels) * h).sum(1)
        return score


def generator_body(
    latent: int, classes: int, shape: tuple[int, ...], hidden: int, convolve: bool
) -> nn.Module:
    """Return the network from latents, and a class's embedding, to ``shape``."""
    inputs = latent + (_CODE if classes else 0)
    if convolve:
        return ConvDecoder(inputs, shape, channels(hidden), shape[0])
    return mlp(inputs, (hidden,) * 3, math.prod(shape))


def discriminator(
    classes: int, shape: tuple[int, ...], hidden: int, convolve: bool, spectral: bool
) -> Discriminator:
    """Return the opponent of such a generator, with as many weights or so."""
    if convolve:
        features: nn.Module = ConvEncoder(
            shape, channels(hidden), hidden, norm=False, activation=_leaky
        )
        for weight in features.parameters():
            # at torch's own start signals fade from layer to layer, and for hundreds of steps the
            # same is said of everything; perceptrons are better off there (digits: FD 2.0, not 3.1)
            if weight.ndim > 1:
                nn.init.kaiming_normal_(weight, a=_SLOPE)
    else:
        perceptron = mlp(math.prod(shape), (hidden,) * 2, hidden, _leaky)
        features = nn.Sequential(nn.Flatten(), perceptron)
    return Discriminator(features, hidden, classes, spectral=spectral)
