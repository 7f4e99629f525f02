"""Captioning: whether the model's words say what is in the picture."""

from __future__ import annotations

import torch

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.model import Captioner
from gengauge.statistics import wilson


def caption_accuracy(evidence: Evidence) -> Score:
    """Return the share of test images whose caption says every attribute right.

    A caption that the data's grammar does not understand is wrong; the details count these and
    give each attribute's own share.
    """
    model, data = evidence.model, evidence.dataset
    grammar, truth = data.grammar, data.test.attributes
    if not isinstance(model, Captioner):
        return unscored("does not caption")
    if grammar is None or truth is None:
        return unscored("the data has no grammar that understands captions")
    n = len(truth)
    if n < 2:
        return unscored(f"needs at least 2 test images, got {n}")
    seed = evidence.generator("caption").initial_seed()
    generator = torch.Generator(evidence.device).manual_seed(seed)
    with torch.no_grad():
        said = model.caption(evidence.reference.to(evidence.device), generator)
    if len(said) != n:
        raise ValueError(f"caption returned {len(said)} captions of {n} images")
    found = [grammar.attributes(caption) for caption in said]
    blank = (-1,) * truth.shape[1]
    equal = torch.tensor([f or blank for f in found]) == truth
    right = equal.all(1).to(torch.float64)
    shares = equal.to(torch.float64).mean(0).tolist()
    details = {
        "not_understood": sum(f is None for f in found),
        "by_attribute": dict(zip(grammar.names, shares, strict=True)),
        "examples": list(said[:5]),
    }
    return Score(
        float(right.mean()), wilson(float(right.sum()), n), n_reference=n, details=details,
        per_example=right,
    )  # fmt: skip
