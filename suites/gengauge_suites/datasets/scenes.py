"""What a picture of the shapes shows: which objects, where, and what is kept for the test."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_suites.datasets.drawing import OBJECTS
from gengauge_suites.datasets.words import COLOURS, PLACES, SHAPES, SIZES

_PAIRS = torch.cartesian_prod(torch.arange(len(SHAPES)), torch.arange(len(COLOURS)))
# Shapes and colours that are never seen together in training: each colour lacks one shape.
HELD_OUT = tuple(
    (SHAPES.index(shape), COLOURS.index(colour))
    for colour, shape in (
        ("red", "triangle"), ("green", "circle"), ("blue", "star"),
        ("yellow", "cross"), ("purple", "square"), ("white", "triangle"),
    )
)  # fmt: skip
NOVEL = 1 / 3  # the share of test pictures that have one of these


@dataclass(frozen=True)
class Numbers:
    """How many objects a picture has, from ``least`` to ``most``, all equally likely."""

    least: int = 1
    most: int = OBJECTS


def scenes(n: int, numbers: Numbers, novel: float, generator: torch.Generator) -> Tensor:
    """Return attributes ``[n, 12]``: three times shape, colour, size, place; -1 for no object.

    Objects of a picture differ in place and in shape or colour. A picture has a held-out pair of
    shape and colour, one of its objects, with probability ``novel``.
    """
    held = torch.tensor([p in HELD_OUT for p in map(tuple, _PAIRS.tolist())])
    kinds = _some(torch.where(held, 2.0, 0.0), n, generator)
    strange = torch.nonzero(held).flatten()
    pick = strange[torch.randint(len(strange), (n,), generator=generator)]
    count = torch.randint(numbers.least, numbers.most + 1, (n,), generator=generator)
    which = (torch.rand(n, generator=generator) * count).long()
    has = torch.rand(n, generator=generator) < novel
    kinds[has, which[has]] = pick[has]
    places = _some(torch.zeros(len(PLACES)), n, generator)
    sizes = torch.randint(len(SIZES), (n, OBJECTS), generator=generator)
    pairs = _PAIRS[kinds]
    objects = torch.stack([pairs[..., 0], pairs[..., 1], sizes, places], 2)
    objects[torch.arange(OBJECTS) >= count[:, None]] = -1
    return objects.flatten(1)


def _some(handicap: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Return ``n`` rows of three different numbers; those with a handicap above 1 never."""
    order = torch.rand(n, len(handicap), generator=generator, dtype=torch.float64)
    return (order + handicap).argsort(1)[:, :OBJECTS]
