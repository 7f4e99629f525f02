"""Datasets as models and metrics see them: tensors, levels, conditions and known truth."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Truth(Protocol):
    """A data distribution known in closed form."""

    @property
    def entropy(self) -> float:
        """Differential entropy in nats."""
        ...

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the true log-density of ``x`` ``[n, *event]`` in nats, ``[n]``, float64."""
        ...

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` independent draws ``[n, *event]``."""
        ...


@runtime_checkable
class Modal(Protocol):
    """A truth of separate, round, normal modes, all equally likely."""

    @property
    def centres(self) -> Tensor:
        """Their means ``[m, d]``, in the data's units."""
        ...

    @property
    def deviations(self) -> Tensor:
        """Their standard deviations ``[m]``."""
        ...


@runtime_checkable
class Grammar(Protocol):
    """What captions can say: kinds of claims, their values, and the sentences about them."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what a caption can claim, such as shape, position or count."""
        ...

    @property
    def values(self) -> tuple[tuple[str, ...], ...]:
        """Values of each, in the order of their numbers."""
        ...

    @property
    def synonyms(self) -> Mapping[str, str]:
        """What else values are called, each with the value's own name."""
        ...

    def caption(self, attributes: Sequence[int]) -> str:
        """Return a sentence about a picture of ``attributes``."""
        ...

    def attributes(self, caption: str) -> tuple[int, ...] | None:
        """Return what ``caption`` says, the same for paraphrases; None where not understood."""
        ...

    def agreement(self, caption: str, found: Sequence[int]) -> tuple[float | None, ...]:
        """Return how much of what ``caption`` claims holds of ``found``, for each of ``names``.

        ``found`` are a picture's attributes, known or judged. A share of the claims of a kind is
        None where there are none, and all are None where the caption is not understood.
        """
        ...


@runtime_checkable
class Combines(Protocol):
    """A grammar that knows which attributes make a combination, which training may lack."""

    def combinations(self, attributes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Return the combinations in a picture of ``attributes``."""
        ...


@dataclass(frozen=True)
class Split:
    """Examples ``x`` ``[n, *event]`` and, where the data has them, what is known of each.

    ``labels`` ``[n]`` int64, ``attributes`` ``[n, a]`` int64, ``captions``, and for text the
    number of raw ``characters`` ``[n]`` behind the tokens.
    """

    x: Tensor
    labels: Tensor | None = None
    captions: tuple[str, ...] | None = None
    attributes: Tensor | None = None
    characters: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def first(self, n: int) -> Split:
        """Return the first ``n`` examples."""
        known = ((f.name, getattr(self, f.name)) for f in fields(self))
        cut: dict[str, Any] = {name: None if v is None else v[:n] for name, v in known}
        return Split(**cut)

    def chosen(self, rows: Tensor) -> Split:
        """Return the examples of the numbers ``rows`` ``[m]``, in that order."""
        captions = self.captions and tuple(self.captions[i] for i in rows.tolist())
        names = (f.name for f in fields(self) if f.name != "captions")
        tensors = ((name, getattr(self, name)) for name in names)
        picked: dict[str, Any] = {name: None if v is None else v[rows] for name, v in tensors}
        return Split(**picked, captions=captions)


@dataclass(frozen=True)
class Dataset:
    """Three splits of one distribution.

    Levelled data (``levels`` = 17, 256, ...) holds integers ``0 .. levels - 1``: images are uint8
    ``[n, C, H, W]``. Continuous data (``levels`` None) holds floats, points ``[n, d]``. Text is
    int64 tokens ``[n, length]``, numbers of characters of ``alphabet``, or bytes without one. A
    table may name its ``columns``, each with what it holds: number, whole number, yes/no, category.
    """

    id: str
    modality: str
    train: Split
    validation: Split
    test: Split
    levels: int | None = None
    class_names: tuple[str, ...] = ()
    truth: Truth | None = None
    grammar: Grammar | None = None
    revision: str = "1"
    alphabet: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, int] = field(default_factory=dict)  # between splits; empty: not counted

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train.x.shape[1:])

    @property
    def dimensions(self) -> int:
        """Number of values in one example."""
        return int(torch.Size(self.event_shape).numel())

    @cached_property
    def fingerprint(self) -> str:
        """Content hash over every split's values, labels, captions, shapes and types."""
        digest = hashlib.sha256(f"{self.levels}{self.alphabet}".encode())
        for split in (self.train, self.validation, self.test):
            for part in (split.x, split.labels, split.attributes, split.characters):
                if part is not None:
                    digest.update(f"{part.dtype}{tuple(part.shape)}".encode())
                    digest.update(part.contiguous().numpy().reshape(-1).view("u1").data)
            if split.captions is not None:
                digest.update("\0".join(split.captions).encode())
        return digest.hexdigest()[:16]

    def text(self, x: Tensor) -> list[str]:
        """Return what text tokens ``x`` ``[n, length]`` say; bytes that are no UTF-8 become �."""
        if not self.alphabet:
            return [bytes(row).decode(errors="replace") for row in x.tolist()]
        return ["".join(self.alphabet[token] for token in row) for row in x.tolist()]

    def limited(self, n: int) -> Dataset:
        """Return this dataset with at most ``n`` examples in each split: another dataset."""
        return replace(
            self,
            train=self.train.first(n),
            validation=self.validation.first(n),
            test=self.test.first(n),
        )

    def for_training(self) -> Dataset:
        """Return this dataset with an empty test split and no truth: all a ``fit`` may see."""
        return replace(self, test=self.test.first(0), truth=None)


def dequantise(x: Tensor, levels: int, generator: torch.Generator) -> Tensor:
    """Return ``(x + u) / levels`` in ``[0, 1)``, u uniform, in float64, same shape as ``x``.

    The density q of the result bounds the mass of ``x`` from below in expectation
    (Theis et al. 2016, A note on the evaluation of generative models, eq. 3).
    """
    u = torch.rand(x.shape, generator=generator, dtype=torch.float64, device=generator.device)
    return (x.to(torch.float64) + u.to(x.device)) / levels


def quantise(y: Tensor, levels: int) -> Tensor:
    """Return the level ``0 .. levels - 1`` whose bin holds ``y``; values outside are clamped.

    >>> quantise(torch.tensor([-0.2, 0.0, 0.49, 0.5, 1.0]), 2)
    tensor([0, 0, 0, 1, 1], dtype=torch.uint8)
    """
    dtype = torch.uint8 if levels <= 256 else torch.int64
    return (y * levels).floor().clamp(0, levels - 1).to(dtype)
