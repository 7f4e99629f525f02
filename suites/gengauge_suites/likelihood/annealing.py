"""Annealed importance sampling between a prior and a posterior, by Hamiltonian Monte Carlo.

Neal 2001, Annealed Importance Sampling, https://arxiv.org/abs/physics/9803008; for decoders
Wu et al. 2017, https://arxiv.org/abs/1611.04273; run backwards from an exact posterior draw it
bounds from above (Grosse et al. 2015, https://arxiv.org/abs/1511.02543).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# 0.65 is cheapest in equilibrium (Neal 2011, section 4.4); chains that lag need smaller steps
_TARGET = 0.8
_GAIN = 0.5
_FIRST_STEP = 0.5
_REACH = 1e3  # deviations of the prior

LogDensity = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Scale:
    """The prior's deviation ``[q]``, which steps are measured in, and its reach ``[q]``.

    A trajectory that leaves the reach is rejected: it diverges, and a network is not to be asked
    about what overflows. Being a bound on states, it keeps the chain reversible.
    """

    deviation: Tensor
    reach: Tensor

    @classmethod
    def of(cls, z: Tensor) -> Scale:
        """Return the scale of prior draws ``z`` ``[n, q]``."""
        deviation = z.double().std(0, correction=0)
        deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
        return cls(deviation, z.double().mean(0).abs() + _REACH * deviation)


@dataclass(frozen=True)
class Posterior:
    """Log prior and log-likelihood ``[rows]`` of latents ``[rows, q]``."""

    log_prior: LogDensity
    log_likelihood: LogDensity
    scale: Scale


@dataclass(frozen=True)
class Run:
    """What one annealing run saw at each of its T temperatures.

    ``path`` ``[T, rows]`` are the log-weights so far, ``likelihoods`` ``[T, rows]`` the
    log-likelihoods before each step, and ``steps`` ``[T]`` the step lengths.
    """

    path: Tensor
    likelihoods: Tensor
    steps: Tensor
    acceptance: float

    @property
    def log_weights(self) -> Tensor:
        """The final log-weights ``[rows]``."""
        return self.path[-1]


@dataclass(frozen=True)
class _State:
    z: Tensor
    prior: Tensor
    likelihood: Tensor
    d_prior: Tensor
    d_likelihood: Tensor

    def energy(self, beta: float) -> Tensor:
        return -(self.prior + beta * self.likelihood)

    def force(self, beta: float) -> Tensor:
        return self.d_prior + beta * self.d_likelihood


def forward(
    target: Posterior,
    z: Tensor,
    betas: Tensor,
    leapfrog: int,
    generator: torch.Generator,
    steps: Tensor | None = None,
) -> Run:
    """Anneal prior draws ``z`` ``[rows, q]`` to the posterior; E[exp(log-weight)] = p(x).

    ``betas`` ``[T + 1]`` rise from 0. Without ``steps`` their lengths adapt to the acceptance,
    which makes the weights no longer exactly unbiased: a run to be measured is given the lengths
    that another one learned.
    """
    state = _at(target, z)
    weights = torch.zeros(len(z), dtype=torch.float64, device=z.device)
    length, path, seen, used, accepted = _FIRST_STEP, [], [], [], []
    for t in range(1, len(betas)):
        seen.append(state.likelihood)
        weights = weights + float(betas[t] - betas[t - 1]) * state.likelihood
        path.append(weights)
        length = length if steps is None else float(steps[t - 1])
        used.append(length)
        if t < len(betas) - 1:
            state, rate = _move(target, state, float(betas[t]), length, leapfrog, generator)
            accepted.append(float(rate.mean()))
            length *= math.exp(_GAIN * (accepted[-1] - _TARGET))
    lengths = torch.tensor(used, dtype=torch.float64)
    return Run(torch.stack(path).cpu(), torch.stack(seen).cpu(), lengths, _mean(accepted))


def reverse(
    target: Posterior,
    z: Tensor,
    betas: Tensor,
    leapfrog: int,
    generator: torch.Generator,
    steps: Tensor,
) -> Tensor:
    """Anneal exact posterior draws ``z`` back to the prior; E[exp(-log-weight)] = 1 / p(x).

    Returns log-weights ``[rows]``.
    """
    state = _at(target, z)
    weights = torch.zeros(len(z), dtype=torch.float64, device=z.device)
    for t in range(len(betas) - 1, 0, -1):
        weights = weights + float(betas[t] - betas[t - 1]) * state.likelihood
        if t > 1:
            beta, length = float(betas[t - 1]), float(steps[t - 2])
            state, _ = _move(target, state, beta, length, leapfrog, generator)
    return weights.cpu()


def log_mean(log_weights: Tensor, chains: int, sign: int = 1) -> Tensor:
    """Return each example's combined log-weight ``[n]`` from ``[n * chains]``.

    With ``sign`` 1 the log of the mean weight, with -1 minus the log of the mean inverse weight:
    either is tighter than one chain alone.
    """
    grouped = sign * log_weights.view(-1, chains)
    return sign * (grouped.logsumexp(1) - math.log(chains))


def _move(
    target: Posterior,
    state: _State,
    beta: float,
    length: float,
    leapfrog: int,
    generator: torch.Generator,
) -> tuple[_State, Tensor]:
    """Return the state after one Hamiltonian proposal, and each row's acceptance probability."""
    z, rows = state.z, len(state.z)
    noise = torch.randn(z.shape, generator=generator, dtype=torch.float64).to(z)
    u = torch.rand(2, rows, generator=generator, dtype=torch.float64).to(z.device)
    # short steps among the long free rows far out in a tail, where long ones are all rejected
    step = length * (0.1 + 1.1 * u[0]).to(z.dtype)[:, None] * target.scale.deviation.to(z)
    new, momentum, lost = _trajectory(target, state, beta, step, noise, leapfrog)
    before = state.energy(beta) + 0.5 * noise.double().pow(2).sum(1)
    after = new.energy(beta) + 0.5 * momentum.double().pow(2).sum(1)
    rate = (before - after).clamp_max(0).exp().nan_to_num(0.0).masked_fill(lost, 0.0)
    return _chosen(u[1] < rate, new, state), rate


