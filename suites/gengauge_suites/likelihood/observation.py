"""Noise around a decoder that has none of its own, so that GANs have a likelihood too.

What is scored is then the model "decode, add isotropic Gaussian noise, and where the data has
levels round to them": its deviation is chosen on validation (Wu et al. 2017, section 4.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge.data import quantise
from gengauge.likelihood import LatentDecoder
from gengauge_suites.likelihood.annealing import Posterior, Scale, forward
from gengauge_suites.likelihood.evaluating import summed
from gengauge_suites.likelihood.normal_levels import log_normal, log_normal_mass

_LEAST, _BARELY_FELT = 1e-3, 30.0  # noise tried, over the data's own deviation
_TEMPERATURES, _LEAPFROG = 150, 4


@dataclass(frozen=True)
class Noisy:
    """``decoder`` plus noise of ``deviation`` ``[]`` or ``[n]``: an ``ObservationModel``.

    On levelled data the noise is on the scale of ``decode``, 0 to 1, and what is observed is
    the level whose bin it falls in: a mass that sums to one over the levels.
    """

    decoder: LatentDecoder
    deviation: Tensor
    levels: int | None

    def log_observation(self, x: Tensor, z: Tensor) -> Tensor:
        """Return exact log p(x_i | z_i) in nats ``[n]``, float64."""
        centre = self.decoder.decode(z).to(torch.float64)
        deviation = self._along(centre)
        if self.levels is None:
            return summed(log_normal(x, centre, 2 * deviation.log()))
        in_levels = centre * self.levels - 0.5, deviation * self.levels
        return summed(log_normal_mass(x, *in_levels, self.levels))

    def draw_observation(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Return one draw of p(x | z_i) for each ``z`` ``[n, q]``: floats, or levels."""
        with torch.no_grad():
            centre = self.decoder.decode(z).to(torch.float64)
        noise = torch.randn(centre.shape, generator=generator, dtype=torch.float64)
        x = centre + self._along(centre) * noise.to(centre.device)
        return x if self.levels is None else quantise(x, self.levels)

    def _along(self, centre: Tensor) -> Tensor:
        deviation = self.deviation.to(centre.device, torch.float64)
        return deviation.view(-1, *[1] * (centre.ndim - 1))


def choose_deviation(
    decoder: LatentDecoder, x: Tensor, levels: int | None, generator: torch.Generator
) -> float:
    """Return the deviation under which validation ``x`` ``[m, *event]`` is likeliest.

    Posteriors under ever less noise are one annealing path, whose inverse temperature is the
    noise's precision: a single run bounds the likelihood at every deviation on its way. A second
    run goes more slowly to where the first one found the best. Levels are taken at their bins'
    centres, and the noise at no less than a bin's own deviation.
    """
    y = x.to(torch.float64) if levels is None else (x.to(torch.float64) + 0.5) / levels
    widest = float((y - y.mean(0)).pow(2).mean().sqrt()) or 1.0
    least = widest * _LEAST if levels is None else 1 / (levels * math.sqrt(12))
    least = min(least, widest)
    for _ in range(2):
        best = _best(decoder, y, widest, least, generator)
        least = max(least, best / 2)
    return best


def _best(
    decoder: LatentDecoder, y: Tensor, widest: float, least: float, generator: torch.Generator
) -> float:
    """Return the deviation between ``widest`` and ``least`` with the highest bound."""
    ends = (math.log10(_BARELY_FELT * widest), math.log10(least))
    tried = torch.logspace(*ends, _TEMPERATURES, dtype=torch.float64)
    betas = torch.cat([torch.zeros(1, dtype=torch.float64), tried**-2])

    def fit(z: Tensor) -> Tensor:
        return -0.5 * summed((y - decoder.decode(z).to(torch.float64)) ** 2)

    with torch.no_grad():
        z = decoder.draw_prior(len(y), generator)
    run = forward(Posterior(decoder.log_prior, fit, Scale.of(z)), z, betas, _LEAPFROG, generator)
    normaliser = y[0].numel() * (tried.log() + 0.5 * math.log(2 * math.pi))
    bound = (run.path.mean(1) - normaliser).nan_to_num(-math.inf)
    return float(tried[bound.masked_fill(tried > widest, -math.inf).argmax()])
