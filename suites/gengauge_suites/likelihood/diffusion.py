"""The variational bound of a Gaussian diffusion, summed over its steps.

log p(x) >= log p(x | x_1) - KL(q(x_T | x) | N(0, I)) - sum over t of KL(q(x_{t-1} | x_t, x) | p)
(Ho et al. 2020, Denoising Diffusion Probabilistic Models, eq. 5, https://arxiv.org/abs/2006.11239).
Here t runs from 0, as models count it; step 0 is the reconstruction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.likelihood import DiffusionDecoder, GaussianDiffusion
from gengauge_suites.likelihood.evaluating import held_out, of_shape, summed
from gengauge_suites.likelihood.normal_levels import log_normal, log_normal_mass

_BATCH = 256  # examples at a time: image networks hold many activations


@dataclass(frozen=True)
class Bound:
    """Lower bounds ``[n]`` in nats, how they were made, and their parts' means."""

    values: Tensor
    method: str
    details: dict[str, Any]


def bound(evidence: Evidence, terms: int) -> Bound:
    """Return the variational bound of every test example.

    Chains of at most ``terms`` steps are summed whole. Of longer ones each example draws
    ``terms`` steps, one from each stratum of equal length, twice over: unbiased, and the two
    halves tell what the drawing adds to the error. Draws are independent between examples, so
    the spread over examples holds that error already.
    """
    model = evidence.model
    assert isinstance(model, GaussianDiffusion)
    chain = Chain(model, evidence.dataset.levels, evidence.generator("diffusion"))
    parts = [chain.parts(x, terms) for x in torch.split(held_out(evidence), _BATCH)]
    prior, first, second, reconstruction = (
        torch.cat(column) for column in zip(*parts, strict=True)
    )
    values = reconstruction - prior - (first + second) / 2
    whole = chain.steps - 1 <= terms
    details: dict[str, Any] = {
        "prior": float(prior.mean()), "steps": float((first + second).mean() / 2),
        "reconstruction": float(reconstruction.mean()), "of_steps": chain.steps,
    }  # fmt: skip
    if whole:
        return Bound(values, f"variational bound over all {chain.steps} steps", details)
    error = float(((first - second) / 2).pow(2).sum().sqrt()) / len(values)
    details["step_drawing_standard_error"] = error
    method = f"variational bound, {2 * (terms // 2)} of {chain.steps} steps drawn by strata"
    return Bound(values, method, details)


