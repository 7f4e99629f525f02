"""Wasserstein-2 distances between point clouds: exact on small clouds, and sliced.

Sources: Flamary et al. 2021, POT: Python Optimal Transport, https://jmlr.org/papers/v22/20-451.html;
Bonneel et al. 2015, Sliced and Radon Wasserstein Barycenters of Measures, section 3,
https://doi.org/10.1007/s10851-014-0506-3.
"""

from __future__ import annotations

import math

import numpy as np
import ot
import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.statistics import block_jackknife, block_of, mean_interval
from gengauge_suites.fidelity.clouds import points, problem

BLOCKS = 20


def w2(evidence: Evidence, pairs: int, size: int) -> Score:
    """Return the mean exact distance of ``pairs`` disjoint subsets, each of ``size`` points a side.

    Small clouds are apart even when they come from one distribution, so the value has a floor
    (see the ``real`` row) and compares only at equal size, which is lowered where too few points
    are there.
    """
    if reason := problem(evidence):
        return unscored(reason)
    clouds = points(evidence)
    size = min(size, len(clouds.samples) // pairs, len(clouds.reference) // pairs)
    if size < 2:
        return unscored(f"needs at least {2 * pairs} samples for {pairs} disjoint subsets")
    parts = zip(
        torch.split(clouds.samples, size), torch.split(clouds.reference, size), strict=False
    )
    values = [exact_w2(a, b) for (a, b), _ in zip(parts, range(pairs), strict=False)]
    return Score(
        float(np.mean(values)),
        mean_interval(values),
        n_samples=pairs * size,
        n_reference=pairs * size,
        protocol={"pairs": pairs, "size": size},
    )


def exact_w2(x: Tensor, y: Tensor) -> float:
    """Return the root of the least mean squared distance of matching ``[n, d]`` to ``[m, d]``."""
    cost = ((x[:, None] - y[None]) ** 2).sum(-1).numpy()
    return math.sqrt(max(0.0, float(ot.emd2([], [], cost, numItermax=1_000_000))))


def sliced_w2(evidence: Evidence, projections: int) -> Score:
    """Return the root mean squared one-dimensional distance over random directions.

    The directions are the same for every model; the interval is for the expectation at this
    sample size.
    """
    if reason := problem(evidence):
        return unscored(reason)
    clouds = points(evidence)
    n = min(len(clouds.samples), len(clouds.reference))
    generator = evidence.generator("sliced_w2")
    directions = torch.randn(
        clouds.samples.shape[1], projections, generator=generator, dtype=torch.float64
    )
    directions /= (directions**2).sum(0).sqrt()
    sliced = _Sliced(clouds.samples[:n] @ directions, clouds.reference[:n] @ directions)
    value, interval, _ = block_jackknife(sliced.without, BLOCKS)
    return Score(value, interval, n_samples=n, n_reference=n, protocol={"projections": projections})


class _Sliced:
    """Two clouds on lines ``[n, projections]``, sorted once; leaving rows out keeps the order."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        block = torch.from_numpy(block_of(len(x), BLOCKS))
        self.x, order = x.T.contiguous().sort(1)
        self.block_x = block[order]
        self.y, order = y.T.contiguous().sort(1)
        self.block_y = block[order]

    def without(self, left_out: int | None) -> float:
        """Return the sliced distance without a block of both clouds."""
        x, y = self.x, self.y
        if left_out is not None:
            x = x[self.block_x != left_out].view(len(x), -1)
            y = y[self.block_y != left_out].view(len(y), -1)
        return float(((x - y) ** 2).mean().sqrt())
