"""What the suite cannot be measured on."""

from __future__ import annotations

import torch

from gengauge.evidence import Evidence
from gengauge.metric import Embedder
from gengauge_suites.fidelity.clouds import MINIMUM
from gengauge_suites.fidelity.clouds import problem as unfit


def problem(evidence: Evidence, embedder: Embedder) -> str:
    """Return why samples, training and test data cannot be compared, or an empty string."""
    key = ("memorisation problem", embedder.id, embedder.sha256)
    return evidence.memo(key, lambda: _problem(evidence, embedder))


def _problem(evidence: Evidence, embedder: Embedder) -> str:
    if reason := unfit(evidence):
        return reason
    n_train = len(evidence.dataset.train)
    if n_train < MINIMUM:
        return f"needs at least {MINIMUM} training examples, got {n_train}"
    found = evidence.features(embedder)
    clouds = {
        "samples": found.samples,
        "test examples": found.reference,
        "training examples": evidence.features_of(embedder, "train"),
    }
    for name, features in clouds.items():
        bad = int((~torch.isfinite(features)).any(1).sum())
        if bad:
            return f"features of {bad} of {len(features)} {name} are not finite"
    if not bool((found.reference.std(0) > 0).any()):
        return "all features of the test examples are constant"
    return ""
