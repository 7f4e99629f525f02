"""Exact copies between the splits of a data set: what a model has seen must not judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from gengauge.data import Dataset

NAMES = ("test_in_train", "test_in_validation", "validation_in_train", "within_test")
_BLOCK = 1000


def count(data: Dataset) -> dict[str, int]:
    """Return how many test examples are in train and in validation, and so on, by ``NAMES``.

    Examples are copies if all their values are equal, whatever is known of them beside. Within
    the test split those count that repeat an earlier one. Each costs one hash and eight bytes.
    """
    parts = (data.train, data.validation, data.test)
    train, validation, test = (np.fromiter(_hashes(part.x), np.uint64) for part in parts)
    return {
        "test_in_train": _shared(test, train),
        "test_in_validation": _shared(test, validation),
        "validation_in_train": _shared(validation, train),
        "within_test": len(test) - len(np.unique(test)),
    }


def said(data: Mapping[str, Any]) -> list[str]:
    """Return what a record's ``dataset`` says of copies, a clause each; none: there are none.

    >>> said({"n_test": 200, "copies": {"test_in_train": 6, "within_test": 1}})
    ['6 of 200 test examples are also in train', '1 of 200 test examples repeats another']
    """
    found = data.get("copies") or {}
    clauses = (
        ("test_in_train", "test", "is also in train", "are also in train"),
        ("test_in_validation", "test", "is also in validation", "are also in validation"),
        ("validation_in_train", "validation", "is also in train", "are also in train"),
        ("within_test", "test", "repeats another", "repeat another"),
    )
    return [
        f"{n:,}{_of(data.get(f'n_{part}'))} {part} examples {one if n == 1 else many}"
        for name, part, one, many in clauses if (n := found.get(name))
    ]  # fmt: skip


def _of(total: int | None) -> str:
    return "" if total is None else f" of {total:,}"


def _hashes(x: Tensor) -> Iterator[int]:
    """Yield a number of 64 bits for the bytes of each example of ``x`` ``[n, *event]``."""
    for start in range(0, len(x), _BLOCK):
        block: NDArray[Any] = x[start : start + _BLOCK].contiguous().numpy()
        width = block.nbytes // len(block)
        content = block.reshape(-1).view("u1").data
        for i in range(len(block)):
            digest = hashlib.blake2b(content[i * width : (i + 1) * width], digest_size=8).digest()
            yield int.from_bytes(digest, "little")


def _shared(some: NDArray[np.uint64], others: NDArray[np.uint64]) -> int:
    return int(np.isin(some, others).sum())
