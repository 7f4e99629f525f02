"""Reads captions by the phrases they hold, so that a saved control needs no grammar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

_WORD = re.compile(r"[^\W_]+")
Pair = tuple[int, int]


class Phrases:
    """The phrases that captions are made of, other names of them, and which follow each other.

    What follows what tells a red circle and a blue square from a blue circle and a red square.

    >>> reader = Phrases(["red", "blue", "top", "top left"], {"crimson": "red"}, [(0, 3)])
    >>> reader.said(["A crimson circle, top left.", "at the top there is a blue one"])
    tensor([[1, 0, 0, 1, 1],
            [0, 1, 1, 0, 0]], dtype=torch.uint8)
    """

    def __init__(
        self, phrases: Sequence[str], synonyms: Mapping[str, str] | None = None,
        pairs: Iterable[Sequence[int]] = (),
    ) -> None:  # fmt: skip
        self.phrases, self.synonyms = list(phrases), dict(synonyms or {})
        number = {phrase: i for i, phrase in enumerate(self.phrases)}
        self._number = {_words(phrase): i for phrase, i in number.items()}
        self._number |= {_words(o): number[name] for o, name in self.synonyms.items()}
        self._longest = max(map(len, self._number), default=0)
        self._column = {(a, b): len(number) + i for i, (a, b) in enumerate(pairs)}

    @classmethod
    def of(
        cls, captions: Iterable[str], phrases: Iterable[str] = (),
        synonyms: Mapping[str, str] | None = None,
    ) -> Phrases:  # fmt: skip
        """Return the reader of ``captions`` by ``phrases``, or without any by their own words."""
        captions = list(captions)
        known = list(dict.fromkeys(phrases))
        reader = cls(known or sorted({w for c in captions for w in _words(c)}), synonyms)
        pairs = {p for c in captions for p in _pairs(reader._found(_words(c)))}
        return cls(reader.phrases, synonyms, sorted(pairs))

    def said(self, captions: Sequence[str]) -> Tensor:
        """Return which phrases and pairs each caption says, ``[n, columns]`` of 0 and 1, uint8.

        Of phrases that begin alike the longest counts: "top left" does not say "top".
        """
        marks = torch.zeros(len(captions), len(self.phrases) + len(self._column), dtype=torch.uint8)
        for row, caption in enumerate(captions):
            found = self._found(_words(caption))
            pairs = (self._column[p] for p in _pairs(found) if p in self._column)
            marks[row, [*found, *pairs]] = 1
        return marks

    def config(self) -> dict[str, Any]:
        """Return what makes the same reader again, for JSON."""
        return {"phrases": self.phrases, "synonyms": self.synonyms, "pairs": list(self._column)}

    def _found(self, words: tuple[str, ...]) -> list[int]:
        """Return the phrases in the order of the words, none within another."""
        found, at = [], 0
        while at < len(words):
            for length in range(min(self._longest, len(words) - at), 0, -1):
                number = self._number.get(words[at : at + length])
                if number is not None:
                    found.append(number)
                    break
            else:
                length = 1
            at += length
        return found


def _pairs(found: list[int]) -> list[Pair]:
    return list(pairwise(found))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))
