"""The UCI digits that ship inside scikit-learn, in a split of our own."""

from __future__ import annotations

import hashlib

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from gengauge.data import Dataset, Split
from gengauge.specs import DatasetSpec

LEVELS = 17
HELD_OUT = 359  # a fifth of 1,797, for validation and test each


def load(spec: DatasetSpec) -> Dataset:
    """Return the digits as uint8 ``[n, 1, 8, 8]``: 1,079 to train, 359 to validate, 359 to test."""
    bunch = load_digits()
    x = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(bunch.target).to(torch.int64)
    validation, test, train = stratified(labels, (HELD_OUT, HELD_OUT), spec.revision)
    return Dataset(
        id=spec.id,
        modality="image",
        train=Split(x[train], labels[train]),
        validation=Split(x[validation], labels[validation]),
        test=Split(x[test], labels[test]),
        levels=LEVELS,
        class_names=tuple("0123456789"),
        revision=spec.revision,
    )


def stratified(labels: Tensor, sizes: tuple[int, ...], salt: str) -> list[Tensor]:
    """Return indices of parts of the given ``sizes`` and of the rest, each class in proportion.

    Examples are ordered by a hash of their number, so that no library's random stream can change
    the split. A class gives each part its share rounded to a whole number, and the largest
    remainders are rounded up so that the sizes hold exactly.
    """
    classes = [torch.nonzero(labels == c).flatten().tolist() for c in sorted(set(labels.tolist()))]
    pools = [sorted(members, key=lambda i: _rank(salt, i)) for members in classes]
    taken = [0] * len(pools)
    parts = []
    for size in sizes:
        counts = _shares([len(p) for p in pools], size)
        parts.append(
            [i for p, t, c in zip(pools, taken, counts, strict=True) for i in p[t : t + c]]
        )
        taken = [t + c for t, c in zip(taken, counts, strict=True)]
    parts.append([i for p, t in zip(pools, taken, strict=True) for i in p[t:]])
    return [torch.tensor(sorted(part, key=lambda i: _rank(salt, i))) for part in parts]


def _rank(salt: str, index: int) -> bytes:
    return hashlib.sha256(f"digits {salt} {index}".encode()).digest()


def _shares(counts: list[int], size: int) -> list[int]:
    """Split ``size`` in proportion to ``counts`` by largest remainder."""
    exact = [size * c / sum(counts) for c in counts]
    shares = [int(e) for e in exact]
    by_remainder = sorted(range(len(counts)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: size - sum(shares)]:
        shares[i] += 1
    return shares
