"""Per-example log-likelihoods of held-out data, by the strongest answer a model has.

The order of preference is: exact mass, exact density, importance-weighted bound, the model's own
variational bound, a diffusion's variational bound. Everything is computed once a trial.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gengauge.data import dequantise
from gengauge.evidence import Evidence
from gengauge.likelihood import Density, GaussianDiffusion, LatentVariable, Mass, VariationalBound
from gengauge_suites.likelihood import diffusion
from gengauge_suites.likelihood.evaluating import evaluate, held_out, of_shape

_WEIGHTS = 1 << 15  # log-weights at a time


@dataclass(frozen=True)
class Estimate:
    """Log-likelihoods in nats ``[n]``: exact, or lower bounds in expectation."""

    values: Tensor
    exact: bool
    method: str
    details: dict[str, Any] = field(default_factory=dict)
    dequantised: dict[str, float] = field(default_factory=dict)  # mean nats by each way


def continuous(evidence: Evidence, k: int, terms: int) -> Estimate | None:
    """Return log-densities ``[n]`` of the test examples, or None where the model has none."""
    model = evidence.model
    if isinstance(model, Density):
        values = evidence.memo("log_prob", lambda: evaluate(model.log_prob, held_out(evidence)))
        return Estimate(values, True, "density")
    return _bounded(evidence, k, terms)


def discrete(evidence: Evidence, k: int, draws: int, way: str, terms: int) -> Estimate | None:
    """Return log-masses ``[n]`` of levelled test examples, or None where the model has none.

    A density is asked for ``draws`` uniform dequantisations of each example, the same for every
    model. Their average density (``importance``) or average log-density (``uniform``) bounds
    the log-mass from below in expectation.
    """
    model = evidence.model
    if isinstance(model, Mass) or not isinstance(model, Density):
        return mass_or_bound(evidence, k, terms)
    drawn = evidence.memo(("dequantised", draws), lambda: _dequantised(model, evidence, draws))
    both = {"importance": iwae(drawn), "uniform": elbo(drawn)}
    means = {name: float(v.mean()) for name, v in both.items() if bool(v.isfinite().all())}
    method = f"{way} dequantisation, {draws} draws"
    return Estimate(both[way], False, method, dequantised=means)


def mass_or_bound(evidence: Evidence, k: int, terms: int) -> Estimate | None:
    """Return log-masses ``[n]`` of discrete test examples without dequantising, or None."""
    model = evidence.model
    if isinstance(model, Mass):
        values = evidence.memo("log_mass", lambda: evaluate(model.log_mass, held_out(evidence)))
        return Estimate(values, True, "mass")
    return _bounded(evidence, k, terms)


def variational(evidence: Evidence, terms: int) -> Estimate | None:
    """Return the model's own or its diffusion's variational bound ``[n]``, or None."""
    model = evidence.model
    if isinstance(model, VariationalBound):
        generator = evidence.generator("bound")
        bound = partial(model.bound, generator=generator)
        values = evidence.memo("bound", lambda: evaluate(bound, held_out(evidence)))
        return Estimate(values, False, "the model's variational bound")
    if isinstance(model, GaussianDiffusion):
        bounds = evidence.memo(("diffusion", terms), lambda: diffusion.bound(evidence, terms))
        return Estimate(bounds.values, False, bounds.method, bounds.details)
    return None


def log_weights(evidence: Evidence, k: int) -> Tensor | None:
    """Return importance log-weights ``[k, n]`` of the test examples, or None without inference."""
    model = evidence.model
    if not isinstance(model, LatentVariable) or not callable(model.log_weights):
        return None
    return evidence.memo(("log_weights", k), lambda: _log_weights(model, evidence, k))


def elbo(weights: Tensor) -> Tensor:
    """Return the evidence lower bound ``[n]`` of log-weights ``[k, n]`` (Burda et al. eq. 2)."""
    return weights.mean(0)


def iwae(weights: Tensor) -> Tensor:
    """Return the importance-weighted bound ``[n]`` of log-weights ``[k, n]`` (Burda et al. eq. 8).

    >>> iwae(torch.tensor([[0.0], [2.0]], dtype=torch.float64).log())
    tensor([0.], dtype=torch.float64)
    """
    return weights.logsumexp(0) - math.log(len(weights))


def effective_sample_size(weights: Tensor) -> Tensor:
    """Return ``(sum w)^2 / sum w^2`` ``[n]`` of log-weights ``[k, n]``; between 1 and k."""
    return (2 * weights.logsumexp(0) - (2 * weights).logsumexp(0)).exp()


def sample_size_details(weights: Tensor) -> dict[str, Any]:
    """Return the effective sample sizes of log-weights ``[k, n]``, with a warning when poor."""
    size, k = effective_sample_size(weights), len(weights)
    details: dict[str, Any] = {
        "effective_sample_size": {"mean": float(size.mean()), "min": float(size.min()), "of": k}
    }
    if k > 1 and float(size.mean()) < 2:
        details["warning"] = (
            f"of {k} importance samples fewer than 2 count on average: the bound may be loose by "
            "many nats, and its interval does not show it"
        )
    return details


def _bounded(evidence: Evidence, k: int, terms: int) -> Estimate | None:
    weights = log_weights(evidence, k)
    if weights is None:
        return variational(evidence, terms)
    return Estimate(iwae(weights), False, f"IWAE-{k}", sample_size_details(weights))


def _log_weights(model: LatentVariable, evidence: Evidence, k: int) -> Tensor:
    generator = evidence.generator("log_weights")
    with torch.no_grad():
        parts = [
            of_shape(model.log_weights(part, k, generator), (k, len(part)), "log_weights")
            for part in torch.split(held_out(evidence), max(1, _WEIGHTS // k))
        ]
    return torch.cat(parts, 1)


def _dequantised(model: Density, evidence: Evidence, draws: int) -> Tensor:
    """Return log-densities ``[draws, n]`` of dequantised examples, in units of a level's bin."""
    data = evidence.dataset
    assert data.levels is not None
    generator = evidence.generator("dequantise")
    # A level's bin is 1 / levels wide: the mass in it is the density over levels ** dimensions.
    per_bin = data.dimensions * math.log(data.levels)
    drawn = []
    for _ in range(draws):
        y = dequantise(data.test.x, data.levels, generator).to(evidence.device)
        drawn.append(evaluate(model.log_prob, y) - per_bin)
    return torch.stack(drawn)
