"""What a diffusion over data says when asked: its guesses, its chain and its flow."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gengauge_plugins.diffusion.denoising import LevelDenoising
from gengauge_plugins.diffusion.guidance import Guide
from gengauge_plugins.diffusion.inpainting import inpaint
from gengauge_plugins.diffusion.likelihoods import Flow, last_deviation, log_normal, log_rounded
from gengauge_plugins.diffusion.network import Form, Network
from gengauge_plugins.diffusion.schedule import Schedule, alpha_sigma
from gengauge_plugins.networks.drawing import below_one

ROWS = 1024  # states denoised at once
_INPAINTING = 25  # steps, each of them taken a few times


class Answers:
    """The questions that a trained network answers, whatever made it."""

    network: Network
    form: Form
    schedule: Schedule
    guidance: float

    @property
    def _device(self) -> torch.device:
        return self.network.shift.device

    def _guide(self, n: int, labels: Tensor | None = None) -> Guide:
        """Return what denoises ``n`` states, towards ``labels`` ``[n]`` where there are any."""
        network = self.network
        nothing = torch.full((n,), self.form.classes, device=self._device)
        return Guide(network.denoising, labels, nothing if network.free else None, self.guidance,
                     network.classifier)  # fmt: skip

    def _guess(self, states: Tensor, log_ratios: Tensor) -> Tensor:
        """Return x_0 ``[n, *event]`` of no class in particular, within the data's range."""
        guess: Tensor = self._unasked(states, log_ratios)
        return guess if self.form.levels is None else guess.clamp(-1, 1)

    def _unasked(self, states: Tensor, log_ratios: Tensor) -> Tensor:
        guide = self._guide(len(states))
        out: Tensor = guide.denoising(states, log_ratios, guide.nothing)
        return out

    def _in_units(self, states: Tensor) -> Tensor:
        x = states.double() * self.network.spread + self.network.shift
        if self.form.levels is None:
            return x.float()
        return below_one(((x + 0.5) / self.form.levels).float())

    def alphas_cumprod(self) -> Tensor:
        """Return the signal's share ``[T]`` of the variance after each step."""
        return self.schedule.alphas_cumprod

    def scaling(self) -> tuple[Tensor, Tensor]:
        """Return shift and spread of the states."""
        return self.network.shift, self.network.spread

    def predict(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, None]:
        """Return the guess of x_0 behind ``x_t`` at steps ``t`` ``[n]``; the variance is fixed."""
        ratios = self.schedule.log_ratios.to(t.device)[t]
        return self._guess(x_t.float(), ratios), None

    @torch.no_grad()
    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Return the clean guess of ``x`` ``[n, *event]`` with noise ``sigma`` on it."""
        network = self.network
        ratio = sigma / network.spread.square().mean().sqrt()
        ratios = ratio.log().clamp(self.schedule.least, self.schedule.most).expand(len(x))
        states = network.scaled(x.to(self._device))
        alpha, _ = alpha_sigma(ratios, states)
        parts = zip(
            torch.split((alpha * states).float(), ROWS), torch.split(ratios, ROWS), strict=True
        )
        guess = torch.cat([self._guess(*part) for part in parts]).double()
        return (guess * network.spread + network.shift).float()

    @torch.no_grad()
    def inpaint(self, x: Tensor, known: Tensor, generator: torch.Generator) -> Tensor:
        """Return ``x`` ``[n, *event]`` where ``known`` is true, and what goes with it elsewhere."""
        known = known.to(self._device)
        zero = torch.zeros((), device=self._device)
        states = torch.where(known, self.network.scaled(x.to(self._device)).float(), zero)
        steps = min(_INPAINTING, self.schedule.steps)
        pairs = zip(torch.split(states, ROWS), torch.split(known, ROWS), strict=True)
        filled = [
            inpaint(self._guess, self.schedule, some, mask, steps, generator)
            for some, mask in pairs
        ]
        out = self._in_units(torch.cat(filled))
        if self.form.levels is not None:
            return out
        return torch.where(known, x.to(self._device, torch.float32), out)

    def log_reconstruction(self, x: Tensor, x_1: Tensor) -> Tensor:
        """Return log p(x | x_1) in nats ``[n]``: of levels a mass, else a normal density."""
        ratios = self.schedule.log_ratios.to(x_1.device)[:1].expand(len(x))
        denoising, levels = self.network.denoising, self.form.levels
        if isinstance(denoising, LevelDenoising):
            nothing = self._guide(len(x)).nothing
            return denoising.log_levels(x.to(x_1.device), x_1.float(), ratios, nothing)
        mean = self._guess(x_1.float(), ratios) * self.network.spread + self.network.shift
        deviation = self.network.spread * last_deviation(self.schedule)
        if levels is None:
            return log_normal(x.to(x_1.device), mean, deviation).flatten(1).sum(1)
        return log_rounded(x.to(x_1.device), mean, deviation, levels).flatten(1).sum(1)

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the probability flow's velocity ``[n, *event]`` at times ``t`` ``[n]``."""
        return self._flow.velocity(x, t)

    def log_base(self, x: Tensor) -> Tensor:
        """Return the log-density of the flow's base ``[n]`` in nats."""
        return self._flow.log_base(x)

    @property
    def _flow(self) -> Flow:
        """The probability flow; levels have gaps, where what has less noise has no density."""
        network, levels, start = self.network, self.form.levels, self.schedule.least
        shift, spread = network.shift, network.spread
        if levels is not None:
            start = max(start, math.log(2 / (levels - 1) / math.sqrt(12)))
            shift, spread = (shift + 0.5) / levels, spread / levels
        return Flow(self._unasked, start, self.schedule.most, shift, spread)
