"""Captioning: whether the model's words say what is in the picture."""

from __future__ import annotations

import torch

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.model import Captioner
from gengauge.statistics import wilson
from gengauge_suites.alignment.claims import by_chance, compared


def caption_accuracy(evidence: Evidence) -> Score:
    """Return the share of test images of which all holds that the model's caption says.

    The data's grammar knows what that is; a caption that it does not understand is wrong. The
    details count these and give the share of each kind of claim, and what real captions of other
    images reach (chance).
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
    found = compared(grammar, said, truth)
    right = found.right
    details: dict[str, object] = {
        "not_understood": int((~found.understood).sum()),
        **found.told,
        "examples": list(said[:5]),
    }
    if data.test.captions is not None:
        details |= by_chance(grammar, data.test.captions, truth).chance
    return Score(
        float(right.mean()), wilson(float(right.sum()), n), n_reference=n, details=details,
        per_example=right,
    )  # fmt: skip
