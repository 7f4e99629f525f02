"""The classifier two-sample test with nearest neighbours.

Source: Lopez-Paz & Oquab 2017, Revisiting Classifier Two-Sample Tests, section 3,
https://arxiv.org/abs/1610.06545 (their k is the root of the number of training points).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.statistics import wilson
from gengauge_suites.fidelity.clouds import points, problem


def c2st(evidence: Evidence) -> Score:
    """Return the held-out accuracy of telling samples from reference; 0.5 cannot be told apart.

    Both sides count equally: as many of each, half to train and half to test.
    """
    if reason := problem(evidence):
        return unscored(reason)
    clouds = points(evidence)
    n = min(len(clouds.samples), len(clouds.reference)) // 2 * 2
    value = accuracy(clouds.samples[:n], clouds.reference[:n])
    return Score(value, wilson(value * n, n), n_samples=n, n_reference=n)


def accuracy(x: Tensor, y: Tensor) -> float:
    """Return the held-out accuracy of k-NN on ``x`` ``[n, d]`` against ``y`` ``[n, d]``, n even.

    A tie of votes counts one half, as a coin would decide it.
    """
    half = len(x) // 2
    train = torch.cat([x[:half], y[:half]]).numpy()
    is_x = np.arange(2 * half) < half
    k = math.isqrt(2 * half)
    held_out = torch.cat([x[half:], y[half:]]).numpy()
    _, index = cKDTree(train).query(held_out, k=k)
    share = is_x[index.reshape(2 * half, k)].mean(1)
    right = np.where(is_x, share > 0.5, share < 0.5) + 0.5 * (share == 0.5)
    return float(right.mean())
