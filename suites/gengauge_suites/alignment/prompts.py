"""Images of captions and the captions themselves, in the one space of a CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge.data import Grammar
from gengauge.errors import UnsupportedError
from gengauge.evidence import Evidence
from gengauge.metric import Embedder, EmbedsText

PAPER = "A photo depicts"  # Hessel et al. 2021, section 3
_BLOCK = 500


@dataclass(frozen=True)
class Prompted:
    """Directions of images ``[n, d]`` and of all distinct test captions ``[t, d]``, float64.

    ``own`` ``[n]`` is the caption each image was asked for. Captions of one ``meaning`` ``[t]``
    say the same in other words.
    """

    images: Tensor
    captions: Tensor
    own: Tensor
    meaning: Tensor

    @property
    def clusters(self) -> Tensor:
        """What each image was asked for ``[n]``, whatever the words."""
        return self.meaning[self.own]

    @property
    def prompts(self) -> int:
        """How many different things were asked for."""
        return len(torch.unique(self.clusters))

    @property
    def cosines(self) -> Tensor:
        """Cosine of each image with its own caption ``[n]``."""
        return (self.images * self.captions[self.own]).sum(1)


def prefix_of(embedder: Embedder, prefix: str) -> str:
    """Return what is set before captions: ``prefix``, or for ``auto`` the embedder's own."""
    return str(getattr(embedder, "prefix", PAPER)) if prefix == "auto" else prefix


def prompted(evidence: Evidence, embedder: Embedder, prefix: str) -> Prompted:
    """Return images drawn for test captions, beside the captions with ``prefix`` before each."""
    if not isinstance(embedder, EmbedsText):
        raise UnsupportedError(f"{embedder.id} embeds no text")
    drawn = evidence.conditional("caption")
    every = evidence.dataset.test.captions or ()
    if drawn.captions is None:
        raise UnsupportedError("the data has no captions")
    if set(drawn.captions) <= set(every):
        texts = list(dict.fromkeys(every))
        captions = evidence.told(
            embedder, f"captions after '{prefix}', 1", lambda: _captions(embedder, texts, prefix)
        )
    else:  # samples that were given may be of captions that the data does not have
        texts = list(dict.fromkeys(drawn.captions))
        captions = _captions(embedder, texts, prefix)
    place = {text: i for i, text in enumerate(texts)}
    key = ("conditional features", "caption", embedder.id, embedder.sha256)
    images = evidence.memo(key, lambda: _images(embedder, drawn.samples))
    return Prompted(
        images, captions, torch.tensor([place[c] for c in drawn.captions]),
        meanings(texts, evidence.dataset.grammar),
    )  # fmt: skip


def meanings(captions: Sequence[str], grammar: Grammar | None) -> Tensor:
    """Return the number of what each caption says ``[n]``: equal for paraphrases.

    Without a grammar, or for what it does not understand, only equal words mean the same.

    >>> meanings(["A dog", "a cat", "a  dog"], None)
    tensor([0, 1, 0])
    """
    numbers: dict[object, int] = {}

    def number(caption: str) -> int:
        said: object = grammar.attributes(caption) if grammar else None
        key = " ".join(caption.casefold().split()) if said is None else said
        return numbers.setdefault(key, len(numbers))

    return torch.tensor([number(caption) for caption in captions])


def _captions(embedder: EmbedsText, texts: list[str], prefix: str) -> Tensor:
    said = [f"{prefix.rstrip()} {text}" for text in texts] if prefix.strip() else texts
    with torch.no_grad():
        parts = [embedder.text(said[i : i + _BLOCK]) for i in range(0, len(said), _BLOCK)]
    return directions(torch.cat(parts), "captions")


def _images(embedder: Embedder, samples: Tensor) -> Tensor:
    with torch.no_grad():
        parts = [embedder.features(part) for part in torch.split(samples, _BLOCK)]
    return directions(torch.cat(parts), "images")


def directions(features: Tensor, what: str) -> Tensor:
    """Return ``features`` ``[n, d]`` at length 1, float64; refuse those that have no direction."""
    x = features.to("cpu", torch.float64)
    length = x.norm(dim=1, keepdim=True)
    bad = int((~torch.isfinite(length) | (length == 0)).sum())
    if bad:
        raise UnsupportedError(f"the features of {bad} of {len(x)} {what} have no direction")
    unit: Tensor = x / length
    return unit
