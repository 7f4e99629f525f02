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

_NONE = "has neither a likelihood nor an inference network"
_NO_BOUND = "is no latent-variable model with an inference network"


def nll(evidence: Evidence, k: int) -> Score:
    """Return the mean negative log-density of the test examples, nats per example.

    Exact for a density; for a latent-variable model the negative IWAE-k bound.
    """
    estimate = estimates.continuous(evidence, k)
    if estimate is None:
        return unscored(_NONE)
    kind = "exact" if estimate.exact else "upper_bound"
    details = {"method": estimate.method}
    return _score(estimate.values, -estimate.values, kind, details, {"k": k})


def excess_nll(evidence: Evidence, k: int) -> Score:
    """Return ``nll`` minus the true entropy, nats; its expectation is KL(truth | model).

    The details give the same quantity by the paired estimate ``log truth(x) - log model(x)``,
    which is far less noisy for a good model.
    """
    estimate, truth = estimates.continuous(evidence, k), evidence.dataset.truth
    if estimate is None:
        return unscored(_NONE)
    if truth is None:
        return unscored("the true density is not known")
    true = evidence.once("true log_prob", lambda: truth.log_prob(evidence.dataset.test.x))
    kind = "exact" if estimate.exact else "upper_bound"
    excess = -estimate.values - truth.entropy
    details: dict[str, Any] = {"method": estimate.method, "entropy": truth.entropy}
    if bool(torch.isfinite(estimate.values).all()):
        paired = mean_interval(true - estimate.values)
        details["paired"] = [paired.low, paired.high]
    return _score(estimate.values, excess, kind, details, {"k": k})


def bits_per_dim(evidence: Evidence, k: int, draws: int) -> Score:
    """Return the mean code length of levelled test examples, bits per value.

    Exact for a mass; an upper bound for a density (uniform dequantisation) and for a
    latent-variable model (IWAE-k).
    """
    estimate = estimates.discrete(evidence, k, draws)
    if estimate is None:
        return unscored(_NONE)
    kind = "exact" if estimate.exact else "upper_bound"
    bits = -estimate.values / (evidence.dataset.dimensions * math.log(2))
    details = {"method": estimate.method}
    return _score(estimate.values, bits, kind, details, {"k": k, "draws": draws})


def elbo(evidence: Evidence, k: int) -> Score:
    """Return the evidence lower bound, nats per example, as the mean of k draws each."""
    weights = estimates.log_weights(evidence, k)
    if weights is None:
        return unscored(_NO_BOUND)
    bound = estimates.elbo(weights)
    return _score(bound, bound, "lower_bound", {}, {})


def iwae(evidence: Evidence, k: int) -> Score:
    """Return the importance-weighted bound with k draws, nats per example."""
    weights = estimates.log_weights(evidence, k)
    if weights is None:
        return unscored(_NO_BOUND)
    size = estimates.effective_sample_size(weights)
    details = {
        "effective_sample_size": {"mean": float(size.mean()), "min": float(size.min()), "of": k}
    }
    bound = estimates.iwae(weights)
    return _score(bound, bound, "lower_bound", details, {"k": k})


def _score(
    log_likelihood: Tensor,
    values: Tensor,
    kind: str,
    details: dict[str, Any],
    protocol: dict[str, Any],
) -> Score:
    """Return the mean of ``values`` ``[n]``, or the reason where a log-likelihood is not finite."""
    n = len(values)
    if reason := _not_finite(log_likelihood):
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


def _not_finite(log_likelihood: Tensor) -> str:
    n = len(log_likelihood)
    counts = (
        (int(log_likelihood.isnan().sum()), "have a log-likelihood that is not a number"),
        (int((log_likelihood == math.inf).sum()), "have infinite density"),
        (int((log_likelihood == -math.inf).sum()), "have zero density"),
    )
    return "; ".join(f"{count} of {n} test examples {what}" for count, what in counts if count)
