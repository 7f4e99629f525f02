"""The probability-flow metrics: what a model's differential equation says of held-out data."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gengauge.data import dequantise
from gengauge.evidence import Evidence
from gengauge.likelihood import ProbabilityFlow
from gengauge.metric import Score, unscored
from gengauge_suites.likelihood import flow_ode
from gengauge_suites.likelihood.evaluating import held_out
from gengauge_suites.likelihood.metrics import mean_score

_NONE = "has no probability flow"
_CHECKED = 64  # examples that are solved again with half the steps


def ode_nll(evidence: Evidence, steps: int, probes: int, examples: int) -> Score:
    """Return the mean negative log-density along the probability flow, nats per example."""
    if not isinstance(evidence.model, ProbabilityFlow):
        return unscored(_NONE)
    return _score(evidence, held_out(evidence, examples), 0.0, 1.0, steps, probes)


def ode_bits_per_dim(evidence: Evidence, steps: int, probes: int, examples: int) -> Score:
    """Return bits per value of uniformly dequantised examples along the probability flow."""
    if not isinstance(evidence.model, ProbabilityFlow):
        return unscored(_NONE)
    data = evidence.dataset
    assert data.levels is not None
    x = held_out(evidence, examples).cpu()
    y = dequantise(x, data.levels, evidence.generator("dequantise")).to(evidence.device)
    per_bin = data.dimensions * math.log(data.levels)
    return _score(evidence, y, per_bin, data.dimensions * math.log(2), steps, probes)


def _score(
    evidence: Evidence, x: Tensor, offset: float, unit: float, steps: int, probes: int
) -> Score:
    """Return the mean of (offset - log p(x)) / unit.

    Probes are independent between examples, so the spread over examples, and with it the
    interval, holds their error. The error of the steps, by solving some examples again with
    half of them, is the same for all: the interval is widened by it.
    """
    model, data = evidence.model, evidence.dataset
    assert isinstance(model, ProbabilityFlow)
    model.log_base(x[:1].to(torch.float64))  # one that has none says so before anything is solved
    exact = data.dimensions <= flow_ode.EXACT_UP_TO
    generator = evidence.generator("probes")
    signs = None if exact else flow_ode.rademacher(probes, len(x), data.dimensions, generator)
    values, error = flow_ode.log_density(model, x, steps, signs)
    some = None if signs is None else signs[:, :_CHECKED]
    coarse, _ = flow_ode.log_density(model, x[:_CHECKED], max(1, steps // 2), some)
    # a fourth-order method at half the steps errs 16 times as much
    step_error = float((values[:_CHECKED] - coarse).mean().abs()) / 15 / unit
    named = "exact" if exact else f"Hutchinson, {probes} Rademacher probes an example"
    details: dict[str, Any] = {
        "solver": f"fourth-order Runge-Kutta, {steps} steps", "divergence": named,
        "step_error": step_error,
        "probe_standard_error": float(error.pow(2).sum().sqrt()) / len(x) / unit,
    }  # fmt: skip
    protocol = {"steps": steps, "divergence": named}
    score = mean_score(values, (offset - values) / unit, "estimate", details, protocol)
    return _widened(score, step_error)


def _widened(score: Score, by: float) -> Score:
    interval = score.interval
    if interval is None or not math.isfinite(by):
        return score
    method = f"{interval.method}, widened by the error of the steps"
    return replace(
        score,
        interval=replace(interval, low=interval.low - by, high=interval.high + by, method=method),
    )
