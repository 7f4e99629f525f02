"""The network of a diffusion, asked for one thing alone: the clean state behind a noisy one."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from gengauge_plugins.diffusion.schedule import Schedule, alpha_sigma

_DEGREE = 5  # of 17 levels: 1.92 bits a value of digits, where free logits reach 2.04


class Denoising(nn.Module):
    """A timed network on a schedule, with the meaning of its answer.

    ``epsilon`` is the noise, ``x0`` the state, and ``v = alpha eps - sigma x_0`` stays well
    conditioned at either end. States and conditions may be anything the network takes.

    References:
        | Progressive Distillation for Fast Sampling of Diffusion Models (Salimans & Ho, 2022),
        | appendix D, https://arxiv.org/abs/2202.00512

    Arguments:
        network: Called with states ``[n, *event]``, times ``[n]`` in [0, 1] and a condition; its
            answer has as many values as the states.
        schedule: Where times and steps lie.
        prediction: ``epsilon``, ``v`` or ``x0``.

    Example:
        >>> from gengauge_plugins.networks.residual import TimedResidual
        >>> denoising = Denoising(TimedResidual(2, 2, hidden=8), Schedule.of("cosine", 10), "v")
        >>> denoising(torch.ones(3, 2), torch.zeros(3)).detach()  # untrained: alpha times the state
        tensor([[0.7071, 0.7071],
                [0.7071, 0.7071],
                [0.7071, 0.7071]])
    """

    def __init__(self, network: nn.Module, schedule: Schedule, prediction: str) -> None:
        super().__init__()
        self.network, self.schedule, self.prediction = network, schedule, prediction

    def answer(self, x_t: Tensor, log_ratios: Tensor, condition: Tensor | None) -> Tensor:
        """Return what the network says ``[n, *event]`` of states at log-ratios ``[n]``."""
        times = self.schedule.place(log_ratios)
        return cast(Tensor, self.network(x_t, times, condition)).reshape(x_t.shape)

    def forward(self, x_t: Tensor, log_ratios: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the guess of x_0 ``[n, *event]`` behind ``x_t`` at log-ratios ``[n]``."""
        answer = self.answer(x_t, log_ratios, condition)
        if self.prediction == "x0":
            return answer
        alpha, sigma = alpha_sigma(log_ratios, x_t)
        if self.prediction == "epsilon":
            return (x_t - sigma * answer) / alpha
        return alpha * x_t - sigma * answer

    def losses(
        self, x: Tensor, eps: Tensor, log_ratios: Tensor, condition: Tensor | None
    ) -> Tensor:
        """Return the mean squared error ``[n]`` of the answer for states ``x`` with noise."""
        alpha, sigma = alpha_sigma(log_ratios, x)
        answer = self.answer(alpha * x + sigma * eps, log_ratios, condition)
        wanted = {"epsilon": eps, "x0": x, "v": alpha * eps - sigma * x}[self.prediction]
        return (answer - wanted).square().flatten(1).mean(1)


