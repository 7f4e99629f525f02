"""Fixed-step solvers of ordinary differential equations, their network evaluations counted."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
# evaluations of each step
COST = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}


def solve(velocity: Velocity, x: Tensor, start: float, end: float, steps: int, kind: str) -> Tensor:
    """Return x at ``end`` of dx/dt = velocity(x, t) from ``x`` at ``start``, in equal steps.

    >>> import torch
    >>> solve(lambda x, t: x, torch.ones(1), 0.0, 1.0, 10, "rk4")
    tensor([2.7183])
    """
    h = (end - start) / steps
    for step in range(steps):
        x = _STEPS[kind](velocity, x, start + step * h, h)
    return x


def _euler(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    return x + h * v(x, t)


def _midpoint(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    return x + h * v(x + 0.5 * h * v(x, t), t + 0.5 * h)


def _heun(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    first = v(x, t)
    return x + 0.5 * h * (first + v(x + h * first, t + h))


def _rk4(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    a = v(x, t)
    b = v(x + 0.5 * h * a, t + 0.5 * h)
    c = v(x + 0.5 * h * b, t + 0.5 * h)
    d = v(x + h * c, t + h)
    return x + h / 6 * (a + 2 * b + 2 * c + d)


_STEPS = {"euler": _euler, "midpoint": _midpoint, "heun": _heun, "rk4": _rk4}
