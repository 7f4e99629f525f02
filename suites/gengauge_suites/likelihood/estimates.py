"""Per-example log-likelihoods of held-out data, whatever way a model can answer.

Everything is computed once a trial, in batches, and kept in float64 on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge.data import dequantise
from gengauge.evidence import Evidence
from gengauge.model import Density, LatentVariable, Mass

_BATCH = 2000  # examples at a time
_WEIGHTS = 1 << 15  # log-weights at a time


@dataclass(frozen=True)
class Estimate:
    """Log-likelihoods in nats ``[n]``: exact, or lower bounds in expectation."""

    values: Tensor
    exact: bool
    method: str


def continuous(evidence: Evidence, k: int) -> Estimate | None:
    """Return log-densities ``[n]`` of the test examples, or None where the model has none."""
    model = evidence.model
    if isinstance(model, Density):
        values = evidence.memo("log_prob", lambda: _batched(model.log_prob, evidence))
        return Estimate(values, True, "density")
    return _weighted(evidence, k)


def discrete(evidence: Evidence, k: int, draws: int) -> Estimate | None:
    """Return log-masses ``[n]`` of levelled test examples, or None where the model has none.

    A density is asked for ``draws`` uniform dequantisations of each example, the same for every
    model; their mean bounds the log-mass from below (Theis et al. 2016, eq. 3).
    """
    model = evidence.model
    if isinstance(model, Mass):
        values = evidence.memo("log_mass", lambda: _batched(model.log_mass, evidence))
        return Estimate(values, True, "mass")
    if isinstance(model, Density):
        values = evidence.memo(
            ("dequantised", draws), lambda: _dequantised(model.log_prob, evidence, draws)
        )
        return Estimate(values, False, f"uniform dequantisation, {draws} draws")
    return _weighted(evidence, k)


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


def _weighted(evidence: Evidence, k: int) -> Estimate | None:
    weights = log_weights(evidence, k)
    return None if weights is None else Estimate(iwae(weights), False, f"IWAE-{k}")


def _log_weights(model: LatentVariable, evidence: Evidence, k: int) -> Tensor:
    generator = evidence.generator("log_weights")
    x = evidence.dataset.test.x.to(evidence.device)
    with torch.no_grad():
        parts = [
            _of_shape(model.log_weights(part, k, generator), (k, len(part)), "log_weights")
            for part in torch.split(x, max(1, _WEIGHTS // k))
        ]
    return torch.cat(parts, 1)


def _batched(function: Callable[[Tensor], Tensor], evidence: Evidence) -> Tensor:
    return _evaluate(function, evidence.dataset.test.x.to(evidence.device))


def _evaluate(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    name = getattr(function, "__name__", "the model")
    with torch.no_grad():
        parts = [_of_shape(function(part), (len(part),), name) for part in torch.split(x, _BATCH)]
    return torch.cat(parts)


def _dequantised(function: Callable[[Tensor], Tensor], evidence: Evidence, draws: int) -> Tensor:
    data = evidence.dataset
    assert data.levels is not None
    generator = evidence.generator("dequantise")
    total = torch.zeros(len(data.test), dtype=torch.float64)
    for _ in range(draws):
        y = dequantise(data.test.x, data.levels, generator).to(evidence.device)
        total += _evaluate(function, y)
    # A level's bin is 1 / levels wide: the mass in it is the density over levels ** dimensions.
    return total / draws - data.dimensions * math.log(data.levels)


def _of_shape(values: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    """Return ``values`` as float64 on the CPU; a wrong shape would broadcast without a word."""
    if tuple(values.shape) != shape:
        raise ValueError(f"{name} returned shape {list(values.shape)}, expected {list(shape)}")
    return values.detach().to("cpu", torch.float64)
