"""The two players: a generator of data out of latents, and a discriminator of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gengauge_plugins.networks.conv import ConvDecoder, ConvEncoder
from gengauge_plugins.networks.mlp import mlp

CODE = 16  # dimensions of a class's embedding beside the latents
_SLOPE = 0.2  # below zero, DCGAN's
_UNITS = 32  # hidden units for one channel of the first convolution
_WIDER = 3  # times as many, where that is at half the size


def leaky() -> nn.Module:
    """Return the activation of discriminators: a smooth SiLU tells samples from data far worse."""
    return nn.LeakyReLU(_SLOPE)


def channels(hidden: int) -> int:
    """Return the channels at full resolution of convolutions that ``hidden`` asks for."""
    return max(4, hidden // _UNITS)


class Generator(nn.Module):
    """Latents ``[n, latent]`` to data ``[n, *shape]``.

    Levelled data is on the scale of bin centres, 0 to 1; other data is ``shift`` plus ``scale``
    times what the network says, both ``[*shape]``.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        body: nn.Module,
        latent: int,
        shift: Tensor,
        scale: Tensor,
        *,
        bounded: bool,
    ) -> None:
        super().__init__()
        self.latent, self.bounded = latent, bounded
        self.body = body
        for name, value in (("shift", shift), ("scale", scale)):
            self.register_buffer(name, value.to(torch.float32).clone())

    def forward(self, z: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return data of order one ``[n, *shape]``, as the discriminator sees it."""
        out: Tensor = self.body(z).view(len(z), *self.shift.shape)
        return out.tanh() if self.bounded else out

    def normalised(self, x: Tensor) -> Tensor:
        """Return data ``x`` as ``forward`` would have made it."""
        return (x - self.shift) / self.scale

    def decode(self, z: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return data in its units, or in 0 to 1, ``[n, *shape]``."""
        out: Tensor = self(z, rows)
        return out * self.scale + self.shift


class ToldGenerator(Generator):
    """A generator that is told a label, or a caption, beside its latents.

    Arguments:
        reader: Turns rows ``[n, ...]``, labels or tokens, into vectors beside the latents.
        rows: Training rows ``[k, ...]`` that samples of nothing in particular are drawn from.
        frequency: The share of each ``[k]``.
    """

    rows: Tensor
    frequency: Tensor

    def __init__(
        self,
        plain: Generator,
        reader: nn.Module,
        rows: Tensor,
        frequency: Tensor,
    ) -> None:
        super().__init__(plain.body, plain.latent, plain.shift, plain.scale, bounded=plain.bounded)
        self.reader = reader
        self.register_buffer("rows", rows.clone())
        self.register_buffer("frequency", frequency.to(torch.float32).clone())

    def forward(self, z: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return data of order one ``[n, *shape]`` of latents ``[n, latent]`` and rows."""
        return super().forward(torch.cat([z, self.reader(rows)], 1))

    def chosen(self, c: Tensor) -> Tensor:
        """Return the rows ``[n, ...]`` whose shares of the normal distribution hold ``c`` ``[n]``.

        Those that ``frequency`` says never come are never chosen.
        """
        ends = self.frequency.double().cumsum(0)
        last = int(torch.nonzero(self.frequency).max())  # rounding may leave a gap above it
        quantile = torch.special.ndtr(c.detach().double()).contiguous()
        return self.rows[torch.searchsorted(ends, quantile, right=True).clamp_max(last)]


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
        self.features = nn.Sequential(features, leaky())
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


def pair_features(shape: tuple[int, ...], hidden: int, convolve: bool) -> nn.Module:
    """Return an untrained network from data of ``shape`` to ``hidden`` features, for few steps.

    Convolutions begin at half the size, and see colours side by side in memory.
    """
    if not convolve:
        return nn.Sequential(nn.Flatten(), mlp(math.prod(shape), (hidden,) * 2, hidden, leaky))
    features = ConvEncoder(
        shape, _WIDER * channels(hidden), hidden, norm=False, activation=leaky, coarse=True
    )
    begin_loud(features)
    return features.to(memory_format=torch.channels_last)


def generator_body(inputs: int, shape: tuple[int, ...], hidden: int, convolve: bool) -> nn.Module:
    """Return the network from ``inputs`` numbers, latents and a class's vector, to ``shape``."""
    if convolve:
        return ConvDecoder(inputs, shape, channels(hidden), shape[0])
    return mlp(inputs, (hidden,) * 3, math.prod(shape))


def begin_loud(features: nn.Module) -> None:
    """Draw weights anew so that signals do not fade from one leaky layer to the next.

    At torch's own start they do, and for hundreds of steps the same is said of everything.
    Perceptrons are better off there (digits: FD 2.0, not 3.1).
    """
    for weight in features.parameters():
        if weight.ndim > 1:
            nn.init.kaiming_normal_(weight, a=_SLOPE)


def discriminator(
    classes: int, shape: tuple[int, ...], hidden: int, convolve: bool, spectral: bool
) -> Discriminator:
    """Return the opponent of such a generator, with as many weights or so."""
    if convolve:
        features: nn.Module = ConvEncoder(
            shape, channels(hidden), hidden, norm=False, activation=leaky
        )
        begin_loud(features)
    else:
        perceptron = mlp(math.prod(shape), (hidden,) * 2, hidden, leaky)
        features = nn.Sequential(nn.Flatten(), perceptron)
    return Discriminator(features, hidden, classes, spectral=spectral)
