"""How well a tiny CLIP finds the caption of a picture: the figures in its card."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge import seeds
from gengauge.data import Dataset, Split
from gengauge_suites.datasets.captions import ShapesGrammar
from gengauge_suites.embedders.clip import Clip
from gengauge_suites.embedders.twisted import SIZE, exchanged, pairs_of, untrue


def summary(clip: Clip, data: Dataset) -> Iterable[str]:
    """Yield the rows of a card's table: share found among 32 and among all, and exchanges told."""
    test = data.test
    new, number = unseen(data), objects(test)
    parts = {"all": torch.ones(len(test), dtype=torch.bool), "seen": ~new, "unseen": new}
    parts |= {f"{n} objects": number == n for n in (1, 2, 3)}
    of_32, of_all = retrieval(clip, test, 32), retrieval(clip, test)
    yield "| test pictures | of 32 | of all | colours exchanged | places exchanged |"
    for name, part in parts.items():
        shares = [of_32[part], of_all[part], *(exchange(clip, test, w, part) for w in (1, 3))]
        yield " | ".join([f"| {name} ({int(part.sum())})", *map(_share, shares)]) + " |"


def _share(hits: Tensor) -> str:
    return f"{float(hits.double().mean()):.3f}" if len(hits) else "-"


def unseen(data: Dataset) -> Tensor:
    """Return which test pictures ``[n]`` have a shape in a colour it never has in training."""
    grammar = ShapesGrammar()
    assert data.train.attributes is not None
    assert data.test.attributes is not None
    seen = pairs_of(data.train.attributes, grammar)
    test = data.test.attributes.tolist()
    return torch.tensor([not seen.issuperset(grammar.combinations(row)) for row in test])


def objects(split: Split) -> Tensor:
    """Return how many objects each picture has ``[n]``."""
    assert split.attributes is not None
    return (split.attributes >= 0).sum(1) // SIZE


def retrieval(clip: Clip, split: Split, among: int | None = None) -> Tensor:
    """Return whether each picture's own caption is nearest ``[n]``: of all, or of ``among``.

    The others are drawn from the split's captions of another meaning.
    """
    assert split.captions is not None
    meaning = _meanings(split.captions)
    cosine = _directions(clip.features(split.x)) @ _directions(clip.text(split.captions)).T
    other = meaning[:, None] != meaning
    if among is not None:
        chance = torch.rand(cosine.shape, generator=seeds.generator("retrieval"))
        chance[~other] = 0
        other &= chance >= chance.topk(among - 1).values[:, -1:]
    return cosine.diag() > cosine.masked_fill(~other, -1).amax(1)


def exchange(clip: Clip, split: Split, which: int, part: Tensor) -> Tensor:
    """Return whether pictures ``[m]`` of several objects are nearer to their own caption.

    The other says the first two objects' colours (``which`` 1) or places (3) exchanged. Only
    pictures of which this is false are asked about.
    """
    assert split.attributes is not None
    grammar = ShapesGrammar()
    pairs = []
    for i in torch.where(part & (objects(split) > 1))[0].tolist():
        scene = split.attributes[i].tolist()
        wrong = grammar.caption(exchanged(scene, 0, 1, which))
        if untrue(wrong, scene, grammar):
            pairs.append((i, grammar.caption(scene), wrong))
    if not pairs:
        return torch.zeros(0)
    index, right, false = zip(*pairs, strict=True)
    image = _directions(clip.features(split.x[list(index)]))
    own, other = (_directions(clip.text(said)) for said in (right, false))
    return (image * own).sum(1) > (image * other).sum(1)


def _meanings(captions: Iterable[str]) -> Tensor:
    numbers: dict[object, int] = {}
    grammar = ShapesGrammar()
    return torch.tensor(
        [numbers.setdefault(grammar.attributes(c) or c, len(numbers)) for c in captions]
    )


def _directions(features: Tensor) -> Tensor:
    return F.normalize(features, dim=1)
