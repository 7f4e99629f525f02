"""Log-density along a probability flow: the base's, plus the divergence that was passed.

log p(x(0)) = log p_base(x(1)) + integral over t of div v(x(t), t)
(Chen et al. 2018, Neural ODEs, https://arxiv.org/abs/1806.07366; Song et al. 2021, eq. 39,
https://arxiv.org/abs/2011.13456), by Runge-Kutta steps of fixed length, so that no example's
steps depend on another's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.likelihood import ProbabilityFlow
from gengauge_suites.likelihood.evaluating import of_shape

EXACT_UP_TO = 16  # dimensions whose divergence is summed one derivative at a time
_BATCH = 500


def log_density(
    model: ProbabilityFlow, x: Tensor, steps: int, probes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return log p(x) ``[n]`` and its standard error over probes ``[n]``, nats, float64.

    ``probes`` ``[p, n, d]`` are Rademacher vectors, one set an example, kept along its whole path
    (Grathwohl et al. 2019, FFJORD, https://arxiv.org/abs/1810.01367); None sums the exact
    divergence, and the error is zero.
    """
    found = []
    for start in range(0, len(x), _BATCH):
        part = x[start : start + _BATCH]
        mine = None if probes is None else probes[:, start : start + _BATCH].to(x.device)
        found.append(_solve(model, part, steps, mine))
    divergence = torch.cat([d for d, _ in found], 1).cpu()
    base = torch.cat([b for _, b in found])
    error = torch.zeros(len(x), dtype=torch.float64)
    if len(divergence) > 1:
        error = divergence.std(0) / len(divergence) ** 0.5
    return base + divergence.mean(0), error


def rademacher(probes: int, n: int, dimensions: int, generator: torch.Generator) -> Tensor:
    """Return random signs ``[probes, n, dimensions]``, float64."""
    bits = torch.randint(2, (probes, n, dimensions), generator=generator)
    return 2.0 * bits.to(torch.float64) - 1


def _solve(
    model: ProbabilityFlow, x: Tensor, steps: int, probes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the divergence's integrals ``[p, n]`` and the base's log-density ``[n]``."""
    state, h = x.to(torch.float64), 1.0 / steps
    total = torch.zeros(1, dtype=torch.float64, device=x.device)
    for step in range(steps):
        t = step * h
        v1, d1 = _rates(model, state, t, probes)
        v2, d2 = _rates(model, state + 0.5 * h * v1, t + 0.5 * h, probes)
        v3, d3 = _rates(model, state + 0.5 * h * v2, t + 0.5 * h, probes)
        v4, d4 = _rates(model, state + h * v3, t + h, probes)
        state = state + h / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        total = total + h / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    with torch.no_grad():
        base = of_shape(model.log_base(state), (len(x),), "log_base")
    return total, base


def _rates(
    model: ProbabilityFlow, x: Tensor, t: float, probes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the velocity ``[n, *event]`` and its divergence ``[p, n]``, p = 1 when exact."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        times = torch.full((len(x),), t, dtype=torch.float64, device=x.device)
        velocity = model.velocity(x, times)
        if velocity.shape != x.shape:
            came, wanted = list(velocity.shape), list(x.shape)
            raise ValueError(f"velocity returned shape {came}, expected {wanted}")
        flat = velocity.to(torch.float64).flatten(1)
        if probes is None:
            rows = [_gradient(column, x)[:, j] for j, column in enumerate(flat.unbind(1))]
            divergence = torch.stack(rows).sum(0, keepdim=True)
        else:
            products = [_gradient(flat * signs, x) * signs for signs in probes]
            divergence = torch.stack(products).sum(-1)
    return flat.detach().view(x.shape), divergence


def _gradient(values: Tensor, x: Tensor) -> Tensor:
    """Return the gradient ``[n, d]`` of the sum of ``values``; zero where x does not enter."""
    if not values.requires_grad:
        return torch.zeros_like(x).flatten(1)
    [found] = torch.autograd.grad(
        values.sum(), x, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return found.to(torch.float64).flatten(1)
