"""Text as windows of tokens: the dictionary that ships, by characters, and any file, by bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gengauge.collection import SPLITS, Collection
from gengauge.data import Dataset, Split
from gengauge.errors import UsageError
from gengauge.guarded import read_input
from gengauge.specs import DatasetSpec

LENGTH = 64  # tokens in a window
STRETCH = 64  # windows in a stretch, which goes to one split as a whole
LEAST = 100  # windows a file must fill
BYTES = 256
SHIPPED = Path(__file__).parent / "devils_dictionary.txt"

Tokens = NDArray[Any]


def load(spec: DatasetSpec) -> Dataset:
    """Return the dictionary as characters, int64 ``[n, 64]``; ``levels`` is its alphabet's size."""
    text = SHIPPED.read_bytes().decode("ascii")
    alphabet = "".join(sorted(set(text)))
    number = np.zeros(128, np.uint8)
    number[[ord(c) for c in alphabet]] = np.arange(len(alphabet))
    tokens = number[np.frombuffer(text.encode("ascii"), np.uint8)]
    train, validation, test = _splits(tokens, np.ones(len(tokens), bool))
    return Dataset(
        spec.id, "text", train, validation, test, levels=len(alphabet), alphabet=alphabet,
        revision=spec.revision,
    )  # fmt: skip


def open_text(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the UTF-8 file ``path`` as bytes, int64 ``[n, 64]``, 256 levels, by part.

    Each window knows how many characters begin in it, so that bits per character mean the same
    for every language. ``UsageError`` where the file is missing, empty, too short or no text.
    """
    raw = _read(path)
    if len(raw) < LEAST * LENGTH:
        raise UsageError(
            f"'{path}' holds {len(raw)} bytes, and three splits of {LENGTH}-byte windows need at "
            f"least {LEAST * LENGTH}; give a longer text"
        )
    tokens = np.frombuffer(raw, np.uint8)
    starts = (tokens & 0xC0) != 0x80  # all bytes of a character but its first begin with bits 10
    splits = zip(SPLITS, _splits(tokens, starts), strict=True)
    return {name: _collection(split) for name, split in splits}


def _collection(split: Split) -> Collection:
    x = split.x
    read = lambda start, stop: x[start:stop]  # noqa: E731
    return Collection("text", len(x), (LENGTH,), read, BYTES, characters=split.characters)


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; give a text file in UTF-8")
    raw = read_input(path)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"'{path}' is not text in UTF-8 (byte {error.start} is {raw[error.start]:#04x}); "
            "convert it, for example with iconv"
        ) from None
    if "\0" in text:
        raise UsageError(f"'{path}' holds NUL characters and is no text; give a text file in UTF-8")
    return raw


def _splits(tokens: Tokens, starts: NDArray[np.bool_]) -> tuple[Split, Split, Split]:
    """Cut ``tokens`` ``[t]`` into windows; what is left over at the end is dropped.

    Of ten stretches the fifth validates and the tenth tests: no token is in two splits, and each
    split holds something of every part of the text.
    """
    n = len(tokens) // LENGTH
    windows = tokens[: n * LENGTH].reshape(n, LENGTH)
    characters = starts[: n * LENGTH].reshape(n, LENGTH).sum(1)
    stretch = np.arange(n) // min(STRETCH, n // (LEAST // 2)) % 10

    def split(mask: NDArray[np.bool_]) -> Split:
        x = torch.from_numpy(windows[mask].astype(np.int64))
        return Split(x, characters=torch.from_numpy(characters[mask]))

    return split((stretch != 4) & (stretch != 9)), split(stretch == 4), split(stretch == 9)
