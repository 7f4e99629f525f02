"""Networks between pictures and codes that begin as principal components, of patches or whole."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from gengauge_plugins.networks.mlp import mlp

_LEAST = 1e-2  # deviation of a component, or a constant one would be blown up
_GROUP = 16  # channels that are normalised together


class Coder(nn.Module):
    """A network ``more`` that adds to a linear map, and adds nothing at first.

    >>> coder = Coder(nn.Linear(3, 2), nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 2)))
    >>> x = torch.ones(1, 3)
    >>> bool((coder(x) == coder.linear(x)).all()), coder.features(x).shape
    (True, torch.Size([1, 8]))
    """

    def __init__(self, linear: nn.Linear | nn.Conv2d, more: nn.Sequential) -> None:
        super().__init__()
        self.linear, self.more = linear, more
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    @property
    def last(self) -> nn.Linear | nn.Conv2d:
        """The last layer of what adds."""
        return cast("nn.Linear | nn.Conv2d", self.more[-1])

    def features(self, x: Tensor) -> Tensor:
        """Return what the last layer is given."""
        return cast(Tensor, self.more[:-1](x))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both."""
        return cast(Tensor, self.linear(x) + self.more(x))


class _Residual(nn.Module):
    """A block of two convolutions that adds to what it is given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.GroupNorm(max(1, width // _GROUP), width), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 1),
        )  # fmt: skip

    def forward(self, h: Tensor) -> Tensor:
        return cast(Tensor, h + self.inner(h))


def dense_coder(inputs: int, hidden: int, outputs: int) -> Coder:
    """Return a coder of vectors ``[n, inputs]`` with two hidden layers."""
    return Coder(nn.Linear(inputs, outputs), mlp(inputs, (hidden, hidden), outputs))


def patch_encoder(channels: int, side: int, width: int, outputs: int) -> Coder:
    """Return a coder of pictures ``[n, channels, h, w]`` to ``[n, outputs, h/side, w/side]``.

    Its linear map looks at a patch, what adds to it at the patches around as well. All of it works
    at the codes' size: on a CPU a third of the time of convolutions that halve step by step.
    """
    return Coder(
        nn.Conv2d(channels, outputs, side, stride=side),
        nn.Sequential(
            nn.Conv2d(channels, width, side, stride=side), _Residual(width), nn.SiLU(),
            nn.Conv2d(width, outputs, 1),
        ),
    )  # fmt: skip


def patch_decoder(inputs: int, width: int, channels: int, side: int) -> Coder:
    """Return a coder of codes to patches ``[n, channels * side * side, h, w]``, yet unfolded."""
    values = channels * side * side
    return Coder(
        nn.Conv2d(inputs, values, 1),
        nn.Sequential(
            nn.Conv2d(inputs, width, 3, padding=1), _Residual(width), nn.SiLU(),
            nn.Conv2d(width, values, 1),
        ),
    )  # fmt: skip


@torch.no_grad()
def begin_as_pca(encoder: Coder, decoder: Coder, rows: Tensor, numbers: int, rest: float) -> None:
    """Let ``numbers`` outputs of an encoder be the principal components of ``rows`` ``[n, d]``.

    They have a mean of 0 and together a variance of 1 each, and the decoder undoes them; outputs
    after them begin as ``rest``, and components that are not there as 0.

    Example:
        >>> rows = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
        >>> there, back = dense_coder(3, 4, 6), dense_coder(3, 4, 3)
        >>> begin_as_pca(there, back, rows, 3, rest=-6.0)
        >>> bool((back(there(rows)[:, :3]) - rows).abs().max() < 1e-4), there(rows)[0, 3:].tolist()
        (True, [-6.0, -6.0, -6.0])
    """
    into, out = encoder.linear, decoder.linear
    rows = rows.double()
    centre = rows.mean(0)
    _, deviations, axes = torch.linalg.svd(rows - centre, full_matrices=False)
    count = min(numbers, len(axes))
    deviations = (deviations[:count] / math.sqrt(max(1, len(rows) - 1))).clamp_min(_LEAST)
    size = float(deviations.square().mean().sqrt())
    assert into.bias is not None
    assert out.bias is not None
    for layer in (into, out):
        nn.init.zeros_(layer.weight)
    into.bias.fill_(rest)
    into.bias[:numbers] = 0.0
    into.weight.flatten(1)[:count] = (axes[:count] / size).float()
    into.bias[:count] = -(axes[:count] @ centre / size).float()
    out.weight.flatten(1)[:, :count] = (axes[:count].T * size).float()
    out.bias.copy_(centre)
