"""What a diffusion says of data: its last step's distribution, and its probability flow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_plugins.diffusion.samplers import Denoise
from gengauge_plugins.diffusion.schedule import Schedule, alpha_sigma


def last_deviation(schedule: Schedule) -> float:
    """Return the deviation of the step to the data: the noise itself, in place of a step's share.

    It is that of data behind noisy data where the density is flat. Ho et al. take a smaller one of
    the chain, which costs a nat and more a value of continuous data.
    """
    return math.exp(schedule.least)


def log_normal(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return log N(x; mean, deviation^2) of each value in nats, float64."""
    z = (x.double() - mean) / deviation
    return -0.5 * (z.square() + math.log(2 * math.pi)) - deviation.log()


def log_rounded(x: Tensor, mean: Tensor, deviation: Tensor, levels: int) -> Tensor:
    """Return log P(x) in nats of levels ``x``, N(mean, deviation^2) being rounded to levels.

    The edge bins take the tails (Ho et al. 2020, eq. 13).

    >>> log_rounded(torch.arange(3), torch.tensor(7.0), torch.tensor(2.0), 3).exp().sum()
    tensor(1., dtype=torch.float64)
    """
    below, above = ((x.double() - mean + side) / deviation for side in (-0.5, 0.5))
    mirrored = below > 0  # in the upper tail both distribution functions are 1
    low, high = torch.where(mirrored, -above, below), torch.where(mirrored, -below, above)
    logs = [torch.special.log_ndtr(end.double()) for end in (low, high, above, -below)]
    inner = logs[1] + torch.log(-torch.expm1((logs[0] - logs[1]).clamp_max(-1e-300)))
    return torch.where(x <= 0, logs[2], torch.where(x >= levels - 1, logs[3], inner))


@dataclass(frozen=True)
class Flow:
    """The differential equation whose states have, at every noise, the diffusion's density.

    Times run evenly in the log-ratio of noise to signal, which is where the velocity is smooth,
    from ``start`` at the data to the end of the schedule. With the angle ``phi`` of signal and
    noise a state moves by ``dx / dphi = v = alpha eps - sigma x_0``.

    References:
        | Score-Based Generative Modeling through Stochastic Differential Equations
        | (Song et al., 2021), section 4.3, https://arxiv.org/abs/2011.13456
        | Progressive Distillation for Fast Sampling of Diffusion Models (Salimans & Ho, 2022),
        | appendix D, https://arxiv.org/abs/2202.00512

    Arguments:
        denoise: The guess of x_0, of states in float32 at log-ratios.
        start: Log-ratio of the noise that data counts as having already.
        end: Log-ratio at the base.
        shift: Where the units of ``x`` have the states' zero.
        spread: How far they go for a unit of a state.
    """

    denoise: Denoise
    start: float
    end: float
    shift: Tensor
    spread: Tensor

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """Return dx/dt ``[n, *event]`` in float64 at times ``t`` ``[n]``, 0 at the data."""
        length = self.end - self.start
        ratios = self.start + t.double() * length
        states = self._states(x)
        alpha, sigma = alpha_sigma(ratios, states)
        guess = self.denoise(states.float(), ratios).double()
        # v, times the sigma alpha that the angle moves by for a unit of log-ratio
        moved = alpha * alpha * (states - alpha * guess) - sigma * sigma * alpha * guess
        return moved * length * self._unit

    def log_base(self, x: Tensor) -> Tensor:
        """Return the log-density ``[n]`` of ``x`` whose states are standard normal, in nats."""
        states = self._states(x).flatten(1)
        jacobian = self._unit.log().expand(x.shape[1:]).sum()
        constant = 0.5 * states.shape[1] * math.log(2 * math.pi)
        return -0.5 * states.square().sum(1) - constant - jacobian

    @property
    def _unit(self) -> Tensor:
        """How far ``x`` goes for a unit of a state, which has lost a little of its signal."""
        return self.spread / math.sqrt(1 / (1 + math.exp(2 * self.start)))

    def _states(self, x: Tensor) -> Tensor:
        return (x.double() - self.shift) / self._unit
