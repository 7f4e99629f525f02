"""A flow of data: what it does to the data first, the flow itself, and the noise of levels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gengauge import dequantise
from gengauge_plugins.flow.glow.network import Glow, scales_of
from gengauge_plugins.flow.kinds import Shape, VectorFlow
from gengauge_plugins.flow.noise import VariationalNoise
from gengauge_plugins.flow.preprocess import Logit, Standardise
from gengauge_plugins.flow.quantiles import Quantiles

Preprocess = Standardise | Logit | Quantiles
_DENSE = 256  # values that a flow of vectors still learns in seconds


@dataclass(frozen=True)
class Plan:
    """All that decides how a flow of data is built, but for the data's own preprocessing."""

    shape: tuple[int, ...]
    levels: int | None
    kind: str
    classes: int
    sizes: Shape
    steps: int
    width: int
    variational: bool


def chosen_kind(kind: str, shape: tuple[int, ...]) -> str:
    """Return ``kind``, or where it is auto the one that suits data of ``shape``.

    >>> chosen_kind("auto", (1, 8, 8)), chosen_kind("auto", (1, 28, 28)), chosen_kind("maf", (2,))
    ('nsf', 'glow', 'maf')
    """
    if kind != "auto":
        return kind
    return "glow" if math.prod(shape) > _DENSE and scales_of(shape) else "nsf"


class Network(nn.Module):
    """A preprocessing map followed by a flow: an exact log-density of flat data ``[n, d]``."""

    def __init__(self, preprocess: Preprocess, plan: Plan) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.levels = plan.levels
        self.flow: VectorFlow | Glow
        if plan.kind == "glow":
            self.flow = Glow(plan.shape, steps=plan.steps, width=plan.width, classes=plan.classes)
        else:
            self.flow = VectorFlow(math.prod(plan.shape), plan.kind, plan.sizes, plan.classes)
        self.noise: VariationalNoise | None = None
        if plan.variational and plan.levels is not None:
            self.noise = VariationalNoise(plan.shape, plan.levels, plan.width)

    def _in(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, log_det = self.preprocess(x)
        return z.to(next(self.flow.parameters()).dtype), log_det

    def log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return log p(x), or within the classes ``labels`` ``[n]``, in nats ``[n]``, float64."""
        z, log_det = self._in(x)
        return self.flow.log_prob(z, labels) + log_det

    def log_prob_each(self, x: Tensor, seen: Tensor) -> Tensor:
        """Return log p(x | class) in nats ``[n, m]`` for each class of ``seen`` ``[m]``."""
        z, log_det = self._in(x)
        return self.flow.log_prob_each(z, seen) + log_det[:, None]

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the base variable ``[n, d]`` of ``x``."""
        noise: Tensor = self.flow(self._in(x)[0], labels)[0]
        return noise

    def inverse(self, base: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the data ``[n, d]`` of a base variable."""
        return self.preprocess.inverse(self.flow.inverse(base, labels))

    def floats(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | float]:
        """Return data ``x`` ``[n, d]`` as floats, and the noise's log-density in nats ``[n]``."""
        if self.levels is None:
            return x, 0.0
        if self.noise is None:
            return dequantise(x, self.levels, generator), 0.0
        u, log_q = self.noise(x, generator)
        return (x.double() + u) / self.levels, log_q

    def bound(self, x: Tensor, generator: torch.Generator, labels: Tensor | None = None) -> Tensor:
        """Return log p(y) - log q(y | x) ``[n]`` for one draw y of the noise, nats, float64.

        The scale is that of a density of y; on continuous data it is log p(x) itself.
        """
        y, log_q = self.floats(x, generator)
        return self.log_prob(y, labels) - log_q