class Chain:
    """The forward and reverse chains of ``model``, in scaled space; coefficients in float64."""

    def __init__(
        self, model: GaussianDiffusion, levels: int | None, generator: torch.Generator
    ) -> None:
        self.model, self.levels, self.generator = model, levels, generator
        self.signal = model.alphas_cumprod().detach().to("cpu", torch.float64)
        fine = (
            (self.signal > 0).all() and (self.signal < 1).all() and (self.signal.diff() < 0).all()
        )
        if self.signal.ndim != 1 or not len(self.signal) or not bool(fine):
            raise ValueError("alphas_cumprod must be [T], strictly falling and between 0 and 1")
        self.steps = len(self.signal)
        before = torch.cat([torch.ones(1, dtype=torch.float64), self.signal[:-1]])
        beta = 1 - self.signal / before
        # q(x_{t-1} | x_t, x_0) weighs x_0 with this, and has this variance (eq. 7)
        self.weight = before.sqrt() * beta / (1 - self.signal)
        variance = beta * (1 - before) / (1 - self.signal)
        # the last step's would be zero; it takes its neighbour's, as Ho et al. have it
        variance[0] = variance[1] if self.steps > 1 else beta[0]
        self.log_variance = variance.log()

    def parts(self, x: Tensor, terms: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the prior's KL, two estimates of the steps', and the reconstruction, ``[n]``."""
        shift, spread = (v.detach().to(x.device, torch.float64) for v in self.model.scaling())
        clean = (x.to(torch.float64) - shift) / spread
        reconstruction = self._reconstruction(x, clean, shift, spread)
        inner = self.steps - 1
        if inner <= terms:
            total = torch.zeros(len(x), dtype=torch.float64)
            for t in range(1, self.steps):
                total += self._divergence(clean, torch.full((len(x),), t))
            return self._prior(clean), total, total, reconstruction
        halves = [self._drawn(clean, max(1, terms // 2)) for _ in range(2)]
        return self._prior(clean), halves[0], halves[1], reconstruction

    def _drawn(self, clean: Tensor, strata: int) -> Tensor:
        """Return an unbiased estimate ``[n]`` of the sum over t = 1 .. T - 1 of the steps' KL."""
        width, total = (self.steps - 1) / strata, torch.zeros(len(clean), dtype=torch.float64)
        for stratum in range(strata):
            u = torch.rand(len(clean), generator=self.generator, dtype=torch.float64)
            t = ((stratum + u) * width).floor().long().clamp_max(self.steps - 2) + 1
            total += width * self._divergence(clean, t)
        return total

    def _prior(self, clean: Tensor) -> Tensor:
        signal = float(self.signal[-1])
        noise = 1 - signal
        return summed(0.5 * (signal * clean**2 + noise - 1 - math.log(noise))).cpu()

    def _noised(self, clean: Tensor, t: Tensor) -> Tensor:
        signal = _along(self.signal[t], clean)
        noise = torch.randn(clean.shape, generator=self.generator, dtype=torch.float64)
        return (signal.sqrt() * clean + (1 - signal).sqrt() * noise.to(clean.device)).float()

    def _predict(self, noised: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the predicted x_0 and the reverse step's log-variance, float64."""
        with torch.no_grad():
            guess, log_variance = self.model.predict(noised, t.to(noised.device))
        if guess.shape != noised.shape:
            came, wanted = list(guess.shape), list(noised.shape)
            raise ValueError(f"predict returned x_0 of shape {came}, expected {wanted}")
        if log_variance is None:
            log_variance = _along(self.log_variance[t], guess)
        return guess.to(torch.float64), log_variance.to(torch.float64).expand_as(guess)

    def _divergence(self, clean: Tensor, t: Tensor) -> Tensor:
        """Return KL(q(x_{t-1} | x_t, x_0) | p(x_{t-1} | x_t)) ``[n]`` at one draw of x_t."""
        guess, log_variance = self._predict(self._noised(clean, t), t)
        true, weight = _along(self.log_variance[t], clean), _along(self.weight[t], clean)
        miss = (weight * (clean - guess)) ** 2 * torch.exp(-log_variance)
        ratio = true - log_variance
        kl = summed(0.5 * (miss + torch.expm1(ratio) - ratio))
        return of_shape(kl, (len(clean),), "predict")

    def _reconstruction(self, x: Tensor, clean: Tensor, shift: Tensor, spread: Tensor) -> Tensor:
        t = torch.zeros(len(x), dtype=torch.int64)
        noised = self._noised(clean, t)
        if isinstance(self.model, DiffusionDecoder):
            with torch.no_grad():
                found = self.model.log_reconstruction(x, noised)
            return of_shape(found, (len(x),), "log_reconstruction")
        guess, log_variance = self._predict(noised, t)
        if self.levels is None:
            jacobian = spread.expand_as(clean).log()
            return summed(log_normal(clean, guess, log_variance) - jacobian).cpu()
        deviation = torch.exp(0.5 * log_variance) * spread
        return summed(log_normal_mass(x, guess * spread + shift, deviation, self.levels)).cpu()


def _along(values: Tensor, like: Tensor) -> Tensor:
    """Return ``values`` ``[n]`` shaped to multiply ``like`` ``[n, *event]``."""
    return values.to(like.device).view(-1, *[1] * (like.ndim - 1))
