"""An autoencoder whose codes are small pictures, for models that work in such codes."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.networks.codebook import Codebook
from gengauge_plugins.networks.conv import convolves
from gengauge_plugins.networks.drawing import normal
from gengauge_plugins.networks.logistic import nearest_level, scaled
from gengauge_plugins.networks.mlp import mlp

_LARGE = 16  # a side from which on codes have a quarter of it, and half of a shorter one
_ROWS = 2000  # pictures that PCA looks at
_QUIET = -6.0  # log-variance of codes at first


def code_shape(shape: tuple[int, ...], channels: int) -> tuple[int, int, int]:
    """Return the shape of a code of pictures ``shape``; 0 channels: four of a quarter, else two.

    >>> code_shape((1, 8, 8), 0), code_shape((1, 28, 28), 0), code_shape((3, 32, 32), 8)
    ((2, 4, 4), (4, 7, 7), (8, 8, 8))
    """
    shorter = 4 if min(shape[1:]) >= _LARGE else 2
    height, width = (-(-side // shorter) for side in shape[1:])
    return channels or shorter, height, width


class _Residual(nn.Module):
    """A block of two convolutions that adds to what it is given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.GroupNorm(max(1, width // 16), width), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 1),
        )  # fmt: skip

    def forward(self, h: Tensor) -> Tensor:
        return cast(Tensor, h + self.inner(h))


def _conv_encoder(channels: int, width: int, outputs: int, halvings: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.SiLU()]
    if halvings > 1:
        layers.append(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1))
        width *= 2
    return nn.Sequential(*layers, _Residual(width), nn.SiLU(), nn.Conv2d(width, outputs, 1))


def _conv_decoder(inputs: int, width: int, channels: int, halvings: int) -> nn.Sequential:
    wide = width * halvings
    layers = [nn.Conv2d(inputs, wide, 3, padding=1), _Residual(wide), nn.SiLU()]
    if halvings > 1:
        layers += [nn.ConvTranspose2d(wide, width, 4, stride=2, padding=1), nn.SiLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1))


