"""Dequantisation: the noise that turns levels into floats, uniform or learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gengauge_plugins.flow.glow.layers import Step, squeeze, unsqueeze
from gengauge_plugins.flow.glow.network import scales_of
from gengauge_plugins.flow.kinds import Shape, VectorFlow, log_normal
from gengauge_plugins.networks.drawing import normal

_EDGE = 1e-7  # noise nearer than this to 0 or 1 would round into another level
_STEPS = 2


class VariationalNoise(nn.Module):
    """Noise u in (0, 1) with a learned density q(u | x), so that (x + u) / levels is smooth.

    A flow conditioned on the levels moves Gaussian noise, and the normal distribution function
    takes it into (0, 1): the identity is uniform noise. Images are looked at by convolutions.

    References:
        | Flow++: Improving Flow-Based Generative Models with Variational Dequantization and
        | Architecture Design (Ho et al., 2019), section 3.1, https://arxiv.org/abs/1902.00275

    Example:
        >>> x = torch.zeros(2, 16, dtype=torch.int64)
        >>> u, log_q = VariationalNoise((1, 4, 4), levels=4, width=8)(x, torch.Generator())
        >>> u.shape, log_q.shape, bool(((u > 0) & (u < 1)).all())
        (torch.Size([2, 16]), torch.Size([2]), True)
    """

    def __init__(self, shape: tuple[int, ...], levels: int, width: int) -> None:
        super().__init__()
        self.shape, self.levels = shape, levels
        scales = scales_of(shape)
        self.flow: VectorFlow | None = None
        self.steps = nn.ModuleList()
        if scales:
            size = scales[0]
            self.steps.extend(
                Step("realnvp", size, width, 0, context=size[0]) for _ in range(_STEPS)
            )
        else:
            features = math.prod(shape)
            sizes = Shape(transforms=2, hidden=width)
            self.flow = VectorFlow(features, "realnvp", sizes, context=features)

    def forward(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return noise ``[n, d]`` and log q(u | x) in nats ``[n]``, float64, of levels ``x``."""
        dtype = next(self.parameters()).dtype
        base = normal(tuple(x.shape), generator, x.device).to(dtype)
        seen = x.to(dtype) * (2 / max(1, self.levels - 1)) - 1
        moved, log_det = self.moved(base, seen)
        moved = moved.double()
        u = torch.special.ndtr(moved)
        log_q = log_normal(base) - log_det.double() - log_normal(moved)
        return u.clamp(_EDGE, 1 - _EDGE), log_q

    def moved(self, base: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return what Gaussian noise ``base`` becomes beside levels ``seen``, and log |det|."""
        if self.flow is not None:
            moved, log_det = self.flow.transform(seen).call_and_ladj(base)
            return moved, log_det
        context, y = (squeeze(v.view(-1, *self.shape)) for v in (seen, base))
        total = torch.zeros(len(base), dtype=base.dtype, device=base.device)
        for step in self.steps:
            y, log_det = step(y, context)
            total = total + log_det
        return unsqueeze(y).flatten(1), total
