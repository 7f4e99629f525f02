"""A word is a token: for networks that know two dozen words.

open_clip's own tokenizer has 49,408 tokens, whose embedding alone would be ten times such a
network. A folder of weights with a ``words.txt`` beside them is read this way.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

FILE = "words.txt"
_WORD = re.compile(r"\w+")
_START, _OTHER, _FIRST = 1, 2, 3  # 0 fills up


def said(caption: str) -> list[str]:
    """Return the words of a caption, lower case, without signs.

    >>> said("Small red circle, top left.")
    ['small', 'red', 'circle', 'top', 'left']
    """
    return _WORD.findall(caption.lower())


class Words:
    """Numbers words ``[n, length]``, called as open_clip's tokenizers are.

    >>> Words(["circle", "red"], 6)(["a red circle", "red"])
    tensor([[1, 2, 4, 3, 5, 0],
            [1, 4, 5, 0, 0, 0]])
    """

    def __init__(self, known: Sequence[str], length: int) -> None:
        self.length = length
        self._numbers = {word: number for number, word in enumerate(known, _FIRST)}
        # the end is the highest: open_clip takes the text's features from there
        self._end = _FIRST + len(known)
        self.size = self._end + 1

    @classmethod
    def read(cls, file: Path, length: int) -> Words:
        """Return the words of ``file``, one a line."""
        return cls(file.read_text(encoding="utf-8").split(), length)

    def __call__(self, texts: Sequence[str], context_length: int | None = None) -> Tensor:
        """Return numbers ``[n, context_length]``, int64; unknown words are one, the end stays."""
        length = context_length or self.length
        out = torch.zeros(len(texts), length, dtype=torch.int64)
        for row, text in zip(out, texts, strict=True):
            inside = [self._numbers.get(word, _OTHER) for word in said(text)][: length - 2]
            ids = [_START, *inside, self._end]
            row[: len(ids)] = torch.tensor(ids)
        return out

    def check(self, texts: Sequence[str], reader: str) -> None:
        """Warn of words that are not known; ``ValueError`` for a caption without any word."""
        found = [said(text) for text in texts]
        if not all(found):
            place = next(i for i, words in enumerate(found) if not words)
            raise ValueError(
                f"caption {place} ({texts[place]!r}) has no word; give {reader} a caption that "
                "says something"
            )
        unknown = Counter(w for words in found for w in words if w not in self._numbers)
        if unknown:
            named = ", ".join(repr(word) for word, _ in unknown.most_common(5))
            warnings.warn(
                f"{reader} does not know {named}: such words are all one to it", stacklevel=3
            )
