"""Classification and clustering of labelled test data.

Sources: Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 3,
https://arxiv.org/abs/1706.04599; scikit-learn, https://scikit-learn.org.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from torch import Tensor

from gengauge.errors import DivergedError, UnsupportedError
from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.model import Classifier, Clusterer
from gengauge.statistics import block_jackknife, block_of, mean_interval, wilson

BLOCKS = 20
_ONE = 1e-3  # how far probabilities may miss a sum of one


def accuracy(evidence: Evidence) -> Score:
    """Return the share of test examples whose most probable class is their label."""
    if reason := _problem(evidence, Classifier, "does not classify"):
        return unscored(reason)
    right, _ = _judged(evidence)
    n = len(right)
    return Score(
        float(right.mean()), wilson(float(right.sum()), n), "exact", n_reference=n,
        per_example=right,
    )  # fmt: skip


def calibration_error(evidence: Evidence, bins: int) -> Score:
    """Return the expected calibration error over equal ``bins`` of confidence.

    It is the mean of ``+-(right - confidence)`` with the sign of each example's bin, of which the
    interval is Student's: for the error at this number of examples, which noise in the bins
    raises above the model's own; it errs on the wide side near zero, where signs are uncertain.
    """
    if reason := _problem(evidence, Classifier, "does not classify"):
        return unscored(reason)
    right, confidence = _judged(evidence)
    gap = right - confidence
    bin_ = (confidence * bins).ceil().clamp(1, bins).to(torch.int64) - 1  # (0, 1/bins], ...
    total = torch.zeros(bins, dtype=torch.float64).index_add(0, bin_, gap)
    terms = gap * total.sign()[bin_]
    interval = mean_interval(terms)
    details = {"accuracy": float(right.mean()), "confidence": float(confidence.mean())}
    return Score(
        float(np.mean(terms.numpy())), replace(interval, low=max(0.0, interval.low)),
        n_reference=len(gap), details=details, protocol={"bins": bins}, per_example=terms,
    )  # fmt: skip


def ari(evidence: Evidence) -> Score:
    """Return the adjusted Rand index of the model's clusters and the classes."""
    return _agreement(evidence, adjusted_rand_score)


def nmi(evidence: Evidence) -> Score:
    """Return the mutual information of clusters and classes over their mean entropy."""
    return _agreement(evidence, normalized_mutual_info_score)


def _agreement(evidence: Evidence, measure: Callable[[object, object], float]) -> Score:
    if reason := _problem(evidence, Clusterer, "does not cluster"):
        return unscored(reason)
    labels = _labels(evidence).numpy()
    cluster = evidence.memo("clusters", lambda: _clusters(evidence)).numpy()
    order = torch.randperm(len(labels), generator=evidence.generator("order")).numpy()
    block = np.empty(len(labels), dtype=np.int64)
    block[order] = block_of(len(labels), BLOCKS)

    def statistic(left_out: int | None) -> float:
        kept = block != (BLOCKS if left_out is None else left_out)
        return float(measure(labels[kept], cluster[kept]))

    value, interval, _ = block_jackknife(statistic, BLOCKS)
    interval = replace(interval, high=min(1.0, interval.high))
    details = {"clusters": len(np.unique(cluster)), "classes": len(np.unique(labels))}
    return Score(value, interval, n_reference=len(labels), details=details)


def _problem(evidence: Evidence, capability: type, without: str) -> str:
    if not isinstance(evidence.model, capability):
        return without
    labels = evidence.dataset.test.labels
    if labels is None:
        return "the test data has no labels"
    if len(labels) < 2 * BLOCKS:
        return f"needs at least {2 * BLOCKS} test examples, got {len(labels)}"
    return ""


def _labels(evidence: Evidence) -> Tensor:
    labels = evidence.dataset.test.labels
    assert labels is not None
    return labels


def _judged(evidence: Evidence) -> tuple[Tensor, Tensor]:
    """Return whether each test example is classified rightly ``[n]``, and how surely ``[n]``."""
    model = evidence.model
    assert isinstance(model, Classifier)

    def compute() -> Tensor:
        return _probabilities(model.class_probabilities, evidence, "class_probabilities")

    table = evidence.memo("class probabilities", compute)
    labels = _labels(evidence)
    if int(labels.max()) >= table.shape[1]:
        raise UnsupportedError(f"knows {table.shape[1]} classes, the data has more")
    confidence, guess = table.max(1)
    return (guess == labels).to(torch.float64), confidence


def _clusters(evidence: Evidence) -> Tensor:
    model = evidence.model
    assert isinstance(model, Clusterer)
    return _probabilities(model.responsibilities, evidence, "responsibilities").argmax(1)


def _probabilities(ask: Callable[[Tensor], Tensor], evidence: Evidence, name: str) -> Tensor:
    """Return what ``ask`` says of the test examples ``[n, k]``, float64, checked."""
    x = evidence.reference
    with torch.no_grad():
        table = ask(x.to(evidence.device)).detach().to("cpu", torch.float64)
    if table.ndim != 2 or len(table) != len(x):
        raise ValueError(f"{name} returned {list(table.shape)}, expected [{len(x)}, k]")
    if bad := int((~torch.isfinite(table)).any(1).sum()):
        raise DivergedError(f"{name} are not finite for {bad} of {len(x)} test examples")
    if bool((table < 0).any()) or float((table.sum(1) - 1).abs().max()) > _ONE:
        raise ValueError(f"{name} must be probabilities that sum to 1 for every example")
    return table
