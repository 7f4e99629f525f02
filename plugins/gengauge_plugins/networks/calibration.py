"""How sure posteriors may be: one power of all of them."""

from __future__ import annotations

import math

from scipy.optimize import minimize_scalar
from torch import Tensor


def calibrated_power(log_joint: Tensor, truth: Tensor) -> float:
    """Return the power of ``exp(log_joint)`` ``[n, classes]`` that makes ``truth`` ``[n]`` likely.

    It is one number, between e^-7 and e^2, so the order of the classes stays as it was.
    On Calibration of Modern Neural Networks (Guo et al. 2017), https://arxiv.org/abs/1706.04599

    >>> import torch
    >>> sure, right = torch.tensor([[0.0, 8.0]] * 4), torch.tensor([1, 1, 1, 0])
    >>> round(8 * calibrated_power(sure, right), 2)  # log 3: three of four are right
    1.1
    """
    truth = truth.to(log_joint.device)

    def loss(log_power: float) -> float:
        scaled = math.exp(log_power) * log_joint
        return float((scaled.logsumexp(1) - scaled.gather(1, truth[:, None])[:, 0]).mean())

    found = minimize_scalar(loss, bounds=(-7, 2), method="bounded")
    return math.exp(found.x)
