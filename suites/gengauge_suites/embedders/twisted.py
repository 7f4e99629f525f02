"""Captions that are nearly right: what a CLIP has to tell apart to judge relations and bindings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gengauge_suites.datasets.captions import WAYS, ShapesGrammar
from gengauge_suites.datasets.words import COLOURS, PLACES, SHAPES, SIZES

SIZE = 4  # numbers of an object: shape, colour, size, place
_VALUES = tuple(map(len, (SHAPES, COLOURS, SIZES, PLACES)))
_COLOUR_SIZE_PLACE = (1, 2, 3)
_TRIES = 50


class Twister:
    """Says of scenes what is nearly right, but never a pair of shape and colour that is not seen.

    Such a pair would be heard in wrong captions only, and so be learnt as always wrong.
    """

    def __init__(self, attributes: Tensor, grammar: ShapesGrammar) -> None:
        self._grammar, self._seen = grammar, pairs_of(attributes, grammar)

    def captions(self, scenes: Tensor, generator: torch.Generator) -> list[str]:
        """Return for each scene ``[n, 12]`` a caption of which some claim does not hold."""
        return [self._one(scene, generator) for scene in scenes.tolist()]

    def _one(self, scene: list[int], generator: torch.Generator) -> str:
        for _ in range(_TRIES):
            near = changed(scene, generator)
            if self._seen.issuperset(self._grammar.combinations(near)):
                way = int(torch.randint(WAYS, (1,), generator=generator))
                said = self._grammar.caption(near, way)
                if untrue(said, scene, self._grammar):
                    return said
        raise ValueError(f"no caption near the scene {scene} was found that says what was seen")


def pairs_of(attributes: Tensor, grammar: ShapesGrammar) -> set[tuple[int, ...]]:
    """Return the pairs of shape and colour that occur in the scenes ``[n, 12]``."""
    scenes = set(map(tuple, attributes.tolist()))
    return {pair for scene in scenes for pair in grammar.combinations(scene)}


def untrue(caption: str, scene: Sequence[int], grammar: ShapesGrammar) -> bool:
    """Return whether something that ``caption`` claims does not hold of ``scene``."""
    return any(share is not None and share < 1 for share in grammar.agreement(caption, scene))


def changed(scene: Sequence[int], generator: torch.Generator) -> list[int]:
    """Return ``scene`` with one value drawn anew, which may be what it was.

    Of several objects half of the time two exchange their colours, sizes or places instead.
    """
    found, number = list(scene), sum(value >= 0 for value in scene) // SIZE
    kind, first, second, value = torch.rand(4, generator=generator).tolist()
    one = int(first * number)
    if number > 1 and kind < 0.5:
        other = (one + 1 + int(second * (number - 1))) % number
        return exchanged(found, one, other, _COLOUR_SIZE_PLACE[int(value * 3)])
    # of several objects the place alone need not be said
    which = int(second * (SIZE if number == 1 else SIZE - 1))
    found[SIZE * one + which] = int(value * _VALUES[which])
    return found


def exchanged(scene: Sequence[int], one: int, other: int, which: int) -> list[int]:
    """Return ``scene`` with one value, by its number, exchanged between two of its objects.

    >>> exchanged([0, 1, 0, 4, 2, 3, 1, 8, -1, -1, -1, -1], 0, 1, which=3)
    [0, 1, 0, 8, 2, 3, 1, 4, -1, -1, -1, -1]
    """
    found = list(scene)
    a, b = SIZE * one + which, SIZE * other + which
    found[a], found[b] = found[b], found[a]
    return found
