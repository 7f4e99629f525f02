"""What steers sampling towards a class: a second look without it, or a classifier of noisy data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from gengauge_plugins.diffusion.denoising import Denoising
from gengauge_plugins.diffusion.schedule import Schedule, alpha_sigma


@dataclass(frozen=True)
class Guide:
    """A denoiser whose guesses lean ``weight`` times as far towards a condition as it says.

    Without a classifier the guess given the condition moves away from the guess without one. With
    one, the guess without a condition climbs the classifier's slope: exact at weight 1.

    References:
        | Classifier-Free Diffusion Guidance (Ho & Salimans, 2022), eq. 6, with w here 1 + w there
        | https://arxiv.org/abs/2207.12598
        | Diffusion Models Beat GANs on Image Synthesis (Dhariwal & Nichol, 2021), algorithm 2
        | https://arxiv.org/abs/2105.05233

    Arguments:
        denoising: Called with states, log-ratios and a condition.
        condition: What each state is to answer ``[n, ...]``; None asks for nothing.
        nothing: The condition that stands for none, of the same shape; None where the network
            takes no conditions, or no second look is needed.
        weight: 1 is the condition as it is, 0 none at all.
        classifier: Gives log-probabilities ``[n, classes]`` of noisy states.
    """

    denoising: Denoising
    condition: Tensor | None = None
    nothing: Tensor | None = None
    weight: float = 1.0
    classifier: NoisyClassifier | None = None

    @property
    def looks(self) -> int:
        """Evaluations of a network behind one guess."""
        if self.condition is None:
            return 1
        if self.classifier is not None:
            return 2 if self.weight else 1
        return 1 if self.weight in (0.0, 1.0) else 2

    def __call__(self, x_t: Tensor, log_ratios: Tensor) -> Tensor:
        """Return the guess of x_0 ``[n, *event]`` behind ``x_t`` at log-ratios ``[n]``."""
        if self.condition is not None and self.classifier is not None:
            return self._climbed(x_t, log_ratios)
        if self.looks == 1:
            asked = self.nothing if self.weight == 0 else self.condition
            return cast(Tensor, self.denoising(x_t, log_ratios, asked))
        assert self.condition is not None
        assert self.nothing is not None
        both = torch.cat([self.condition, self.nothing])
        guess = self.denoising(x_t.repeat(2, *[1] * (x_t.ndim - 1)), log_ratios.repeat(2), both)
        towards, without = guess.chunk(2)
        return cast(Tensor, without + self.weight * (towards - without))

    def _climbed(self, x_t: Tensor, log_ratios: Tensor) -> Tensor:
        guess: Tensor = self.denoising(x_t, log_ratios, self.nothing)
        if not self.weight:
            return guess
        assert self.condition is not None
        assert self.classifier is not None
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            logs = self.classifier(x, log_ratios).gather(1, self.condition[:, None])
            [slope] = torch.autograd.grad(logs.sum(), x)
        alpha, sigma = alpha_sigma(log_ratios, x_t)
        return guess + self.weight * sigma**2 / alpha * slope


class NoisyClassifier(nn.Module):
    """Log-probabilities ``[n, classes]`` of states with any amount of noise on them.

    The network sees the state times its share of signal. So its slope fades with that share, as
    the true one does: a network's slope would not, and be blown up where signal is scarce.

    Arguments:
        network: Called with states ``[n, *event]`` and times ``[n]``; answers ``[n, classes]``.
        schedule: Where times lie.
    """

    def __init__(self, network: nn.Module, schedule: Schedule) -> None:
        super().__init__()
        self.network, self.schedule = network, schedule

    def forward(self, x_t: Tensor, log_ratios: Tensor) -> Tensor:
        """Return log-probabilities ``[n, classes]`` of ``x_t`` at log-ratios ``[n]``."""
        alpha, _ = alpha_sigma(log_ratios, x_t)
        logits: Tensor = self.network(alpha * x_t, self.schedule.place(log_ratios))
        return logits.log_softmax(1)
