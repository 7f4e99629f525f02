"""Convolutional networks between images and vectors, for any size from 4 x 4 pixels up."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

_SMALLEST = 7  # a side that is not halved any more
_LEAST = 4  # a shorter side has nothing to convolve
_DENSE = 256  # values that a perceptron learns as well as convolutions do, and sooner
_GROUP = 16  # channels that are normalised together


def convolves(kind: str, shape: tuple[int, ...]) -> bool:
    """Return whether networks of ``kind`` (auto, dense or conv) convolve data of ``shape``.

    ``auto`` convolves pictures of more than 256 values; ``ValueError`` where nothing can be
    convolved and it is asked for.

    >>> convolves("auto", (1, 8, 8)), convolves("auto", (1, 28, 28)), convolves("auto", (784,))
    (False, True, False)
    """
    possible = len(shape) == 3 and min(shape[1:]) >= _LEAST
    if kind == "conv" and not possible:
        raise ValueError(
            f"convolutions need images of at least {_LEAST} x {_LEAST} pixels, and the data has "
            f"shape {list(shape)}; take dense networks"
        )
    return possible and (kind == "conv" or (kind == "auto" and math.prod(shape) > _DENSE))


def sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sides of each stage, the image's own first, halved until one is at most 7.

    >>> sizes(28, 28)
    [(28, 28), (14, 14), (7, 7)]
    """
    found = [(height, width)]
    while min(found[-1]) > _SMALLEST:
        found.append(tuple((side + 1) // 2 for side in found[-1]))  # type: ignore[arg-type]
    return found


def _norm(channels: int, used: bool) -> nn.Module:
    # of an example's own channels: nothing may depend on who else is in the batch
    return nn.GroupNorm(max(1, channels // _GROUP), channels) if used else nn.Identity()


class ConvEncoder(nn.Module):
    """Images ``[n, *shape]`` to vectors ``[n, outputs]``: a strided convolution a stage.

    Channels are ``width`` and double with each stage. ``norm`` puts a group normalisation after
    every convolution but the first; discriminators go without. ``coarse`` leaves out the stage at
    full resolution, so that ``width`` is that of half the size: a third of the cost.

    References:
        | Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
        | Networks (Radford et al., 2015), https://arxiv.org/abs/1511.06434
        | Group Normalization (Wu & He, 2018), https://arxiv.org/abs/1803.08494

    Example:
        >>> import torch
        >>> ConvEncoder((1, 28, 28), width=16, outputs=10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int,
        outputs: int,
        *,
        norm: bool = True,
        activation: Callable[[], nn.Module] = nn.SiLU,
        coarse: bool = False,
    ) -> None:
        super().__init__()
        channels, height, width_ = shape
        stages = sizes(height, width_)
        layers: list[nn.Module] = []
        last = channels
        if not coarse or len(stages) == 1:
            layers, last = [nn.Conv2d(channels, width, 3, padding=1), activation()], width
        for i in range(1, len(stages)):
            wider = width * 2 ** (i - coarse)
            # an odd side needs another pixel, for the halves to meet the decoder's
            kernel = 3 if any(side % 2 for side in stages[i - 1]) else 4
            layers += [nn.Conv2d(last, wider, kernel, stride=2, padding=1), _norm(wider, norm)]
            layers.append(activation())
            last = wider
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(last * math.prod(stages[-1]), outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors ``[n, outputs]`` of images ``x`` ``[n, *shape]`` of floats."""
        out: Tensor = self.head(self.features(x))
        return out


class ConvDecoder(nn.Module):
    """Vectors ``[n, inputs]`` to ``channels`` planes of an image's size: the encoder backwards.

    Example:
        >>> import torch
        >>> ConvDecoder(10, (1, 28, 28), width=16, channels=2)(torch.zeros(3, 10)).shape
        torch.Size([3, 2, 28, 28])
    """

    def __init__(
        self, inputs: int, shape: tuple[int, ...], width: int, channels: int, *, norm: bool = True
    ) -> None:
        super().__init__()
        self.stages = sizes(*shape[1:])[::-1]
        first = width * 2 ** (len(self.stages) - 1)
        self.head = nn.Linear(inputs, first * math.prod(self.stages[0]))
        self.first = nn.Sequential(_norm(first, norm), nn.SiLU())
        self.ups = nn.ModuleList()
        for i in range(1, len(self.stages)):
            wide = first // 2**i
            up = nn.ConvTranspose2d(wide * 2, wide, 4, stride=2, padding=1)
            self.ups.append(nn.Sequential(up, _norm(wide, norm), nn.SiLU()))
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Return planes ``[n, channels, H, W]`` of vectors ``z`` ``[n, inputs]``."""
        height, width = self.stages[0]
        h = self.first(self.head(z).view(len(z), -1, height, width))
        for up, (height, width) in zip(self.ups, self.stages[1:], strict=True):
            h = up(h)[:, :, :height, :width]  # an odd side is one less than twice its half
        planes: Tensor = self.last(h)
        return planes
