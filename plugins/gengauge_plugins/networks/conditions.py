"""What samples can be asked for, as tensors that a network's context reads."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gengauge import Dataset, Split
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.networks.captions import CaptionContext, Vocabulary
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.timed import LabelContext

KINDS = ("none", "class", "caption")
_KEPT = 10_000  # training conditions that are remembered, to draw from where nothing is asked


class Conditions(Protocol):
    """Labels or captions, turned into rows of integers ``[n, ...]``."""

    def of(self, split: Split) -> tuple[Tensor, Tensor]:
        """Return which examples ``[n]`` of a split have a known condition, and those, as rows."""
        ...

    def asked(self, condition: Condition, n: int) -> Tensor:
        """Return the rows of what is asked for; ``UnsupportedError`` for what was never seen."""
        ...

    def nothing(self, rows: Tensor) -> Tensor:
        """Return rows like ``rows`` that ask for nothing."""
        ...

    def blank(self, n: int) -> Tensor:
        """Return rows for ``n`` samples that ask for nothing."""
        ...

    def context(self, width: int) -> nn.Module:
        """Return an untrained network from rows to vectors ``[n, width]``."""
        ...

    def described(self) -> dict[str, Any]:
        """Return what :func:`restored` needs."""
        ...


class Classes:
    """Class labels: those that training examples have."""

    def __init__(self, count: int, seen: Tensor, model: str) -> None:
        self.count, self.seen, self.model = count, seen, model

    @classmethod
    def learned(cls, data: Dataset, model: str) -> Classes:
        """Return the classes of ``data.train``; ``ValueError`` where there are none."""
        labels, count = training_labels(data, model)
        return cls(count, torch.unique(labels), model)

    def of(self, split: Split) -> tuple[Tensor, Tensor]:
        """Return which examples have a class seen in training, and their labels."""
        if split.labels is None:
            return torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
        labels = split.labels.cpu()
        known = torch.isin(labels, self.seen).nonzero().flatten()
        return known, labels[known]

    def asked(self, condition: Condition, n: int) -> Tensor:
        """Return the labels ``[n]`` asked for."""
        return asked_labels(condition, n, self.seen, self.model)

    def nothing(self, rows: Tensor) -> Tensor:
        """Return the label of no class, for each of ``rows``."""
        return torch.full_like(rows, self.count)

    def blank(self, n: int) -> Tensor:
        """Return the label of no class, ``n`` times."""
        return torch.full((n,), self.count)

    def context(self, width: int) -> nn.Module:
        """Return a vector for each class and one for none."""
        return LabelContext(self.count, width)

    def described(self) -> dict[str, Any]:
        """Return how many classes there are, and which were seen."""
        return {"kind": "class", "count": self.count, "seen": self.seen.tolist()}


class Captions:
    """Captions, read by a network of their own; a word never seen is one like any other such."""

    def __init__(self, vocabulary: Vocabulary, model: str) -> None:
        self.vocabulary, self.model = vocabulary, model

    @classmethod
    def learned(cls, data: Dataset, model: str) -> Captions:
        """Return the captions of ``data.train``; ``ValueError`` where there are none."""
        if data.train.captions is None:
            raise ValueError(
                f"{model} learns from captions, and {data.id} has none; take condition=class or "
                "none"
            )
        return cls(Vocabulary.of(data.train.captions), model)

    def of(self, split: Split) -> tuple[Tensor, Tensor]:
        """Return every example that has a caption, and the captions' tokens."""
        captions = split.captions or ()
        return torch.arange(len(captions)), self.vocabulary.tokens(captions)

    def asked(self, condition: Condition, n: int) -> Tensor:
        """Return the tokens ``[n, length]`` of captions, with a warning where some are not read."""
        if isinstance(condition, Tensor):
            raise UnsupportedError(f"{self.model} was trained with captions, and takes no labels")
        if len(condition) != n:
            raise ValueError(f"expected {n} captions for {n} samples, got {len(condition)}")
        self.vocabulary.check(condition, self.model)
        return self.vocabulary.tokens(condition)

    def nothing(self, rows: Tensor) -> Tensor:
        """Return captions without a word."""
        return torch.zeros_like(rows)

    def blank(self, n: int) -> Tensor:
        """Return ``n`` captions without a word."""
        return torch.zeros(n, self.vocabulary.length, dtype=torch.int64)

    def context(self, width: int) -> nn.Module:
        """Return a reader of captions."""
        return CaptionContext(len(self.vocabulary.known), self.vocabulary.length, width)

    def described(self) -> dict[str, Any]:
        """Return the words."""
        known, length = self.vocabulary.known, self.vocabulary.length
        return {"kind": "caption", "words": list(known), "length": length}


def learned(kind: str, data: Dataset, model: str) -> Conditions | None:
    """Return the conditions of ``kind`` (one of ``KINDS``) that ``data`` was described with."""
    if kind == "none":
        return None
    return Classes.learned(data, model) if kind == "class" else Captions.learned(data, model)


def restored(saved: dict[str, Any] | None, model: str) -> Conditions | None:
    """Return the conditions that ``described`` told of."""
    if saved is None:
        return None
    if saved["kind"] == "class":
        return Classes(saved["count"], torch.tensor(saved["seen"], dtype=torch.int64), model)
    return Captions(Vocabulary(tuple(saved["words"]), saved["length"]), model)


def given_by(split: Split, conditions: Conditions | None) -> tuple[Tensor, ...]:
    """Return the pictures of a split, and what is known of each where that is learned."""
    if conditions is None:
        return (split.x,)
    which, rows = conditions.of(split)
    return split.x[which.to(split.x.device)], rows


def remembered(rows: Tensor) -> Tensor:
    """Return training rows to draw from where nothing is asked for: their own frequencies."""
    return rows[:_KEPT].clone()
