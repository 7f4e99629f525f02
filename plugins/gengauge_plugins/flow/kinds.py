"""Flows of vectors, on zuko's transforms: coupling and autoregressive, by the map of each value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import zuko
from torch import Tensor, nn
from torch.nn import functional as F
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.flows.gaussianization import ElementWiseTransform
from zuko.transforms import AdditiveTransform, MonotonicAffineTransform, MonotonicRQSTransform

VECTOR_KINDS = ("nsf", "nsf-ar", "realnvp", "maf", "nice")
AUTOREGRESSIVE = ("nsf-ar", "maf")


@dataclass(frozen=True)
class Shape:
    """How large a flow of vectors is: layers, width of their networks, pieces of their splines."""

    transforms: int = 4
    hidden: int = 96
    bins: int = 8


class VectorFlow(nn.Module):
    """A chain of zuko's transforms from vectors ``[n, d]`` to standard normal noise ``[n, d]``.

    ``context`` numbers ``[n, context]`` steer every layer; labels come in as such.

    References:
        | NICE (Dinh et al., 2014), https://arxiv.org/abs/1410.8516
        | Density estimation using Real NVP (Dinh et al., 2016), https://arxiv.org/abs/1605.08803
        | Masked Autoregressive Flow (Papamakarios et al., 2017), https://arxiv.org/abs/1705.07057
        | Neural Spline Flows (Durkan et al., 2019), https://arxiv.org/abs/1906.04032

    Example:
        >>> flow = VectorFlow(3, "maf", Shape(transforms=2, hidden=8))
        >>> z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
        >>> noise, log_det = flow(z)
        >>> log_det.shape, torch.allclose(flow.inverse(noise), z, atol=1e-5)
        (torch.Size([5]), True)
    """

    def __init__(self, features: int, kind: str, shape: Shape, context: int = 0) -> None:
        super().__init__()
        self.classes = context
        layers = _layers(features, kind, shape, context)
        if kind == "nice":  # volume is kept but by one scaling at the end (section 3.3)
            layers.append(_scaling(features))
        self.chain = nn.ModuleList(layers)

    def transform(self, context: Tensor | None) -> Any:
        """Return the map for ``context`` ``[n, context]`` of floats, or None without any."""
        return zuko.transforms.ComposedTransform(*[layer(context) for layer in self.chain])

    def _context(self, labels: Tensor | None, like: Tensor) -> Tensor | None:
        return None if labels is None else F.one_hot(labels, self.classes).to(like.dtype)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return noise ``[n, d]`` and log |det| of the map in nats ``[n]``."""
        found = self.transform(self._context(labels, z)).call_and_ladj(z)
        return cast("tuple[Tensor, Tensor]", found)

    def inverse(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the vectors ``[n, d]`` that become ``noise``."""
        return cast(Tensor, self.transform(self._context(labels, noise)).inv(noise))

    def log_prob(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the log-density of ``z`` in nats ``[n]``, float64."""
        noise, log_det = self.forward(z, labels)
        return log_normal(noise) + log_det.double()

    def log_prob_each(self, z: Tensor, seen: Tensor) -> Tensor:
        """Return the log-density of ``z`` within each class of ``seen`` ``[m]``, ``[n, m]``."""
        each = [self.log_prob(z, label.expand(len(z))) for label in seen.to(z.device)]
        return torch.stack(each, 1)


def log_normal(noise: Tensor) -> Tensor:
    """Return the log-density of standard normal ``noise`` ``[n, d]`` in nats ``[n]``, float64.

    >>> log_normal(torch.zeros(1, 2)).exp()
    tensor([0.1592], dtype=torch.float64)
    """
    return -0.5 * (noise.double() ** 2 + math.log(2 * math.pi)).sum(-1)


def masks(features: int, layers: int) -> list[Tensor]:
    """Return random half masks in complementary pairs, so that every value gets transformed."""
    drawn: list[Tensor] = []
    for layer in range(layers):
        even = layer % 2 == 0
        drawn.append(torch.randperm(features) % 2 == 1 if even else ~drawn[-1])
    return drawn


def orders(features: int, layers: int) -> list[Tensor]:
    """Return random orders in pairs, the second backwards: what came last then comes first."""
    drawn: list[Tensor] = []
    for layer in range(layers):
        even = layer % 2 == 0
        drawn.append(torch.randperm(features) if even else features - 1 - drawn[-1])
    return drawn


def univariate(kind: str, bins: int) -> tuple[Callable[..., Any], list[tuple[int, ...]]]:
    """Return the map of one value and the shapes of what a network gives it."""
    if kind.startswith("nsf"):
        return partial(MonotonicRQSTransform, slope=1e-3), [(bins,), (bins,), (bins - 1,)]
    if kind == "nice":
        return AdditiveTransform, [()]
    return MonotonicAffineTransform, [(), ()]


def _layers(features: int, kind: str, shape: Shape, context: int) -> list[nn.Module]:
    each, shapes = univariate(kind, shape.bins)
    given = {
        "univariate": each, "shapes": shapes, "activation": nn.SiLU,
        "hidden_features": (shape.hidden, shape.hidden),
    }  # fmt: skip
    if features == 1 and not context:  # nothing is left that a network could look at
        del given["activation"], given["hidden_features"]
    if kind in AUTOREGRESSIVE:
        return [
            MaskedAutoregressiveTransform(features, context, order=order, **given)
            for order in orders(features, shape.transforms)
        ]
    return [
        GeneralCouplingTransform(features, context, mask=mask, **given)
        for mask in masks(features, shape.transforms)
    ]


def _scaling(features: int) -> nn.Module:
    layer: nn.Module = ElementWiseTransform(features)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
