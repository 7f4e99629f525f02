"""What captions of the shapes claim, and how much of it holds in a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import perm

Object = tuple[int, ...]  # shape, colour, size, place; -1 for a place that is not said
Found = tuple[Object, ...]


@dataclass(frozen=True)
class Claims:
    """Objects, all that there are, and relations: (which, of which object, to which other)."""

    objects: Found
    relations: tuple[tuple[int, int, int], ...]


def objects_of(attributes: Sequence[int]) -> Found:
    """Return the objects of a scene's numbers, four each; those that begin with -1 are none.

    >>> objects_of([0, 1, 0, 4, -1, -1, -1, -1])
    ((0, 1, 0, 4),)
    """
    if len(attributes) % 4:
        raise ValueError(f"expected four numbers for each object, got {len(attributes)} numbers")
    each = (tuple(attributes[i : i + 4]) for i in range(0, len(attributes), 4))
    return tuple(thing for thing in each if thing[0] >= 0)


def canonical(claims: Claims) -> tuple[int, ...]:
    """Return the numbers of ``claims``, the same in whatever order and direction they were made."""
    n = len(claims.objects)
    forms = []
    for order in permutations(range(n)):  # order[i]: the place of object i
        things = [claims.objects[order.index(i)] for i in range(n)]
        forward = sorted(
            (r - 1, order[b], order[a]) if r % 2 else (r, order[a], order[b])
            for r, a, b in claims.relations
        )
        forms.append((n, *(v for t in things for v in t), *(v for r in forward for v in r)))
    return min(forms)


def holds(relation: int, one: int, other: int) -> bool:
    """Return whether a thing at place ``one`` is left of, right of, above or below ``other``."""
    a, b = (one % 3, other % 3) if relation < 2 else (one // 3, other // 3)
    return b < a if relation % 2 else a < b


def agreement(claims: Claims, found: Found) -> tuple[float | None, ...]:
    """Return the shares of claims that hold: shape, colour, size, position, relation, count.

    Objects are paired so that the most claims hold, each with another; what is left has no pair.
    """
    if len(claims.objects) == 1 == len(found):
        best = _kept(claims, found, (0,))
    else:
        best = max((_kept(claims, found, pairs) for pairs in _pairings(claims, found)), key=sum)
    made = len(claims.objects)
    places = sum(thing[3] >= 0 for thing in claims.objects)
    counts = (made, made, made, places, len(claims.relations))
    shares = [kept / n if n else None for kept, n in zip(best, counts, strict=True)]
    return (*shares, float(made == len(found)))


def _pairings(claims: Claims, found: Found) -> list[tuple[int, ...]]:
    """Return all ways to give each claimed object one that was found, or -1 for none."""
    n = len(claims.objects)
    candidates = (*range(len(found)), *[-1] * max(0, n - len(found)))
    if perm(len(candidates), n) > _MOST:
        raise ValueError(f"expected a scene of at most six objects, got {len(found)}")
    return list(dict.fromkeys(permutations(candidates, n)))


_MOST = perm(6, 3)


def _kept(claims: Claims, found: Found, pairs: tuple[int, ...]) -> tuple[int, ...]:
    """Return how many claims of each kind hold when object i is ``found[pairs[i]]``."""
    kept = [0, 0, 0, 0, 0]
    for thing, pair in zip(claims.objects, pairs, strict=True):
        if pair >= 0:
            seen = found[pair]
            for i in range(4):
                kept[i] += thing[i] == seen[i]
    for relation, a, b in claims.relations:
        if pairs[a] >= 0 and pairs[b] >= 0:
            kept[4] += holds(relation, found[pairs[a]][3], found[pairs[b]][3])
    return tuple(kept)
