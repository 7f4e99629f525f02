"""Per-example log-likelihoods of held-out data, by the strongest answer a model has.

The order of preference is: exact mass, exact density, importance-weighted bound, the model's own
variational bound, a diffusion's variational bound. Everything is computed once a trial.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
    drawn = evidence.memo(
        ("dequantised", draws), lambda: dequantised(model.log_prob, evidence, draws)
    )
    return of_draws(drawn, way)


def of_draws(drawn: Tensor, way: str) -> Estimate:
    """Return the estimate that dequantised log-densities ``[draws, n]`` make, averaged in ``way``.

    Both ways are kept in the mean, so that what the better one gains can be seen.
    """
    both = {"importance": iwae(drawn), "uniform": elbo(drawn)}
    means = {name: float(v.mean()) for name, v in both.items() if bool(v.isfinite().all())}
    method = f"{way} dequantisation, {len(drawn)} draws"
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
    return evidence.memo(("log_weights", k), lambda: weighed(model.log_weights, evidence, k))


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
    return of_weights(weights)


def of_weights(weights: Tensor) -> Estimate:
    """Return the importance-weighted bound of log-weights ``[k, n]``, and how many of k count."""
    return Estimate(iwae(weights), False, f"IWAE-{len(weights)}", sample_size_details(weights))


def weighed(
    log_weights: Callable[..., Tensor], evidence: Evidence, k: int, *beside: Tensor
) -> Tensor:
    """Return ``k`` log-weights ``[k, n]`` of the test examples and of what is ``beside`` each."""
    generator, rows = evidence.generator("log_weights"), max(1, _WEIGHTS // k)
    parts = zip(*(torch.split(v, rows) for v in (held_out(evidence), *beside)), strict=True)
    with torch.no_grad():
        found = [
            of_shape(log_weights(*part, k, generator), (k, len(part[0])), "log_weights")
            for part in parts
        ]
    return torch.cat(found, 1)


def dequantised(
    log_prob: Callable[..., Tensor], evidence: Evidence, draws: int, *beside: Tensor
) -> Tensor:
    """Return log-densities ``[draws, n]`` of dequantised examples, in units of a level's bin.

    The noise is the same for every model, and whatever is known ``beside`` each example.
    """
    data = evidence.dataset
    assert data.levels is not None
    generator = evidence.generator("dequantise")
    # A level's bin is 1 / levels wide: the mass in it is the density over levels ** dimensions.
    per_bin = data.dimensions * math.log(data.levels)
    drawn = []
    for _ in range(draws):
        y = dequantise(data.test.x, data.levels, generator).to(evidence.device)
        drawn.append(evaluate(log_prob, y, *beside) - per_bin)
    return torch.stack(drawn)
