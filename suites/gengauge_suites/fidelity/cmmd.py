"""CMMD: a kernel distance between CLIP features with a fixed Gaussian kernel.

Source: Jayasumana et al. 2024, Rethinking FID, https://arxiv.org/abs/2401.09603, and the authors'
code (google-research/cmmd): features of length 1, width 10, times 1000, the minimum-variance
estimator (Gretton et al. 2012, eq. 5), which counts each example with itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge_suites.fidelity.clouds import problem
from gengauge_suites.fidelity.intervals import of_square

WIDTH, SCALE = 10.0, 1000.0
_BLOCK = 1000  # rows at a time


def cmmd(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the V-statistic times 1000; its interval is for its expectation at these sizes.

    It is above 0 even for a perfect model, by O(1/n); ``details`` has the unbiased value.
    """
    if reason := problem(evidence):
        return unscored(reason)
    found = evidence.features(embedder)
    x, y = (F.normalize(z.to(torch.float64), dim=1) for z in (found.samples, found.reference))
    value, error, unbiased = v_statistic(x, y)
    interval = of_square(value, error)
    interval = replace(interval, low=max(0.0, interval.low))
    details = {"unbiased": unbiased}
    return Score(value, interval, n_samples=len(x), n_reference=len(y), details=details)


def v_statistic(x: Tensor, y: Tensor) -> tuple[float, float, float]:
    """Return 1000 MMD^2 of ``[n, d]`` and ``[m, d]``, its jackknife error and the unbiased value.

    Sums are of ``k - 1``, whose ones cancel: at this width k differs from 1 by two per cent at
    most on the unit sphere, and the distance is a difference of such sums.
    """
    n, m = len(x), len(y)
    of_x, of_y = _rows(x, x), _rows(y, y)
    across, back = _rows(x, y), _rows(y, x)
    sums = float(of_x.sum()), float(of_y.sum()), float(across.sum())
    value = sums[0] / n**2 + sums[1] / m**2 - 2 * sums[2] / (n * m)
    unbiased = sums[0] / (n * (n - 1)) + sums[1] / (m * (m - 1)) - 2 * sums[2] / (n * m)
    less_x = (sums[0] - 2 * of_x) / (n - 1) ** 2 - 2 * (sums[2] - across) / ((n - 1) * m)
    less_y = (sums[1] - 2 * of_y) / (m - 1) ** 2 - 2 * (sums[2] - back) / ((m - 1) * n)
    variance = sum(
        (len(z) - 1) / len(z) * float(((z - z.mean()) ** 2).sum()) for z in (less_x, less_y)
    )
    return SCALE * value, SCALE * math.sqrt(variance), SCALE * unbiased


def _rows(a: Tensor, b: Tensor) -> Tensor:
    """Return the row sums of ``k(a, b) - 1`` ``[n]``."""
    return torch.cat([part.sum(1) for part in _blocks(a, b)])


def _blocks(a: Tensor, b: Tensor) -> Iterator[Tensor]:
    square = (b**2).sum(1)
    for part in torch.split(a, _BLOCK):
        apart = (part**2).sum(1, keepdim=True) + square - 2 * part @ b.T
        yield torch.expm1(-apart.clamp_min(0) / (2 * WIDTH**2))
