"""Which source goes with which target: optimal transport between two small batches.

Costs are squared Euclidean distances. The plans come from POT, on the CPU: a batch on a GPU sends
its matrix of distances there, and one permutation comes back.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import ot
import torch
from numpy.typing import NDArray
from torch import Tensor

from gengauge_plugins.networks.drawing import uniform

Array = NDArray[np.float64]
Choice = Callable[[Tensor, Tensor, torch.Generator], Tensor]
TOGETHER = 128  # pairs that are matched at once: an exact plan of twice as many costs fourfold
_ROUNDS, _CLOSE = 500, 1e-3  # Sinkhorn's most iterations, and the marginals' error where it ends


def costs(x: Tensor, y: Tensor) -> Array:
    """Return squared distances ``[n, m]`` of ``x`` ``[n, *event]`` and ``y`` ``[m, *event]``."""
    far = torch.cdist(x.detach().flatten(1).double(), y.detach().flatten(1).double())
    found: Array = far.square().cpu().numpy()
    return found


def exact_plan(cost: Array) -> NDArray[np.int64]:
    """Return the row ``[n]`` that the cheapest one-to-one matching gives each column of ``cost``.

    >>> exact_plan(np.array([[4.0, 0.0], [1.0, 9.0]]))
    array([1, 0])
    """
    plan = ot.emd([], [], cost, numItermax=1_000_000)
    found: NDArray[np.int64] = plan.argmax(0)
    return found


def entropic_plan(cost: Array, regularisation: float) -> Array:
    """Return the plan ``[n, m]`` that minimises cost + regularisation x KL(plan | independent).

    Sinkhorn's kernel underflows where the regularisation is small beside the costs. So the exact
    plan's potentials are taken off first, which changes no plan: the largest entries are then 1.
    """
    n, m = cost.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a plan that is all but converged
        _, log = ot.emd([], [], cost, numItermax=1_000_000, log=True)
        left = cost - log["u"][:, None] - log["v"][None]
        plan: Array = ot.sinkhorn(
            np.full(n, 1 / n), np.full(m, 1 / m), np.maximum(left, 0.0), regularisation,
            numItermax=_ROUNDS, stopThr=_CLOSE, warn=False,
        )  # fmt: skip
    return plan


def drawn_rows(plan: Array, generator: torch.Generator) -> Tensor:
    """Return a row ``[m]`` for each column of ``plan``, drawn by the column's entries.

    So the targets, which are the data, stay as they are.
    """
    share = torch.from_numpy(plan).cumsum(0).T.contiguous()
    at = uniform((len(share), 1), generator, torch.device("cpu"), torch.float64) * share[:, -1:]
    return torch.searchsorted(share, at, right=True).flatten().clamp_max(len(plan) - 1)


def exactly(x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
    """Return which of ``x`` goes with each of ``y`` in the cheapest matching ``[n]``."""
    return torch.from_numpy(exact_plan(costs(x, y)))


def entropically(sigma: float) -> Choice:
    """Return the choice of pairs by Brownian motion of deviation ``sigma`` at time 1.

    Its kernel is exp(-|x - y|^2 / (2 sigma^2)), so the regularisation is 2 sigma^2 (Tong et al.
    2023, Simulation-free Schroedinger bridges via score and flow matching, proposition 3.1 and
    equation 7, https://arxiv.org/abs/2307.03672).
    """

    def choose(x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        return drawn_rows(entropic_plan(costs(x, y), 2 * sigma**2), generator)

    return choose


def coupled(
    x: Tensor, y: Tensor, labels: Tensor | None, choose: Choice, generator: torch.Generator
) -> Tensor:
    """Return for each of the targets ``y`` ``[n, *event]`` a source of ``x`` ``[n, *event]``.

    With ``labels`` ``[n]`` of the targets, sources are shared out within each class alone. A plan
    over the whole batch would give each class the sources that lie nearest to it, while a sample
    of that class starts from any source (measured on digits: class accuracy .70 instead of .95).
    """
    whole = torch.zeros(len(y), dtype=torch.int64) if labels is None else labels.cpu()
    result = x.clone()
    for label in torch.unique(whole):
        [members] = torch.nonzero(whole == label, as_tuple=True)
        for part in torch.split(members, TOGETHER):
            here = part.to(x.device)
            result[here] = x[here][choose(x[here], y[here], generator).to(x.device)]
    return result
