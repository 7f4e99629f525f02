"""The likelihood metrics: means over held-out examples with Student-t intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.statistics import mean_interval
from gengauge_suites.likelihood import estimates

NONE = "has neither a likelihood nor a bound on it"
_NO_BOUND = "has no inference network and no variational bound"
_NO_WEIGHTS = "is no latent-variable model with an inference network"


def nll(evidence: Evidence, k: int, terms: int) -> Score:
    """Return the mean negative log-density of the test examples, nats per example.

    Exact for a density; else minus the IWAE-k bound, or a variational bound.
    """
    estimate = estimates.continuous(evidence, k, terms)
    if estimate is None:
        return unscored(NONE)
    return nats_score(estimate, {"k": k, "terms": terms})


def excess_nll(evidence: Evidence, k: int, terms: int) -> Score:
    """Return ``nll`` minus the true entropy, nats; its expectation is KL(truth | model).

    The details give the same quantity by the paired estimate ``log truth(x) - log model(x)``,
    which is far less noisy for a good model.
    """
    estimate, truth = estimates.continuous(evidence, k, terms), evidence.dataset.truth
    if estimate is None:
        return unscored(NONE)
    if truth is None:
        return unscored("the true density is not known")
    true = evidence.once("true log_prob", lambda: truth.log_prob(evidence.dataset.test.x))
    excess = -estimate.values - truth.entropy
    details = {**_details(estimate), "entropy": truth.entropy}
    if len(true) > 1 and bool(torch.isfinite(estimate.values).all()):
        paired = mean_interval(true - estimate.values)
        details["paired"] = [paired.low, paired.high]
    protocol = {"k": k, "terms": terms}
    return mean_score(estimate.values, excess, _kind(estimate), details, protocol)


def bits_per_dim(evidence: Evidence, k: int, draws: int, dequantise: str, terms: int) -> Score:
    """Return the mean code length of levelled test examples, bits per value.

    Exact for a mass; an upper bound for a density (dequantisation), for a latent-variable
    model (IWAE-k) and for a variational bound.
    """
    estimate = estimates.discrete(evidence, k, draws, dequantise, terms)
    if estimate is None:
        return unscored(NONE)
    protocol = {"k": k, "draws": draws, "dequantise": dequantise, "terms": terms}
    return bits_score(estimate, evidence.dataset.dimensions, protocol)


def elbo(evidence: Evidence, k: int, terms: int) -> Score:
    """Return the evidence lower bound, nats per example.

    The mean of k draws of log p(x, z) / q(z | x), or the model's own variational bound.
    """
    weights = estimates.log_weights(evidence, k)
    if weights is not None:
        bound = estimates.elbo(weights)
        return mean_score(bound, bound, "lower_bound", {"method": "ELBO"}, {})
    estimate = estimates.variational(evidence, terms)
    if estimate is None:
        return unscored(_NO_BOUND)
    return mean_score(estimate.values, estimate.values, "lower_bound", _details(estimate), {})


def iwae(evidence: Evidence, k: int) -> Score:
    """Return the importance-weighted bound with k draws, nats per example."""
    weights = estimates.log_weights(evidence, k)
    if weights is None:
        return unscored(_NO_WEIGHTS)
    bound = estimates.iwae(weights)
    details = estimates.sample_size_details(weights)
    return mean_score(bound, bound, "lower_bound", details, {"k": k})


def nats_score(estimate: estimates.Estimate, protocol: dict[str, Any]) -> Score:
    """Return the mean negative log-likelihood, nats per example."""
    values = estimate.values
    return mean_score(values, -values, _kind(estimate), _details(estimate), protocol)


def bits_score(estimate: estimates.Estimate, dimensions: int, protocol: dict[str, Any]) -> Score:
    """Return the mean code length of examples of so many ``dimensions``, bits per value."""
    unit = -dimensions * math.log(2)
    by_way = {name: nats / unit for name, nats in estimate.dequantised.items()}
    details = {**_details(estimate), **({"dequantised": by_way} if by_way else {})}
    return mean_score(estimate.values, estimate.values / unit, _kind(estimate), details, protocol)


def mean_score(
    log_likelihood: Tensor,
    values: Tensor,
    kind: str,
    details: dict[str, Any],
    protocol: dict[str, Any],
) -> Score:
    """Return the mean of ``values`` ``[n]``, or the reason where a log-likelihood is not finite."""
    n = len(values)
    if reason := not_finite(log_likelihood):
        return unscored(reason)
    if n < 2:
        return unscored(f"needs at least 2 test examples, got {n}")
    return Score(
        float(np.mean(values.numpy())),  # summed as its interval is, so that it lies within
        mean_interval(values),
        kind,
        n_reference=n,
        details=details,
        protocol=protocol,
        per_example=values,
    )


def not_finite(log_likelihood: Tensor) -> str:
    """Return how many of the log-likelihoods ``[n]`` are not finite, in words; empty if none."""
    n = len(log_likelihood)
    counts = (
        (int(log_likelihood.isnan().sum()), "have a log-likelihood that is not a number"),
        (int((log_likelihood == math.inf).sum()), "have infinite density"),
        (int((log_likelihood == -math.inf).sum()), "have zero density"),
    )
    return "; ".join(f"{count} of {n} test examples {what}" for count, what in counts if count)


def _kind(estimate: estimates.Estimate) -> str:
    return "exact" if estimate.exact else "upper_bound"


def _details(estimate: estimates.Estimate) -> dict[str, Any]:
    return {"method": estimate.method, **estimate.details}