class LevelDenoising(Denoising):
    """A denoiser that gives each value of levelled data a distribution over its levels.

    A level's logit is its log-frequency, plus the log-likelihood of the noisy value, plus what the
    network says: a polynomial of the level, whose few coefficients learn in a tenth of the steps
    that free logits take. The network sees, beside the state, the mean that the first two alone
    would guess. Where noise is less than the gap between levels nothing is left to learn, and the
    guess is exact. The loss is that of ``v``, which is the bound's where the chain is long.

    References:
        | Variational Diffusion Models (Kingma et al., 2021), section 3.3 and appendix E
        | https://arxiv.org/abs/2107.00630
        | Structured Denoising Diffusion Models in Discrete State-Spaces (Austin et al., 2021),
        | section 3: x_0 as a categorical, https://arxiv.org/abs/2107.03006

    Arguments:
        network: Called with ``[n, 2 c, ...]``, for states of c channels (of c values when flat);
            answers ``[n, c * degree(levels), ...]``.
        schedule: Where times and steps lie.
        levels: Number of levels, evenly from -1 to 1 in the state's units.
        logits: Log-frequencies ``[c, levels, ...]``.

    Example:
        >>> from gengauge_plugins.networks.residual import TimedResidual
        >>> network = TimedResidual(2, degree(3), hidden=8)
        >>> schedule, even = Schedule.of("cosine", 10), torch.zeros(1, 3)
        >>> denoising = LevelDenoising(network, schedule, 3, even)
        >>> noisy = torch.tensor([[0.93], [0.08]])
        >>> denoising(noisy, schedule.log_ratios[:2]).detach().round(decimals=4)
        tensor([[1.],
                [0.]])
    """

    values: Tensor
    base: Tensor
    shapes: Tensor

    def __init__(self, network: nn.Module, schedule: Schedule, levels: int, logits: Tensor) -> None:
        super().__init__(network, schedule, "levels")
        self.register_buffer("values", torch.linspace(-1, 1, levels))
        self.register_buffer("base", logits.float().clone())
        self.register_buffer("shapes", polynomials(levels), persistent=False)

    def logits(self, x_t: Tensor, log_ratios: Tensor, condition: Tensor | None) -> Tensor:
        """Return each level's log-odds ``[n, c, levels, ...]``, up to a constant."""
        alpha, _ = alpha_sigma(log_ratios, x_t)
        width = log_ratios.double().exp().to(x_t).view(alpha.shape).unsqueeze(2)
        grid = self.values.to(x_t).view(1, 1, -1, *[1] * (x_t.ndim - 2))
        likely = -0.5 * (((x_t / alpha).unsqueeze(2) - grid) / width).square()
        naive = likely - likely.amax(2, keepdim=True).detach() + self.base.to(x_t)
        seen = torch.stack([x_t, self._mean(naive)], 2).flatten(1, 2)
        own = self.network(seen, self.schedule.place(log_ratios), condition)
        weights = own.reshape(len(x_t), x_t.shape[1], -1, *x_t.shape[2:])
        return naive + torch.einsum("nck...,lk->ncl...", weights, self.shapes.to(own))

    def _mean(self, logits: Tensor) -> Tensor:
        return torch.einsum("ncl...,l->nc...", logits.softmax(2), self.values.to(logits))

    def forward(self, x_t: Tensor, log_ratios: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the mean of x_0 ``[n, c, ...]`` behind ``x_t`` at log-ratios ``[n]``."""
        return self._mean(self.logits(x_t, log_ratios, condition))

    def log_levels(
        self, level: Tensor, x_t: Tensor, log_ratios: Tensor, condition: Tensor | None
    ) -> Tensor:
        """Return log P(level | x_t) ``[n]`` in nats, summed over the values of each example."""
        logs = self.logits(x_t, log_ratios, condition).log_softmax(2)
        found = logs.gather(2, level.long().unsqueeze(2)).squeeze(2)
        return found.flatten(1).double().sum(1)

    def losses(
        self, x: Tensor, eps: Tensor, log_ratios: Tensor, condition: Tensor | None
    ) -> Tensor:
        """Return the mean squared error ``[n]`` of v, as the guess of x_0 has it."""
        alpha, sigma = alpha_sigma(log_ratios, x)
        guess = self(alpha * x + sigma * eps, log_ratios, condition)
        return cast(Tensor, ((guess - x) / sigma).square().flatten(1).mean(1))


def degree(levels: int) -> int:
    """Return the degree of the polynomial of the level that a value's logits are.

    >>> degree(2), degree(17)
    (1, 5)
    """
    return min(levels - 1, _DEGREE)


def polynomials(levels: int) -> Tensor:
    """Return orthogonal polynomials ``[levels, degree(levels)]`` of the level, without constant."""
    v = torch.linspace(-1, 1, levels, dtype=torch.float64)
    powers = torch.stack([v**k for k in range(degree(levels) + 1)], 1)
    even: Tensor = torch.linalg.qr(powers)[0]
    scaled: Tensor = even[:, 1:] * levels**0.5
    return scaled.float()
