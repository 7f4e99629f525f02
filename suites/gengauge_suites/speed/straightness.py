"""How straight the paths of a probability flow are: straight ones need few steps.

S = E int |x(1) - x(0) - v(x(t), t)|^2 dt (Liu et al. 2022, Flow Straight and Fast, section 2.2,
https://arxiv.org/abs/2209.03003), here over E |x(1) - x(0)|^2. On a path the mean velocity is
x(1) - x(0), so S is what the squared velocity exceeds its own least by.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gengauge.data import dequantise
from gengauge.evidence import Evidence
from gengauge.likelihood import ProbabilityFlow
from gengauge.metric import Score, unscored
from gengauge.statistics import block_jackknife, block_of
from gengauge_suites.likelihood.evaluating import held_out

BLOCKS = 20
_BATCH = 500


def path_straightness(evidence: Evidence, steps: int, examples: int) -> Score:
    """Return the relative excess of squared velocity along paths from held-out data to the base.

    The interval is for other examples, and widened by the error of the steps, which half of them
    tell.
    """
    if not isinstance(evidence.model, ProbabilityFlow):
        return unscored("has no probability flow")
    x = held_out(evidence, examples)
    data = evidence.dataset
    if data.levels is not None:
        stream = evidence.generator("dequantise")
        x = dequantise(x.cpu(), data.levels, stream).to(evidence.device)
    unit = _unit(x) if data.modality == "table" else torch.ones_like(x[0], dtype=torch.float64)
    if len(x) < BLOCKS:
        return unscored(f"needs {BLOCKS} test examples for an interval, and {len(x)} are there")
    fine = _paths(evidence.model, x, unit, steps)
    moved = fine[:, 1].sum()
    if not np.isfinite(fine).all() or moved <= 0:
        return unscored("paths do not move, or leave the range of numbers")
    value, interval, _ = block_jackknife(lambda left: _excess(fine, left), BLOCKS)
    half = _excess(_paths(evidence.model, x, unit, max(1, steps // 2)), None)
    error = abs(value - half) / 15  # a fourth-order method at half the steps errs 16 times as much
    interval = replace(
        interval, low=max(0.0, interval.low - error), high=interval.high + error,
        method=f"{interval.method}, widened by the error of the steps",
    )  # fmt: skip
    details = {"steps": steps, "step_error": error, "mean_squared_way": float(moved / len(x))}
    return Score(
        max(0.0, value), interval, "estimate", n_reference=len(x), details=details,
        protocol={"steps": steps},
    )  # fmt: skip


def _unit(x: Tensor) -> Tensor:
    """Return each column's deviation ``[*event]``, 1 where it is constant."""
    spread = x.double().std(0)
    return spread.where(spread > 0, 1.0)


def _excess(paths: np.ndarray[tuple[int, ...], np.dtype[np.float64]], left: int | None) -> float:
    """Return the excess over all ``paths`` ``[n, 2]`` but those of block ``left``."""
    block = block_of(len(paths), BLOCKS)
    energy, way = paths[block != (-1 if left is None else left)].sum(0)
    return float(energy / way - 1)


@torch.no_grad()
def _paths(
    model: ProbabilityFlow, x: Tensor, unit: Tensor, steps: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return of each path ``[n, 2]`` the integral of |v|^2 and the squared way it comes."""
    found = [_path(model, part.double(), unit, steps) for part in torch.split(x, _BATCH)]
    return torch.cat(found).cpu().numpy()


def _path(model: ProbabilityFlow, start: Tensor, unit: Tensor, steps: int) -> Tensor:
    state, h = start, 1 / steps
    energy = torch.zeros(len(start), dtype=torch.float64, device=start.device)

    def rate(x: Tensor, t: float) -> Tensor:
        times = torch.full((len(x),), t, dtype=torch.float64, device=x.device)
        return model.velocity(x, times).double()

    def size(v: Tensor) -> Tensor:
        return (v / unit).flatten(1).square().sum(1)

    for step in range(steps):
        t = step * h
        a = rate(state, t)
        b = rate(state + 0.5 * h * a, t + 0.5 * h)
        c = rate(state + 0.5 * h * b, t + 0.5 * h)
        d = rate(state + h * c, t + h)
        state = state + h / 6 * (a + 2 * b + 2 * c + d)
        energy = energy + h / 6 * (size(a) + 2 * size(b) + 2 * size(c) + size(d))
    return torch.stack([energy, size(state - start)], 1)
