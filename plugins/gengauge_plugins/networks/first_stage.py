"""An autoencoder whose codes are small pictures, for models that work in such codes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.networks.codebook import Codebook
from gengauge_plugins.networks.conv import convolves
from gengauge_plugins.networks.drawing import normal
from gengauge_plugins.networks.logistic import nearest_level, scaled
from gengauge_plugins.networks.patches import (
    begin_as_pca,
    dense_coder,
    patch_decoder,
    patch_encoder,
)

_LARGE = 16  # a side from which on codes have a quarter of it, and half of a shorter one
_ROWS = 2000  # pictures that PCA looks at
_PATCHES = 50_000  # and patches of them
_ERROR = 8.0  # weight of squared errors, next to the codebook's own
_QUIET = -6.0  # log-variance of codes at first


def code_shape(shape: tuple[int, ...], channels: int) -> tuple[int, int, int]:
    """Return the shape of a code of pictures ``shape``; 0 channels: four of a quarter, else two.

    >>> code_shape((1, 8, 8), 0), code_shape((1, 28, 28), 0), code_shape((3, 32, 32), 8)
    ((2, 4, 4), (4, 7, 7), (8, 8, 8))
    """
    shorter = 4 if min(shape[1:]) >= _LARGE else 2
    height, width = (-(-side // shorter) for side in shape[1:])
    return channels or shorter, height, width


class FirstStage(nn.Module):
    """Levelled pictures to codes ``[n, c, h, w]`` and back, by convolutions or a perceptron.

    Both begin as principal components, of patches or of whole pictures (see ``begin``), and learn
    to add to them. They minimise the squared error: by the absolute one, whose answer is a median,
    small shapes on a wide ground are not drawn at all for a long time. ``kl`` gives codes Gaussian
    noise and charges for how far they are from a standard normal one, at a very small rate: enough
    to keep codes near each other, too little to blur. ``vq`` replaces each place of a code by the
    nearest entry of a codebook; gradients pass it straight through.
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
        kl: float = 1e-5,
        network: str = "auto",
    ) -> None:
        super().__init__()
        self.shape, self.levels, self.kind, self.kl = shape, levels, kind, kl
        self.width, self.network = width, network
        self.code = code_shape(shape, channels)
        self.told = self.code[0] * (2 if kind == "kl" else 1)  # channels that the encoder says
        self.convolves = convolves(network, shape)
        self.side = 4 if min(shape[1:]) >= _LARGE else 2  # of a patch
        if self.convolves:
            self.wide = width * self.side // 2
            self.encoder = patch_encoder(shape[0], self.side, self.wide, self.told)
            self.decoder = patch_decoder(self.code[0], self.wide, shape[0], self.side)
        else:
            self.wide = 8 * width
            values, numbers = math.prod(shape), math.prod(self.code)
            self.encoder = dense_coder(values, self.wide, self.told * math.prod(self.code[1:]))
            self.decoder = dense_coder(numbers, self.wide, values)
        self.codebook = Codebook(codebook, self.code[0]) if kind == "vq" else None
        self.register_buffer("shift", torch.zeros(self.code[0], 1, 1))
        self.register_buffer("scale", torch.ones(self.code[0], 1, 1))

    def _inner(self, x: Tensor) -> Tensor:
        """Return what the encoder says ``[n, c or 2 c, h, w]`` of levels ``x``."""
        told: Tensor = self.encoder(self._seen(x))
        return told.view(len(x), self.told, *self.code[1:])

    def _seen(self, x: Tensor) -> Tensor:
        """Return levels as the encoder reads them: rows, or planes padded to whole patches."""
        y = scaled(x, self.levels)
        if not self.convolves:
            return y.flatten(1)
        height, width = (self.side * length for length in self.code[1:])
        return F.pad(y, (0, width - y.shape[3], 0, height - y.shape[2]), value=-1.0)

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes ``[n, c, h, w]`` of levels ``x`` ``[n, *shape]``, without noise."""
        inner = self._inner(x)
        return inner.chunk(2, 1)[0] if self.kind == "kl" else inner

    def planes(self, codes: Tensor) -> Tensor:
        """Return pictures ``[n, *shape]`` of codes as they come, black at -1 and white at 1."""
        if not self.convolves:
            rows: Tensor = self.decoder(codes.flatten(1))
            return rows.view(len(codes), *self.shape)
        return self.unfolded(self.decoder(codes))

    def unfolded(self, patches: Tensor) -> Tensor:
        """Return planes ``[n, any, height, width]`` of patches ``[n, any side^2, h, w]``."""
        planes = F.pixel_shuffle(patches, self.side)
        return planes[:, :, : self.shape[1], : self.shape[2]]  # without what was padded

    def features(self, codes: Tensor) -> Tensor:
        """Return what the decoder's last layer is given: ``[n, wide, h, w]``, or ``[n, wide]``."""
        return self.decoder.features(codes if self.convolves else codes.flatten(1))

    @property
    def last(self) -> Tensor:
        """The weights of the decoder's last layer."""
        return self.decoder.last.weight

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
        return self.error(self.planes(codes), x) + extra

    def error(self, planes: Tensor, x: Tensor) -> Tensor:
        """Return the squared error of ``planes`` as pictures of levels ``x``, weighted."""
        return _ERROR * (planes - scaled(x, self.levels)).square().mean()

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Let all begin as PCA of levels ``x`` ``[n, *shape]``, codes near a standard normal."""
        rows = self._seen(x[:_ROWS].cpu())
        if self.convolves:
            patches = F.unfold(rows, self.side, stride=self.side).movedim(1, 2).flatten(0, 1)
            rows = patches[:: -(-len(patches) // _PATCHES)]
        numbers = self.code[0] if self.convolves else math.prod(self.code)
        begin_as_pca(self.encoder, self.decoder, rows, numbers, rest=_QUIET)

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
