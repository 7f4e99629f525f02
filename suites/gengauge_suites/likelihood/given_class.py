"""Likelihood within a class: -log p(x | its own label), by the rules that hold without one.

Mass, density and importance weights are those of ``estimates``, asked with the test labels; the
dequantisation noise is that of ``bits_per_dim``, so that the two differ by the label alone.
"""

from __future__ import annotations

from torch import Tensor

from gengauge.errors import UnsupportedError
from gengauge.evidence import Evidence
from gengauge.likelihood import ClassDensity, ClassLatentVariable, ClassMass
from gengauge.metric import Score, unscored
from gengauge_suites.likelihood.estimates import (
    Estimate,
    dequantised,
    of_draws,
    of_weights,
    weighed,
)
from gengauge_suites.likelihood.evaluating import evaluate, held_out
from gengauge_suites.likelihood.metrics import bits_score, nats_score

_NONE = "has neither a likelihood within a class nor a bound on it"


def nll_given_class(evidence: Evidence, k: int) -> Score:
    """Return the mean of -log p(x | label) of the test examples, nats per example.

    Exact for a density; else minus the IWAE-k bound.
    """
    model, labels = evidence.model, _labels(evidence)
    if isinstance(model, ClassDensity):
        values = evaluate(model.log_prob_given, held_out(evidence), labels)
        return nats_score(Estimate(values, True, "density within the class"), {"k": k})
    bound = _bounded(evidence, k, labels)
    return unscored(_NONE) if bound is None else nats_score(bound, {"k": k})


def bits_per_dim_given_class(evidence: Evidence, k: int, draws: int, dequantise: str) -> Score:
    """Return the mean code length of levelled test examples given their labels, bits per value.

    Exact for a mass; an upper bound for a density (dequantisation) and for a latent-variable
    model (IWAE-k). The label itself is not paid for.
    """
    model, labels = evidence.model, _labels(evidence)
    found: Estimate | None
    if isinstance(model, ClassMass):
        values = evaluate(model.log_mass_given, held_out(evidence), labels)
        found = Estimate(values, True, "mass within the class")
    elif isinstance(model, ClassDensity):
        found = of_draws(dequantised(model.log_prob_given, evidence, draws, labels), dequantise)
    else:
        found = _bounded(evidence, k, labels)
    if found is None:
        return unscored(_NONE)
    protocol = {"k": k, "draws": draws, "dequantise": dequantise}
    return bits_score(found, evidence.dataset.dimensions, protocol)


def _bounded(evidence: Evidence, k: int, labels: Tensor) -> Estimate | None:
    model = evidence.model
    if not isinstance(model, ClassLatentVariable):
        return None
    return of_weights(weighed(model.log_weights_given, evidence, k, labels))


def _labels(evidence: Evidence) -> Tensor:
    """Return the test labels ``[n]`` on the run's device."""
    labels = evidence.dataset.test.labels
    if labels is None:
        raise UnsupportedError("the test examples have no class labels")
    return labels.to(evidence.device)
