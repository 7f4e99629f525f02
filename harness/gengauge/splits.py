"""Splits that no library's random stream can change."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def stratified(labels: Tensor, sizes: tuple[int, ...], salt: str) -> list[Tensor]:
    """Return indices of parts of the given ``sizes`` and of the rest, each class in proportion.

    Examples are ordered by a hash of ``salt`` and their number. A class gives each part its share
    rounded to a whole number, and the largest remainders are rounded up so that the sizes hold
    exactly.
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
    return hashlib.sha256(f"{salt} {index}".encode()).digest()


def _shares(counts: list[int], size: int) -> list[int]:
    """Split ``size`` in proportion to ``counts`` by largest remainder."""
    exact = [size * c / sum(counts) for c in counts]
    shares = [int(e) for e in exact]
    by_remainder = sorted(range(len(counts)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: size - sum(shares)]:
        shares[i] += 1
    return shares
