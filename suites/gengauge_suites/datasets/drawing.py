"""Draws scenes of anti-aliased shapes from signed distances, only the pixels near an object.

A pixel's coverage is ``clamp(1/2 - d, 0, 1)`` with ``d`` the signed distance of its middle to the
outline in pixels (I. Quilez, 2D distance functions,
https://iquilezles.org/articles/distfunctions2d). All arithmetic is float64, so that a last bit
that differs between processors is rounded away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_suites.datasets.outlines import OUTLINES

SIDE = 32
OBJECTS = 3  # at most, in one picture
FIELDS = 4  # shape, colour, size and place of each
_STEP = 10  # pixels between places of the three by three
_PATCH = 16  # the pixels that an object can reach lie in a square of so many
_EDGE = 2  # how far the outermost of these squares reach beyond the picture
_WIDE = SIDE + 2 * _EDGE
_BLOCK = 100  # pictures at a time: keeps them in the cache
_RADIUS = torch.tensor([2.9, 4.4], dtype=torch.float64)  # of a circle; others cover about as much
_RADIUS_STRAY = torch.tensor([0.2, 0.3], dtype=torch.float64)
_COLOURS = torch.tensor(
    [
        [0.90, 0.16, 0.15], [0.15, 0.72, 0.22], [0.20, 0.34, 0.94],
        [0.93, 0.84, 0.16], [0.66, 0.22, 0.80], [0.92, 0.92, 0.92],
    ],
    dtype=torch.float64,
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How much the pictures of a difficulty differ within what their attributes say.

    ``ground`` and ``ground_stray`` are its brightness, ``clutter`` the height of the waves on it,
    ``tint`` the stray of an object's colour, ``turn`` of its angle in degrees, ``stray`` of its
    middle in pixels.
    """

    ground: float = 0.14
    ground_stray: float = 0.08
    clutter: float = 0.0
    tint: float = 0.05
    turn: float = 12.0
    stray: float = 0.5


@dataclass(frozen=True)
class Jitter:
    """Numbers in ``[-1, 1)``: of each picture ``[n, 9]``, and of each object ``[n, 3, 8]``."""

    picture: Tensor
    objects: Tensor

    @classmethod
    def drawn(cls, n: int, generator: torch.Generator) -> Jitter:
        """Return independent uniform numbers for ``n`` pictures."""
        flat = torch.rand(n, 9 + OBJECTS * 8, generator=generator, dtype=torch.float64)
        return cls.of(2 * flat - 1)

    @classmethod
    def of(cls, flat: Tensor) -> Jitter:
        """Return the numbers ``[n, 33]`` apart."""
        return cls(flat[:, :9], flat[:, 9:].reshape(-1, OBJECTS, 8))


def draw(attributes: Tensor, jitter: Jitter, look: Look) -> Tensor:
    """Return uint8 pictures ``[n, 3, 32, 32]`` of ``attributes`` ``[n, 12]``.

    ``attributes`` holds three times shape, colour, size and place, -1 where there is no object;
    ``jitter`` moves, resizes, turns and tints within an attribute.
    """
    out = torch.empty(len(attributes), 3, SIDE, SIDE, dtype=torch.uint8)
    for start in range(0, len(attributes), _BLOCK):
        block = slice(start, start + _BLOCK)
        objects = attributes[block].reshape(-1, OBJECTS, FIELDS)
        part = Jitter(jitter.picture[block], jitter.objects[block])
        out[block] = _scenes(objects, part, look)
    return out


def _scenes(objects: Tensor, jitter: Jitter, look: Look) -> Tensor:
    """Paint the objects ``[n, 3, 4]`` one after the other on their grounds."""
    canvas = _grounds(jitter.picture, look).flatten(2)
    picture, slot = torch.nonzero(objects[:, :, 0] >= 0, as_tuple=True)
    shown, stray = objects[picture, slot], jitter.objects[picture, slot]
    cover = _covers(shown, stray, look).unsqueeze(1)
    fill = _COLOURS[shown[:, 1]] * (0.88 + 0.12 * stray[:, 4:5]) + look.tint * stray[:, 5:8]
    pixels = _PIXELS[shown[:, 3]].unsqueeze(1).expand(-1, 3, -1)
    for turn in range(OBJECTS):  # each picture has one object of each turn at most
        mine = torch.nonzero(slot == turn).flatten()
        rows, place = canvas[picture[mine]], pixels[mine]
        below = rows.gather(2, place)
        rows.scatter_(2, place, below + (fill[mine].unsqueeze(2) - below) * cover[mine])
        canvas[picture[mine]] = rows
    inside = slice(_EDGE, _EDGE + SIDE)
    painted = canvas.reshape(-1, 3, _WIDE, _WIDE)[:, :, inside, inside]
    lit = painted * _light(jitter.picture).unsqueeze(1)
    return (255 * lit).round_().clamp_(0, 255).to(torch.uint8)


def _grounds(jitter: Tensor, look: Look) -> Tensor:
    """Return grounds ``[n, 3, 36, 36]``: even and grey, or with coloured waves on them."""
    level = (look.ground + look.ground_stray * jitter[:, 0])[:, None, None, None]
    plain = level.expand(-1, 3, _WIDE, _WIDE)
    if not look.clutter:
        return plain.clone()
    across, down, phase = (math.pi * jitter[:, i, None, None] for i in (3, 4, 5))
    middle = torch.arange(_WIDE, dtype=torch.float64)
    # up to a wave every eight pixels: as fine as the shapes themselves
    wave = (across / 4 * middle + down / 4 * middle[:, None] + phase).sin()
    tint = 0.6 + 0.4 * jitter[:, 6:9, None, None]
    return plain + look.clutter * tint * wave.unsqueeze(1)


def _light(jitter: Tensor) -> Tensor:
    """Return the light ``[n, 32, 32]``, which falls off to one side by up to an eighth."""
    middle = torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2
    across, down = jitter[:, 1, None, None], jitter[:, 2, None, None]
    return 1 + (across * middle + down * middle[:, None]) * (0.12 / SIDE)


def _covers(shown: Tensor, stray: Tensor, look: Look) -> Tensor:
    """Return the share of each pixel ``[m, 256]`` round its place that an object covers."""
    left, below, grow, turn = stray[:, :4, None, None].unbind(1)
    middle = torch.arange(_PATCH, dtype=torch.float64) - (_PATCH - 1) / 2
    x, y = middle - look.stray * left, middle[:, None] - look.stray * below
    sine, cosine = (math.radians(look.turn) * turn).sin(), (math.radians(look.turn) * turn).cos()
    x, y = cosine * x + sine * y, cosine * y - sine * x
    size = shown[:, 2, None, None]
    radius = _RADIUS[size] + grow * _RADIUS_STRAY[size]
    distance = torch.empty_like(x)
    for shape, outline in enumerate(OUTLINES):
        mine = torch.nonzero(shown[:, 0] == shape).flatten()
        distance[mine] = outline(x[mine], y[mine], radius[mine])
    return (0.5 - distance).clamp_(0, 1).flatten(1)


def _pixels() -> Tensor:
    """Return the pixels ``[9, 256]`` of the wide picture round each place."""
    start = torch.arange(3) * _STEP
    line = torch.arange(_PATCH)
    rows = start[:, None, None, None] + line[:, None]
    columns = start[:, None, None] + line
    return (rows * _WIDE + columns).flatten(2).flatten(0, 1)


_PIXELS = _pixels()