def _trajectory(
    target: Posterior, start: _State, beta: float, step: Tensor, momentum: Tensor, leapfrog: int
) -> tuple[_State, Tensor, Tensor]:
    """Return the end of a leapfrog trajectory, its momentum, and the rows that left the reach."""
    reach, z = target.scale.reach.to(start.z), start.z
    lost = torch.zeros(len(z), dtype=torch.bool, device=z.device)
    momentum = momentum + 0.5 * step * start.force(beta)
    for left in reversed(range(leapfrog)):
        z = z + step * momentum
        lost = lost | ~(z.abs() <= reach).all(1)
        z = torch.where(lost[:, None], start.z, z)
        if left:
            momentum = momentum + step * _force(target, z, beta)
    end = _at(target, z)
    return end, momentum + 0.5 * step * end.force(beta), lost


def _chosen(take: Tensor, new: _State, old: _State) -> _State:
    row = take[:, None]
    return _State(
        torch.where(row, new.z, old.z),
        torch.where(take, new.prior, old.prior),
        torch.where(take, new.likelihood, old.likelihood),
        torch.where(row, new.d_prior, old.d_prior),
        torch.where(row, new.d_likelihood, old.d_likelihood),
    )


def _at(target: Posterior, z: Tensor) -> _State:
    """Return both log-densities ``[rows]``, float64, and their gradients at ``z``."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        prior, d_prior = _with_gradient(target.log_prior, z, "log_prior")
        likelihood, d_likelihood = _with_gradient(target.log_likelihood, z, "log_observation")
    return _State(z.detach(), prior, likelihood, d_prior, d_likelihood)


def _force(target: Posterior, z: Tensor, beta: float) -> Tensor:
    """Return the gradient of log prior + beta log-likelihood, in one pass."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = target.log_prior(z).sum() + beta * target.log_likelihood(z).sum()
        return _slope(value, z)


def _slope(value: Tensor, z: Tensor) -> Tensor:
    if not value.requires_grad:  # a uniform prior is flat
        return torch.zeros_like(z)
    [slope] = torch.autograd.grad(value, z, allow_unused=True, materialize_grads=True)
    return slope


def _with_gradient(function: LogDensity, z: Tensor, name: str) -> tuple[Tensor, Tensor]:
    values = function(z)
    if tuple(values.shape) != (len(z),):
        raise ValueError(f"{name} returned shape {list(values.shape)}, expected {[len(z)]}")
    return values.detach().double(), _slope(values.sum(), z)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 1.0
