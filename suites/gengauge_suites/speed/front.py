"""Quality against network evaluations, for samplers that take a step count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.model import TakesSteps
from gengauge.statistics import Array, Interval
from gengauge.units import in_units
from gengauge_suites.fidelity.frechet import fd
from gengauge_suites.fidelity.transport import sliced_w2

TOLERANCE = 0.1  # of the best distance
_PROJECTIONS = 128
_SPREAD = 1.96  # standard errors


def evaluations_to_fd(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the fewest evaluations a sample whose Frechet distance is as good as the best."""
    return _score(evidence, lambda e: fd(e, embedder), f"FD-{embedder.id}")


def evaluations_to_sliced_w2(evidence: Evidence) -> Score:
    """Return the fewest evaluations a sample whose sliced W2 is as good as the best."""
    return _score(evidence, lambda e: sliced_w2(e, _PROJECTIONS), "sliced W2")


def _score(evidence: Evidence, measure: Callable[[Evidence], Score], quality: str) -> Score:
    """Return the fewest evaluations within a tenth of the best distance, plus one standard error.

    The interval holds the counts that noise in the distances could make the answer. The details
    give the whole front: every step count the model offers, each with as many samples.
    """
    if not isinstance(evidence.model, TakesSteps):
        return unscored("takes no step count")
    front = []
    for steps in evidence.model.step_choices:
        found, evaluations = _sampled(evidence, steps)
        score = measure(found)
        if score.value is None or score.interval is None:
            return unscored(f"{steps} steps: {score.reason}")
        error = score.interval.standard_error or 0.0
        front.append({"steps": int(steps), "evaluations": float(evaluations),
                      "value": score.value, "low": score.interval.low,
                      "high": score.interval.high, "standard_error": error})  # fmt: skip
    if not front:
        return unscored("offers no step counts")
    low, value, high = answers(front)
    method = f"counts within {_SPREAD} standard errors of the same quality"
    n, m = len(evidence.samples), evidence.n_reference
    return Score(
        value, Interval(low, high, None, method), n_samples=n, n_reference=m,
        details={"front": front, "quality": quality, "tolerance": TOLERANCE},
        protocol={"tolerance": TOLERANCE, "quality": quality},
    )  # fmt: skip


def _sampled(evidence: Evidence, steps: int) -> tuple[Evidence, float]:
    """Return the evidence of samples in ``steps`` steps from the same noise, and their cost."""
    model = evidence.model
    assert isinstance(model, TakesSteps)
    seed = evidence.generator("steps").initial_seed()
    stream = torch.Generator(evidence.device).manual_seed(seed)
    n = len(evidence.samples)
    with torch.no_grad():
        raw, evaluations = model.sample_in(steps, n, None, stream)
    samples, _ = in_units(raw.detach().cpu(), n, evidence.dataset)
    return evidence.resampled(samples), evaluations


def answers(front: list[dict[str, Any]]) -> tuple[float, float, float]:
    """Return the fewest evaluations that noise allows, that are found, and that are certain.

    A point qualifies when its distance exceeds the best by no more than a tenth and one standard
    error of the difference; ``1.96`` of them more or less make the ends.

    >>> points = [(1, 9.0, 0.1), (10, 1.05, 0.1), (50, 1.0, 0.1)]
    >>> keys = ("evaluations", "value", "standard_error")
    >>> answers([dict(zip(keys, point)) for point in points])
    (10.0, 10.0, 50.0)
    """
    cost, value, error = (
        np.array([point[key] for point in front], dtype=np.float64)
        for key in ("evaluations", "value", "standard_error")
    )
    best = int(value.argmin())
    excess = value - (1 + TOLERANCE) * value[best]
    noise = np.hypot(error, (1 + TOLERANCE) * error[best])
    noise[best] = 0.0  # it is as good as itself

    def fewest(slack: Array) -> float:
        good = excess <= slack
        good[best] = True
        return float(cost[good].min())

    return fewest(_SPREAD * noise), fewest(noise), fewest(-_SPREAD * noise)
