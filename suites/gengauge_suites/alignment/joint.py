"""How far images and captions that were drawn together agree with each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, JudgesAttributes, Score, unscored
from gengauge.model import JointSampler
from gengauge.statistics import wilson
from gengauge_suites.alignment.claims import by_chance, compared

_BLOCK = 500
_FEWEST = 2  # pairs


def joint_agreement(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the share of joint samples in which ``embedder`` finds all that their caption says.

    Pairs are independent, so the interval is Wilson's. The details hold what the captions reach
    with the images of other pairs (``chance``), how many are not understood, and how many different
    things they say (``meanings``): a model that draws one pair for ever agrees with itself.
    """
    model, grammar, n = evidence.model, evidence.dataset.grammar, len(evidence.samples)
    if not isinstance(model, JointSampler):
        return unscored("draws no pairs of images and captions")
    if not isinstance(embedder, JudgesAttributes):
        return unscored(f"{embedder.id} tells no attributes")
    if grammar is None:
        return unscored("the data has no grammar that understands captions")
    if n < _FEWEST:
        return unscored(f"needs at least {_FEWEST} samples, got {n}")
    images, said = _drawn(evidence, model, n)
    with torch.no_grad():
        found = torch.cat([embedder.attributes(part).cpu() for part in torch.split(images, _BLOCK)])
    hits = compared(grammar, said, found).right
    meant = [grammar.attributes(caption) for caption in said]
    return Score(
        float(hits.mean()), wilson(float(hits.sum()), n), n_samples=n, per_example=hits,
        details={
            "chance": float(by_chance(grammar, said, found).right.mean()),
            "not_understood": sum(m is None for m in meant),
            "meanings": len({m for m in meant if m is not None}),
            "examples": list(said[:5]),
        },
    )  # fmt: skip


def _drawn(evidence: Evidence, model: JointSampler, n: int) -> tuple[Tensor, Sequence[str]]:
    """Return images in the data's units, and what the model says of each."""
    said: list[str] = []

    def images(count: int, condition: object, generator: torch.Generator) -> Tensor:
        drawn, captions = model.sample_pairs(count, generator)
        said.extend(captions)
        return drawn

    drawn = evidence.draw(n, None, "pairs", images)
    if len(said) != n:
        raise ValueError(f"sample_pairs({n}) returned {len(said)} captions")
    return drawn, said
