"""Where annealing should spend its temperatures."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

_STEEPNESS = 4.0
_FIRST = 0.1  # nats of spread that the very first step may add
_LEARNED = 0.7  # share of the temperatures that go where the first run says, the rest evenly
_WINDOW = 10  # of the run's length, over which its noisy curve is smoothed


def sigmoid(n: int) -> Tensor:
    """Return inverse temperatures ``[n + 1]`` from 0 to 1, dense at both ends (Grosse et al. 2015).

    >>> sigmoid(4)
    tensor([0.0000, 0.1050, 0.5000, 0.8950, 1.0000], dtype=torch.float64)
    """
    curve = torch.sigmoid(_STEEPNESS * torch.linspace(-1, 1, n + 1, dtype=torch.float64))
    return (curve - curve[0]) / (curve[-1] - curve[0])


def exploring(n: int, spread: float) -> Tensor:
    """Return inverse temperatures ``[n + 1]`` from 0 to 1 for a run that is to find better ones.

    One half lies by the sigmoid, the other evenly in log beta from where the likelihood, of
    deviation ``spread`` nats under the prior, begins to be felt.
    """
    least = min(1e-2, _FIRST / max(spread, 1e-9))
    logs = torch.logspace(math.log10(least), 0, n - n // 2 + 1, dtype=torch.float64)[:-1]
    return torch.cat([sigmoid(n // 2), logs]).sort().values


def even(betas: Tensor, likelihoods: Tensor, n: int) -> Tensor:
    """Return inverse temperatures ``[n + 1]`` at equal thermodynamic distances.

    ``likelihoods`` ``[T]`` are mean log-likelihoods at ``betas[:-1]``. Their slope is the variance
    that a step of weight adds, and its root the speed that is to be constant (Gelman & Meng 1998,
    Simulating Normalizing Constants, section 4.3, https://doi.org/10.1214/ss/1028905934).
    """
    mean = likelihoods.numpy()
    half = max(1, len(mean) // (2 * _WINDOW))
    # the first is far below the rest and no noise: smoothing must not drag its neighbours down
    padded = np.pad(mean[1:], half, mode="edge")
    smooth = np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")
    curve = np.maximum.accumulate(np.concatenate([mean[:1], smooth, smooth[-1:]]))
    distance = np.cumsum(np.sqrt(np.diff(curve) * np.diff(betas.numpy())))
    if not np.isfinite(distance).all() or distance[-1] <= 0:
        return sigmoid(n)
    learned = np.concatenate([[0], distance / distance[-1]])
    place = _LEARNED * learned + (1 - _LEARNED) * np.linspace(0, 1, len(betas))
    found = np.interp(np.linspace(0, 1, n + 1), place, betas.numpy())
    return torch.from_numpy(found)


def lengths_at(betas: Tensor, known: Tensor, steps: Tensor) -> Tensor:
    """Return step lengths ``[n]`` at ``betas[1:]`` from ``steps`` ``[T]`` at ``known[1:]``.

    >>> lengths_at(torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.2]))
    tensor([0.2000, 0.2000], dtype=torch.float64)
    """
    x, xs = betas[1:].double().log().numpy(), known[1:].double().log().numpy()
    return torch.from_numpy(np.exp(np.interp(x, xs, steps.double().log().numpy())))