class _Dense(nn.Module):
    """A perceptron that adds to a linear map, which can begin as PCA."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.more = mlp(inputs, hidden, outputs)
        last = self.more[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.linear(x) + self.more(x))


class FirstStage(nn.Module):
    """Levelled pictures to codes ``[n, c, h, w]`` and back, by convolutions or a perceptron.

    Both kinds minimise the absolute error, whose answer is a median and so blurs less than a mean.
    ``kl`` gives codes Gaussian noise and charges for how far they are from a standard normal one,
    at a very small rate: enough to keep codes near each other, too little to blur. ``vq`` replaces
    each place of a code by the nearest entry of a codebook; gradients pass it straight through.
    As in LDM the code of a picture is what comes *before* the codebook, which is the decoder's
    first layer, so that what diffusion makes is always decoded from entries.

    References:
        | High-Resolution Image Synthesis with Latent Diffusion Models (Rombach et al., 2021),
        | section 3.1, https://arxiv.org/abs/2112.10752
        | Neural Discrete Representation Learning (van den Oord et al., 2017)
        | https://arxiv.org/abs/1711.00937

    Arguments:
        shape: Of a picture: channels, height, width.
        levels: Of a pixel.
        kind: ``kl`` or ``vq``.
        channels: Of a code; 0 chooses, see :func:`code_shape`.
        width: Channels of the convolutions at half the size; perceptrons are 8 times as wide.
        codebook: Entries, where there is a codebook.
        kl: Weight of a code's distance from a standard normal, in nats.
        network: ``dense``, ``conv``, or ``auto``, which convolves pictures of more than 256 values.

    Example:
        >>> stage = FirstStage((1, 8, 8), 17, "vq", codebook=32)
        >>> x = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
        >>> stage.encode(x).shape, stage.indices(stage.encode(x)).shape
        (torch.Size([3, 2, 4, 4]), torch.Size([3, 4, 4]))
        >>> stage.decode(stage.encode(x)).shape
        torch.Size([3, 1, 8, 8])
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        levels: int,
        kind: str = "kl",
        channels: int = 0,
        width: int = 32,
        codebook: int = 256,
        kl: float = 1e-4,
        network: str = "auto",
    ) -> None:
        super().__init__()
        self.shape, self.levels, self.kind, self.kl = shape, levels, kind, kl
        self.width, self.network = width, network
        self.code = code_shape(shape, channels)
        inner = self.code[0] * (2 if kind == "kl" else 1)
        self.convolves = convolves(network, shape)
        self.encoder: nn.Module
        self.decoder: nn.Module
        if self.convolves:
            self.halvings = 2 if min(shape[1:]) >= _LARGE else 1
            self.encoder = _conv_encoder(shape[0], width, inner, self.halvings)
            self.decoder = _conv_decoder(self.code[0], width, shape[0], self.halvings)
        else:
            values, numbers = math.prod(shape), math.prod(self.code)
            hidden = (8 * width, 8 * width)
            self.encoder = _Dense(values, hidden, inner * math.prod(self.code[1:]))
            self.decoder = _Dense(numbers, hidden, values)
        self.codebook = Codebook(codebook, self.code[0]) if kind == "vq" else None
        self.register_buffer("shift", torch.zeros(self.code[0], 1, 1))
        self.register_buffer("scale", torch.ones(self.code[0], 1, 1))

    def _inner(self, x: Tensor) -> Tensor:
        """Return what the encoder says ``[n, c or 2 c, h, w]`` of levels ``x``."""
        y = scaled(x, self.levels)
        if not self.convolves:
            return cast(Tensor, self.encoder(y.flatten(1))).view(len(y), -1, *self.code[1:])
        height, width = (2**self.halvings * side for side in self.code[1:])
        padded = F.pad(y, (0, width - y.shape[3], 0, height - y.shape[2]), value=-1.0)
        return cast(Tensor, self.encoder(padded))

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes ``[n, c, h, w]`` of levels ``x`` ``[n, *shape]``, without noise."""
        inner = self._inner(x)
        return inner.chunk(2, 1)[0] if self.kind == "kl" else inner

    def planes(self, codes: Tensor) -> Tensor:
        """Return pictures ``[n, *shape]`` of codes as they come, black at -1 and white at 1."""
        if not self.convolves:
            return cast(Tensor, self.decoder(codes.flatten(1))).view(len(codes), *self.shape)
        return self.cut(self.decoder(codes))

    def cut(self, planes: Tensor) -> Tensor:
        """Return planes ``[n, any, height, width]`` without what convolutions were padded with."""
        return planes[:, :, : self.shape[1], : self.shape[2]]

    def features(self, codes: Tensor) -> Tensor:
        """Return what the decoder's last layer is given: half the size, ``width`` planes, if conv.

        ``[n, 8 width]`` of a perceptron.
        """
        if isinstance(self.decoder, _Dense):
            return cast(Tensor, self.decoder.more[:-1](codes.flatten(1)))
        return cast(Tensor, cast(nn.Sequential, self.decoder)[:-1](codes))

    @property
    def last(self) -> Tensor:
        """The weights of the decoder's last layer."""
        layers = self.decoder.more if isinstance(self.decoder, _Dense) else self.decoder
        return cast(Tensor, cast(nn.Sequential, layers)[-1].weight)

    def indices(self, codes: Tensor) -> Tensor:
        """Return the codebook's nearest entry ``[n, h, w]`` to each place of codes, int64."""
        assert self.codebook is not None
        return self.codebook.indices(codes)

    def entries(self, indices: Tensor) -> Tensor:
        """Return the codes ``[n, c, h, w]`` that ``indices`` ``[n, h, w]`` stand for."""
        assert self.codebook is not None
        return self.codebook.entries(indices)

    def decode(self, codes: Tensor) -> Tensor:
        """Return levels ``[n, *shape]`` of codes, each the nearest to what the decoder says."""
        if self.codebook is not None:
            codes = self.entries(self.indices(codes))
        return nearest_level((self.planes(codes) + 1) / 2 * (self.levels - 1), self.levels)

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return what training minimises for levels ``x``: errors in halves of the range."""
        inner = self._inner(x)
        if self.kind == "kl":
            mean, log_variance = inner.chunk(2, 1)
            log_variance = log_variance.clamp(-12.0, 4.0)
            noise = normal(tuple(mean.shape), generator, mean.device)
            codes = mean + (0.5 * log_variance).exp() * noise
            far = mean.square() + log_variance.exp() - 1 - log_variance
            extra = self.kl * 0.5 * far.flatten(1).sum(1).mean()
        else:
            assert self.codebook is not None
            codes, extra = self.codebook.quantised(inner, generator)
        return (self.planes(codes) - scaled(x, self.levels)).abs().mean() + extra

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Let perceptrons begin as PCA of levels ``x`` ``[n, *shape]``, codes as standard normal.

        Convolutions begin as they are.
        """
        if not isinstance(self.encoder, _Dense) or not isinstance(self.decoder, _Dense):
            return
        y = scaled(x[:_ROWS].cpu(), self.levels).flatten(1).double()
        centre = y.mean(0)
        _, deviations, axes = torch.linalg.svd(y - centre, full_matrices=False)
        count = min(math.prod(self.code), len(axes))
        deviations = (deviations[:count] / max(1, len(y) - 1) ** 0.5).clamp_min(1e-2)
        into, out = self.encoder.linear, self.decoder.linear
        nn.init.zeros_(into.weight)
        nn.init.zeros_(out.weight)
        size = float(deviations.square().mean().sqrt())
        into.weight[:count] = (axes[:count] / size).float()
        into.bias.fill_(_QUIET)
        into.bias[: math.prod(self.code)] = 0.0
        into.bias[:count] = -(into.weight[:count] @ centre.float())
        out.weight[:, :count] = (axes[:count].T * size).float()
        out.bias.copy_(centre)

    @torch.no_grad()
    def survey(self, codes: Tensor) -> None:
        """Remember the mean and the deviation of each channel of ``codes`` ``[n, c, h, w]``."""
        self.shift.copy_(codes.mean((0, 2, 3)).view_as(self.shift))
        self.scale.copy_(codes.std((0, 2, 3)).clamp_min(1e-6).view_as(self.scale))

    def described(self) -> dict[str, Any]:
        """Return what is needed to build this one again."""
        entries = len(self.codebook) if self.codebook else 1
        return {
            "shape": list(self.shape), "levels": self.levels, "kind": self.kind, "kl": self.kl,
            "channels": self.code[0], "width": self.width, "codebook": entries,
            "network": self.network,
        }  # fmt: skip
