"""Signed distances to the outlines of five shapes, in pixels, negative inside; y points down.

Source: I. Quilez, 2D distance functions, https://iquilezles.org/articles/distfunctions2d.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def circle(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Return the distance to a circle of radius ``r``."""
    return torch.hypot(x, y) - r


def square(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Return the distance to a square about as large as the circle."""
    return torch.maximum(x.abs(), y.abs()) - 0.9 * r


def triangle(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Return the distance to an equilateral triangle with a corner upwards."""
    sides = x.abs() * math.cos(math.pi / 6) - y * math.sin(math.pi / 6)
    return torch.maximum(sides, y) - 0.7 * r


def star(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Return the distance to a star of five corners, the notches half as far out.

    The plane is folded into one half of the upper ray.
    """
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


def cross(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    """Return the distance to an upright cross."""
    x, y = x.abs(), y.abs()
    arm, half = 1.2 * r, 0.42 * r
    return torch.maximum(torch.minimum(x, y) - half, torch.maximum(x, y) - arm)


OUTLINES: tuple[Callable[[Tensor, Tensor, Tensor], Tensor], ...] = (
    circle, square, triangle, star, cross,
)  # fmt: skip
