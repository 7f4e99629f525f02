"""Sparse n-gram counts and the shares that smoothing makes of them, all in sorted arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Shares = NDArray[np.float64]
_DENSE = 1 << 22  # codes below which counting needs no sorting
_PENDING = 1 << 22  # distinct n-grams that may wait to be merged
_FALLBACK = (0.5, 1.0, 1.5)  # discounts where counts of counts are missing
_LEAST = 0.05  # no discount below: a token never seen keeps some mass


@dataclass(frozen=True)
class Level:
    """What an order knows: p(w | h) = weight of hw + rest of h x (what the order below says).

    An n-gram's code is its tokens as the digits of a number, the last one least; ``grams`` ``[m]``
    and their ``contexts`` ``[c]`` are sorted. An unseen n-gram weighs 0, an unseen context rests 1.
    """

    grams: Codes
    weights: Shares
    contexts: Codes
    rests: Shares


def codes(y: Codes, order: int, base: int) -> Codes:
    """Return the code of every ``order`` neighbours in rows ``y`` ``[n, s]``, ``[n, s-order+1]``.

    >>> codes(np.array([[1, 2, 3]]), 2, 10)
    array([[12, 23]])
    """
    found = y[:, : y.shape[1] - order + 1]
    for i in range(1, order):
        found = found * base + y[:, i : y.shape[1] - order + 1 + i]
    return found


def count(chunks: Iterator[Codes], n_codes: int) -> tuple[Codes, Codes]:
    """Return the distinct codes in ``chunks``, sorted, and how often each came.

    Memory is bounded by a chunk and by the number of distinct codes, never by the text.
    """
    if n_codes <= _DENSE:
        total = np.zeros(n_codes, np.int64)
        for chunk in chunks:
            total += np.bincount(chunk, minlength=n_codes)
        seen = np.flatnonzero(total)
        return seen, total[seen]
    done: tuple[Codes, Codes] = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    waiting: list[tuple[Codes, Codes]] = []
    for chunk in chunks:
        waiting.append(np.unique(chunk, return_counts=True))
        if sum(len(keys) for keys, _ in waiting) > max(_PENDING, len(done[0])):
            done, waiting = merge([done, *waiting]), []
    return merge([done, *waiting])


def merge(parts: list[tuple[Codes, Codes]]) -> tuple[Codes, Codes]:
    """Return the union of counted codes, sorted, the counts of equal ones added."""
    keys, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[first], np.add.reduceat(counts, first) if len(first) else counts


def discounted(grams: Codes, counts: Codes, base: int) -> Level:
    """Return the level of modified Kneser-Ney (Chen & Goodman 1999, eq. 26 and section 4.1.6)."""
    discount = np.array([0.0, *discounts(counts)])[np.minimum(counts, 3)]
    contexts, first = np.unique(grams // base, return_index=True)
    totals = np.add.reduceat(counts, first)
    weights = (counts - discount) / np.repeat(totals, np.diff(first, append=len(grams)))
    return Level(grams, weights, contexts, np.add.reduceat(discount, first) / totals)


def discounts(counts: Codes) -> tuple[float, ...]:
    """Return what counts of 1, 2 and 3 or more give away, each between 0.05 and the count.

    >>> discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4]))
    (0.5, 1.25, 1.0)
    """
    n = [int((counts == i).sum()) for i in range(1, 5)]
    if not all(n[:3]):
        return _FALLBACK
    y = n[0] / (n[0] + 2 * n[1])
    exact = [i - (i + 1) * y * n[i] / n[i - 1] for i in (1, 2, 3)]
    return tuple(min(max(d, _LEAST), float(i)) for i, d in enumerate(exact, 1))


def added(grams: Codes, counts: Codes, base: int, k: float) -> Level:
    """Return the level of add-k smoothing: ``k`` more of each of the ``base - 1`` tokens."""
    contexts, first = np.unique(grams // base, return_index=True)
    extra = k * (base - 1)
    totals = np.add.reduceat(counts, first) + extra
    weights = counts / np.repeat(totals, np.diff(first, append=len(grams)))
    return Level(grams, weights, contexts, extra / totals)


def looked_up(wanted: Codes, keys: Codes, values: Shares, missing: float) -> Shares:
    """Return the value of each of ``wanted`` in sorted ``keys``, or ``missing``."""
    if not len(keys):
        return np.full(wanted.shape, missing)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], missing)
