"""The AIS metric: likelihoods of decoders and GANs, with a measure of how loose they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.likelihood import LatentDecoder, ObservationModel
from gengauge.metric import Score, unscored
from gengauge.statistics import mean_interval
from gengauge_suites.likelihood import schedules
from gengauge_suites.likelihood.annealing import (
    Posterior,
    Run,
    Scale,
    forward,
    log_mean,
    reverse,
)
from gengauge_suites.likelihood.evaluating import held_out
from gengauge_suites.likelihood.metrics import mean_score
from gengauge_suites.likelihood.observation import Noisy, choose_deviation

_VALIDATION = 24  # examples the noise is chosen on
_EXPLORED = 100  # temperatures, at least, of the run that finds better ones
_SCALED = 256  # prior draws that tell its scale


def ais(evidence: Evidence, examples: int, temperatures: int, chains: int, leapfrog: int) -> Score:
    """Return the annealed-importance-sampling lower bound on log p(x), nats per example.

    The details tell how loose it is: on data drawn from the model itself, of which a posterior
    draw is known, the same annealing run backwards bounds from above (bidirectional Monte Carlo).
    """
    decoder = evidence.model
    if not isinstance(decoder, LatentDecoder):
        return unscored("has no decoder with a prior")
    if len(evidence.dataset.test) < 2:
        return unscored(f"needs at least 2 test examples, got {len(evidence.dataset.test)}")
    model, how = _observed(evidence, decoder)
    if model is None:
        return unscored(f"needs validation examples to choose the noise on, got {how['got']}")
    sampler = Sampler(decoder, model, temperatures, leapfrog, evidence.generator("ais"))
    x = held_out(evidence, examples)
    sampler.learn(x[: max(2, len(x) // 2)])
    z, simulated = sampler.simulate(max(2, len(x) // 2))
    run = sampler.forward(torch.cat([x, simulated.to(x)]), chains)
    found = log_mean(run.log_weights, chains)
    bound, low = found[: len(x)], found[len(x) :]
    high = sampler.reverse(simulated, z, chains)
    details = {"observation": how, "acceptance": run.acceptance, "simulated": _gap(low, high)}
    protocol = {
        "observation": how["model"], "temperatures": temperatures, "chains": chains,
        "leapfrog": leapfrog,
    }  # fmt: skip
    return mean_score(bound, bound, "lower_bound", details, protocol)


def _observed(
    evidence: Evidence, decoder: LatentDecoder
) -> tuple[ObservationModel | Noisy | None, dict[str, Any]]:
    """Return p(x | z), the model's own or one with chosen noise, and what it is."""
    if isinstance(decoder, ObservationModel):
        return decoder, {"model": "the model's own"}
    data = evidence.dataset
    generator, n = evidence.generator("ais noise"), len(data.validation)
    if n < 2:
        return None, {"got": n}
    some = torch.randperm(n, generator=generator)[:_VALIDATION]
    x = data.validation.x[some].to(evidence.device)
    chosen = choose_deviation(decoder, x, data.levels, generator)
    how = {
        "model": "isotropic Gaussian noise, variance chosen on validation", "variance": chosen**2,
        "units": "the data's" if data.levels is None else "levels scaled to 0 .. 1",
        "validation_examples": len(x),
    }  # fmt: skip
    return Noisy(decoder, torch.tensor([chosen], dtype=torch.float64), data.levels), how


@dataclass
class Sampler:
    """Annealing of one model: chains of one example lie side by side in the rows."""

    decoder: LatentDecoder
    model: ObservationModel | Noisy
    temperatures: int
    leapfrog: int
    generator: torch.Generator

    def __post_init__(self) -> None:
        with torch.no_grad():
            self.scale = Scale.of(self.decoder.draw_prior(_SCALED, self.generator))
        self.betas = schedules.sigmoid(self.temperatures)
        self.steps: Tensor | None = None

    def _posterior(self, x: Tensor, chains: int) -> Posterior:
        rows = x.repeat_interleave(chains, 0)
        likelihood = partial(self.model.log_observation, rows)
        return Posterior(self.decoder.log_prior, likelihood, self.scale)

    def learn(self, x: Tensor) -> None:
        """Find temperatures and step lengths in a run whose weights are thrown away."""
        with torch.no_grad():
            likelihood = self._posterior(x, 1).log_likelihood(self._latents(len(x)))
        spread = float((likelihood - likelihood.mean()).double().pow(2).mean().sqrt())
        betas = schedules.exploring(max(self.temperatures, _EXPLORED), spread)
        run = self._forward(x, 1, betas, None)
        self.betas = schedules.even(betas, run.likelihoods.mean(1), self.temperatures)
        self.steps = schedules.lengths_at(self.betas, betas, run.steps)

    def forward(self, x: Tensor, chains: int) -> Run:
        """Return a run over ``chains`` rows for each of ``x``, with what was learned."""
        return self._forward(x, chains, self.betas, self.steps)

    def _forward(self, x: Tensor, chains: int, betas: Tensor, steps: Tensor | None) -> Run:
        z = self._latents(len(x) * chains)
        return forward(self._posterior(x, chains), z, betas, self.leapfrog, self.generator, steps)

    def _latents(self, n: int) -> Tensor:
        with torch.no_grad():
            return self.decoder.draw_prior(n, self.generator)

    def reverse(self, x: Tensor, z: Tensor, chains: int) -> Tensor:
        """Return upper bounds ``[n]`` on log p(x) from posterior draws ``z`` ``[n, q]``."""
        assert self.steps is not None
        weights = reverse(
            self._posterior(x, chains), z.repeat_interleave(chains, 0), self.betas, self.leapfrog,
            self.generator, self.steps,
        )  # fmt: skip
        return log_mean(weights, chains, -1)

    def simulate(self, n: int) -> tuple[Tensor, Tensor]:
        """Return ``n`` latents and data drawn from them: exact draws of the latents' posteriors."""
        z = self._latents(n)
        with torch.no_grad():
            return z, self.model.draw_observation(z, self.generator)


def _gap(low: Tensor, high: Tensor) -> dict[str, Any]:
    """Return what forward and reverse estimates ``[n]`` on simulated data say of the bound."""
    n = len(low)
    if not bool((high - low).isfinite().all()):
        return {"examples": n, "meaning": "an estimate was not finite: no gap is known"}
    return {
        "examples": n,
        "forward": float(low.mean()),
        "reverse": float(high.mean()),
        "gap": float((high - low).mean()),
        "gap_standard_error": mean_interval(high - low).standard_error,
        "meaning": "on data drawn from the model itself the bound is on average too low by "
        "at most this gap; on real data it may be by more",
    }
