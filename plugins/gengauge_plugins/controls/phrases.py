"""Reads captions by the phrases they hold, so that a saved control needs no grammar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

_WORD = re.compile(r"[^\W_]+")


class Phrases:
    """Groups of phrases of which a caption says one each: the values of an attribute.

    >>> reader = Phrases([["red", "blue"], ["top", "top left"]])
    >>> reader.said(["A red circle, top left.", "at the top there is a blue one"])
    tensor([[1, 0, 0, 1],
            [0, 1, 1, 0]], dtype=torch.uint8)
    """

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self.groups = [list(group) for group in groups]
        pairs = [(g, _words(phrase)) for g, group in enumerate(self.groups) for phrase in group]
        self._columns: dict[tuple[str, ...], list[tuple[int, int]]] = {}
        for column, (group, words) in enumerate(pairs):
            self._columns.setdefault(words, []).append((group, column))
        self._width, self._longest = len(pairs), max((len(w) for _, w in pairs), default=0)

    @classmethod
    def single(cls, captions: Iterable[str]) -> Phrases:
        """Return every word of ``captions`` as a group of its own."""
        return cls([word] for word in sorted({w for c in captions for w in _words(c)}))

    def said(self, captions: Sequence[str]) -> Tensor:
        """Return which phrases each caption says, ``[n, phrases]`` of 0 and 1, uint8.

        Of a group the longest counts: "top left" does not say "top".
        """
        marks = torch.zeros(len(captions), self._width, dtype=torch.uint8)
        for row, caption in enumerate(captions):
            marks[row, self._found(_words(caption))] = 1
        return marks

    def _found(self, words: tuple[str, ...]) -> list[int]:
        found: dict[int, int] = {}
        for length in range(self._longest, 0, -1):
            for start in range(len(words) - length + 1):
                for group, column in self._columns.get(words[start : start + length], ()):
                    found.setdefault(group, column)
        return list(found.values())


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))
