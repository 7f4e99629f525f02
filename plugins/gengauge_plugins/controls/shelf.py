"""Finds remembered examples of a class, or of what a caption says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from gengauge.data import Dataset, Split
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.controls.phrases import Phrases

_BLOCK = 250  # captions compared at a time with all that are remembered


class Shelf:
    """The labels ``[n]`` and captions of examples, sorted so that a condition finds its own.

    A caption finds the examples whose captions say the same in whatever words. Where there are
    none it finds those of the nearest caption, the one that differs in the fewest phrases: a
    control is then asked for something that its data does not hold.
    """

    def __init__(
        self, labels: Tensor | None = None, captions: Tensor | None = None,
        phrases: Phrases | None = None,
    ) -> None:  # fmt: skip
        self.labels, self.marks, self.phrases = labels, captions, phrases

    @classmethod
    def of(cls, split: Split, data: Dataset) -> Shelf:
        """Return the shelf of a split's examples."""
        labels = None if split.labels is None else split.labels.clone()
        if split.captions is None:
            return cls(labels)
        values: Iterable[str] = ()
        synonyms: Mapping[str, str] = {}
        if data.grammar:
            values, synonyms = chain.from_iterable(data.grammar.values), data.grammar.synonyms
        phrases = Phrases.of(split.captions, values, synonyms)
        return cls(labels, phrases.said(split.captions), phrases)

    def pick(self, condition: Condition, turn: Tensor | None, order: Tensor) -> Tensor:
        """Return the index of an example for each of ``n`` labels or captions, ``[n]`` int64.

        Examples of one kind wait in the ``order`` given (a permutation of all). ``turn`` ``[n]``
        says whose turn it is; without it each comes once before any comes again.
        """
        kinds, asked = self._kinds(condition, order)
        place = order[torch.argsort(kinds[order], stable=True)]
        size = torch.bincount(kinds)
        first = size.cumsum(0) - size
        turn = _times_before(asked) if turn is None else turn
        return place[first[asked] + turn % size[asked]]

    def _kinds(self, condition: Condition, order: Tensor) -> tuple[Tensor, Tensor]:
        """Return the kind of every example and of every asked one, numbered alike."""
        if isinstance(condition, Tensor):
            if condition.ndim != 1:
                raise _unknown("answer to the beginning of a text")
            return self._classes(condition.cpu())
        if self.marks is None or self.phrases is None:
            raise _unknown("captions")
        known, kinds = torch.unique(self.marks, dim=0, return_inverse=True)
        asked, back = torch.unique(self.phrases.said(condition), dim=0, return_inverse=True)
        # of kinds equally near the one that comes first: else one attribute would always give way
        first = torch.full((len(known),), len(order)).scatter_reduce(
            0, kinds[order], torch.arange(len(order)), "amin"
        )
        more = known.sum(1) + first / (len(order) + 1.0)
        known = known.float().T.contiguous()
        near = [(more - 2 * part.float() @ known).argmin(1) for part in torch.split(asked, _BLOCK)]
        return kinds, torch.cat(near)[back]

    def _classes(self, asked: Tensor) -> tuple[Tensor, Tensor]:
        if self.labels is None:
            raise _unknown("labels")
        known, kinds = torch.unique(self.labels, return_inverse=True)
        missing = asked[~torch.isin(asked, known)]
        if len(missing):
            raise UnsupportedError(
                f"no example of class {int(missing[0])} is remembered; there are "
                f"{len(known)} classes among {len(self.labels)} examples"
            )
        return kinds, torch.searchsorted(known, asked)

    def tensors(self) -> dict[str, Tensor]:
        """Return what of the shelf is tensors, to be saved."""
        parts = {"labels": self.labels, "marks": self.marks}
        return {name: part for name, part in parts.items() if part is not None}

    def config(self) -> dict[str, Any]:
        """Return what of the shelf is words, to be saved as JSON."""
        return {"phrases": self.phrases.config() if self.phrases else None}

    @classmethod
    def restored(cls, tensors: dict[str, Tensor], config: dict[str, Any]) -> Shelf:
        """Return the shelf whose ``tensors`` and ``config`` were saved."""
        phrases = Phrases(**config["phrases"]) if config["phrases"] else None
        return cls(tensors.get("labels"), tensors.get("marks"), phrases)


def check_length(n: int, condition: Condition | None) -> None:
    """Raise ``ValueError`` unless there are ``n`` conditions, or none at all."""
    if condition is not None and len(condition) != n:
        raise ValueError(f"expected {n} conditions for {n} samples, got {len(condition)}")


def _times_before(values: Tensor) -> Tensor:
    """Return how often each value came before, ``[n]``.

    >>> _times_before(torch.tensor([4, 7, 4, 4, 7]))
    tensor([0, 0, 1, 2, 1])
    """
    order = torch.argsort(values, stable=True)
    kind = torch.unique(values, return_inverse=True)[1][order]
    size = torch.bincount(kind)
    times = torch.empty_like(values)
    times[order] = torch.arange(len(values)) - (size.cumsum(0) - size)[kind]
    return times


def _unknown(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"the data of this control has no {what}, so it cannot sample for a condition; "
        "pass condition=None"
    )
