"""Draws one anti-aliased shape a picture from signed distances, a block of pictures at a time.

A pixel's coverage is ``clamp(1/2 - d, 0, 1)`` with ``d`` the signed distance of its middle to the
outline in pixels (I. Quilez, 2D distance functions,
https://iquilezles.org/articles/distfunctions2d). All arithmetic is float64, so that a last bit
that differs between processors is rounded away.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

SIDE = 32
JITTERS = 11  # uniform numbers that a picture takes beside its attributes
_BLOCK = 16  # pictures at a time: keeps them in the cache
_STEP, _STRAY = 6.5, 1.0  # pixels between places of the three by three, and from a place
_RADIUS = torch.tensor([3.6, 6.2], dtype=torch.float64)  # of a circle; others cover about as much
_RADIUS_STRAY = torch.tensor([0.4, 0.6], dtype=torch.float64)
_TURN = math.radians(12)
_COLOURS = torch.tensor(
    [
        [0.90, 0.16, 0.15], [0.15, 0.72, 0.22], [0.20, 0.34, 0.94],
        [0.93, 0.84, 0.16], [0.66, 0.22, 0.80], [0.92, 0.92, 0.92],
    ],
    dtype=torch.float64,
)  # fmt: skip


def _circle(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    return torch.hypot(x, y) - r


def _square(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.9 * r


def _triangle(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Equilateral, a corner upwards; y points down."""
    sides = x.abs() * math.cos(math.pi / 6) - y * math.sin(math.pi / 6)
    return torch.maximum(sides, y) - 0.7 * r


def _star(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Five corners, the notches half as far out; folded into one half of one ray."""
    x, y = x.abs(), -y
    cosine, sine = math.cos(math.pi / 5), math.sin(math.pi / 5)
    for side in (1, -1):  # the two mirrors that bound the upper ray
        beyond = 2 * (side * x * cosine - y * sine).clamp_min(0)
        x, y = x - side * beyond * cosine, y + beyond * sine
    x = x.abs()
    tip = 1.36 * r
    notch_x, notch_y = tip / 2 * sine, tip / 2 * cosine
    length = torch.hypot(notch_x, tip - notch_y)
    return (x * (tip - notch_y) + (y - tip) * notch_x) / length


def _cross(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    x, y = x.abs(), y.abs()
    arm, half = 1.2 * r, 0.42 * r
    return torch.maximum(torch.minimum(x, y) - half, torch.maximum(x, y) - arm)


_OUTLINES: tuple[Callable[[Tensor, Tensor, Tensor], Tensor], ...] = (
    _circle, _square, _triangle, _star, _cross,
)  # fmt: skip


def draw(attributes: Tensor, jitter: Tensor) -> Tensor:
    """Return uint8 pictures ``[n, 3, 32, 32]`` of ``attributes`` ``[n, 4]``.

    ``jitter`` ``[n, 11]`` in ``[0, 1)`` moves, resizes, turns and tints within an attribute.
    """
    out = torch.empty(len(attributes), 3, SIDE, SIDE, dtype=torch.uint8)
    for shape, outline in enumerate(_OUTLINES):
        members = torch.nonzero(attributes[:, 0] == shape).flatten()
        for block in torch.split(members, _BLOCK):
            out[block] = _draw(attributes[block], 2 * jitter[block] - 1, outline)
    return out


def _draw(
    attributes: Tensor, jitter: Tensor, outline: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    """Draw one block of one shape; ``jitter`` is in ``[-1, 1)``."""
    _, colour, size, position = attributes.unsqueeze(-1).unsqueeze(-1).unbind(1)
    jitter = jitter.to(torch.float64)
    left, down, grow, turn, *rest = jitter[:, :, None, None].unbind(1)
    middle = torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2
    x = middle - (position % 3 - 1) * _STEP - left * _STRAY
    y = middle[:, None] - (position // 3 - 1) * _STEP - down * _STRAY
    sine, cosine = (turn * _TURN).sin(), (turn * _TURN).cos()
    x, y = cosine * x + sine * y, cosine * y - sine * x
    distance = outline(x, y, _RADIUS[size] + grow * _RADIUS_STRAY[size])
    cover = (0.5 - distance).clamp(0, 1).unsqueeze(1)
    ground, shade, light_x, light_y = (r.unsqueeze(1) for r in rest[:4])
    fill = _COLOURS[colour.flatten()] * (0.88 + 0.12 * shade[:, :, 0, 0])
    fill = (fill + 0.05 * jitter[:, 8:11])[:, :, None, None]
    ground = 0.14 + 0.08 * ground
    light = 1 + (light_x * middle + light_y * middle[:, None]) * (0.12 / SIDE)
    picture = (ground + (fill - ground) * cover) * light
    return (255 * picture).round().clamp(0, 255).to(torch.uint8)
