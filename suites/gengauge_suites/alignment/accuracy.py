"""How often a judge of real data finds in a sample what was asked for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gengauge.clustered import clustered_share_interval
from gengauge.data import Grammar
from gengauge.evidence import Evidence
from gengauge.metric import Classifies, Embedder, JudgesAttributes, Score, unscored
from gengauge.statistics import wilson
from gengauge_suites.alignment.claims import by_chance, compared, unseen
from gengauge_suites.alignment.prompts import meanings

_BLOCK = 500


def class_accuracy(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the share of class-conditional samples that ``embedder`` assigns to their class.

    Samples are independent given the classes, so the interval is Wilson's. Its details hold each
    class by itself and the judge's own accuracy on the real test data.
    """
    drawn = evidence.conditional("class")
    if not isinstance(embedder, Classifies) or drawn.labels is None:
        return unscored(f"{embedder.id} tells no classes")
    found = _in_blocks(embedder.classes, drawn.samples)
    names = evidence.dataset.class_names or tuple(map(str, range(int(drawn.labels.max()) + 1)))
    if found.shape[1] != len(names):
        return unscored(
            f"{embedder.id} tells {found.shape[1]} classes and the data has {len(names)}"
        )
    if not bool(torch.isfinite(found).all()):
        return unscored(f"{embedder.id} answers with numbers that are not finite")
    hits = (found.argmax(1) == drawn.labels).double()
    by_class = {
        name: float(hits[drawn.labels == c].mean())
        for c, name in enumerate(names)
        if bool((drawn.labels == c).any())
    }
    judge = evidence.once(
        ("class accuracy of", embedder.id, embedder.sha256),
        lambda: _judge(embedder, evidence),
    )
    return Score(
        float(hits.mean()), wilson(float(hits.sum()), len(hits)), n_samples=len(hits),
        details={"by_class": by_class, "judge_on_real": judge}, per_example=hits,
    )  # fmt: skip


def _judge(embedder: Embedder, evidence: Evidence) -> float | None:
    labels = evidence.dataset.test.labels
    if labels is None or not isinstance(embedder, Classifies):
        return None
    tell = embedder.classes
    found = evidence.told(
        embedder, "classes, 1", lambda: _in_blocks(tell, evidence.reference).argmax(1)
    )
    return float((found == labels).double().mean())


def attribute_accuracy(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the share of samples in which ``embedder`` finds all that their caption says.

    The interval lets images of captions that mean the same depend on each other. The details
    hold each kind of claim by itself, what the judge finds in real images, of their own captions
    and of others' (chance), and apart what has a combination that no training image has.
    """
    drawn, data = evidence.conditional("caption"), evidence.dataset
    if not isinstance(embedder, JudgesAttributes) or drawn.captions is None:
        return unscored(f"{embedder.id} tells no attributes")
    grammar = data.grammar
    if grammar is None:
        return unscored("the data has no grammar that understands its captions")
    clusters = meanings(drawn.captions, grammar)
    if int(clusters.max()) < 1:
        return unscored("needs images of at least 2 different captions, there is 1")
    found = compared(grammar, drawn.captions, _in_blocks(embedder.attributes, drawn.samples))
    if lost := int((~found.understood).sum()):
        return unscored(f"the data's grammar does not understand {lost} of its captions")
    hits = found.right
    tell = embedder.attributes
    of_real = evidence.once(
        ("attribute accuracy of", embedder.id, embedder.sha256),
        lambda: _on_real(tell, embedder, grammar, evidence),
    )
    strange = None
    if drawn.captions == (data.test.captions or ())[: len(hits)]:
        strange = evidence.once(("unseen combinations",), lambda: unseen(data))
    return Score(
        float(hits.mean()), clustered_share_interval(hits, clusters), n_samples=len(hits),
        details=found.told | of_real | _apart(hits, strange), per_example=hits,
    )  # fmt: skip


def _on_real(
    tell: Callable[[Tensor], Tensor], embedder: Embedder, grammar: Grammar, evidence: Evidence
) -> dict[str, object]:
    """Return what ``embedder`` finds in the test images, of their captions and of others'."""
    test = evidence.dataset.test
    captions = test.captions or ()
    seen = evidence.told(embedder, "attributes, 1", lambda: _in_blocks(tell, test.x))
    judge = float(compared(grammar, captions, seen).right.mean())
    return {"judge_on_real": judge, **by_chance(grammar, captions, seen).chance}


def _apart(hits: Tensor, strange: Tensor | None) -> dict[str, object]:
    """Return the share of ``hits`` ``[n]`` among combinations met in training and others."""
    if strange is None:
        return {}
    strange = strange[: len(hits)]
    parts = {"seen_combinations": hits[~strange], "unseen_combinations": hits[strange]}
    return {
        name: {"share": float(part.mean()), "n": len(part)}
        for name, part in parts.items()
        if len(part)
    }


def _in_blocks(judge: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([judge(part).cpu() for part in torch.split(x, _BLOCK)])
