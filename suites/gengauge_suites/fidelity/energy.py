"""The energy distance between two clouds of points.

Source: Szekely & Rizzo 2013, Energy statistics: a class of statistics based on distances,
https://doi.org/10.1016/j.jspi.2013.03.018, eq. 5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge_suites.fidelity.clouds import points, problem
from gengauge_suites.fidelity.intervals import of_square
from gengauge_suites.fidelity.kernel import unbiased_mmd

LIMIT = 4000  # points of each cloud: the cost is quadratic, half a second here
_FEW = 2000  # points that tell the mean distance within a cloud well enough for its interval


def energy_distance(evidence: Evidence) -> Score:
    """Return ``2 E|X - Y| - E|X - X'| - E|Y - Y'|`` over pairs of different points.

    This is the U-statistic: unbiased, so it may be negative. dcor and scipy count each point with
    itself (the V-statistic, above 0 for a perfect model), and scipy takes its root.
    """
    if reason := problem(evidence):
        return unscored(reason)
    clouds = points(evidence)
    x, y = clouds.samples[:LIMIT], clouds.reference[:LIMIT]
    value, error = unbiased_mmd(nearness, x, y)
    bias = sum(float(torch.pdist(z[:_FEW]).mean()) / len(z) for z in (x, y))
    interval = of_square(value, error, bias)
    return Score(value, interval, n_samples=len(x), n_reference=len(y))


def nearness(a: Tensor, b: Tensor) -> Tensor:
    """Return ``-|a - b|`` ``[n, m]`` of ``[n, d]`` and ``[m, d]``: the kernel of this distance.

    Distances are formed without a product, which would lose half the digits of near points.
    """
    return -torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
