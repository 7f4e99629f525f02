"""How often a judge of real data finds in a sample what was asked for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gengauge.clustered import clustered_share_interval
from gengauge.errors import UnsupportedError
from gengauge.evidence import Evidence
from gengauge.metric import Classifies, Embedder, JudgesAttributes, Score, unscored
from gengauge.statistics import wilson
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
        lambda: _judge(embedder, evidence.reference, evidence.dataset.test.labels),
    )
    return Score(
        float(hits.mean()), wilson(float(hits.sum()), len(hits)), n_samples=len(hits),
        details={"by_class": by_class, "judge_on_real": judge}, per_example=hits,
    )  # fmt: skip


def _judge(embedder: Classifies, x: Tensor, labels: Tensor | None) -> float | None:
    if labels is None:
        return None
    return float((_in_blocks(embedder.classes, x).argmax(1) == labels).double().mean())


def attribute_accuracy(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the share of samples in which ``embedder`` finds all that their caption says.

    The interval lets images of captions that mean the same depend on each other.
    """
    drawn = evidence.conditional("caption")
    if not isinstance(embedder, JudgesAttributes) or drawn.captions is None:
        return unscored(f"{embedder.id} tells no attributes")
    test = evidence.dataset.test
    if test.attributes is None:
        return unscored("the data does not say which attributes its captions name")
    asked = test.attributes[: len(drawn.samples)]
    clusters = meanings(drawn.captions, evidence.dataset.grammar)
    if int(clusters.max()) < 1:
        return unscored("needs images of at least 2 different captions, there is 1")
    right = _right(embedder, drawn.samples, asked)
    every = test.attributes
    hits = right.all(1).double()
    grammar = evidence.dataset.grammar
    names = grammar.names if grammar else tuple(map(str, range(asked.shape[1])))
    judge = evidence.once(
        ("attribute accuracy of", embedder.id, embedder.sha256),
        lambda: float(_right(embedder, test.x, every).all(1).double().mean()),
    )
    shares = right.double().mean(0).tolist()
    return Score(
        float(hits.mean()), clustered_share_interval(hits, clusters), n_samples=len(hits),
        details={"by_attribute": dict(zip(names, shares, strict=True)), "judge_on_real": judge},
        per_example=hits,
    )  # fmt: skip


def _right(embedder: JudgesAttributes, x: Tensor, asked: Tensor) -> Tensor:
    found = _in_blocks(embedder.attributes, x)
    if found.shape != asked.shape:
        raise UnsupportedError(
            f"the judge tells {found.shape[1]} attributes and the data has {asked.shape[1]}"
        )
    return found == asked


def _in_blocks(judge: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([judge(part).cpu() for part in torch.split(x, _BLOCK)])
