"""Laws of probability: likelihoods that ignore the batch and sum to one."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gengauge.data import Dataset
from gengauge.likelihood import Density, LatentVariable, Mass
from gengauge.testing.case import Case, NotApplicable, require

DRAWS = 1024  # importance samples of each outcome
_ENUMERABLE = 5000  # outcomes of a discrete space that are still summed one by one
_GRID = 180  # cells a side, besides fine ones, of the grid a density is integrated on


def likelihood_ignores_the_batch(case: Case) -> None:
    """An example's likelihood does not depend on which others are asked with it."""
    x = case.dataset.validation.x[: case.n]
    whole = case.likelihood(case.model, x)
    if whole is not None:
        parts = [case.likelihood(case.model, part) for part in torch.split(x, 5)]
        joined = torch.cat([p for p in parts if p is not None])
        close = torch.allclose(whole.double(), joined.double(), rtol=1e-4, atol=1e-4)
        require(whole.shape == (len(x),), "one number an example", str(tuple(whole.shape)),
                 "return [n]")  # fmt: skip
        require(close, "the same likelihood in any batch", "a different one",
                 "evaluate in eval mode, and sum nothing over the batch")  # fmt: skip
    if isinstance(case.model, LatentVariable):
        _check_weights(case.model, x)
    elif whole is None:
        raise NotApplicable("the model has no likelihood")


def _check_weights(model: LatentVariable, x: Tensor, k: int = 256) -> None:
    few = model.log_weights(x[:3], k, torch.Generator().manual_seed(1))
    many = model.log_weights(x, k, torch.Generator().manual_seed(2))
    require(few.shape == (k, 3), f"log_weights of shape {(k, 3)}", str(tuple(few.shape)),
             "return [k, n]")  # fmt: skip
    require_same_weights(few, many[:, :3])


def require_same_weights(one: Tensor, other: Tensor) -> None:
    """Raise ``LawBroken`` unless two draws of log-weights ``[k, n]`` have one mean."""
    error = ((one.var(0) + other.var(0)) / len(one)).sqrt()
    far = float(((one.mean(0) - other.mean(0)).abs() / error.clamp_min(1e-6)).max())
    require(far < 6, "the same mean log-weight in any batch, within 6 standard errors",
            f"{far:.1f}", "no batch statistics at evaluation")  # fmt: skip


def density_integrates_to_one(case: Case) -> None:
    """A planar density sums to one over a grid three times as wide as the data."""
    model, data = case.model, case.dataset
    if not isinstance(model, Density):
        raise NotApplicable("the model has no density")
    total = integral(model.log_prob, data)
    require(abs(total - 1) < 0.05, "a density that integrates to 1 within 5 %", f"{total:.4f}",
             "count the log-Jacobian of every rescaling")  # fmt: skip


def integral(log_prob: Callable[[Tensor], Tensor], data: Dataset) -> float:
    """Return the sum of a density over a grid three times as wide as planar ``data``."""
    if data.dimensions != 2:
        raise NotApplicable("the data is not planar")
    x = data.train.x.flatten(1).double()
    low, high = x.amin(0), x.amax(0)
    if data.levels is not None:
        low, high = torch.zeros(2).double(), torch.ones(2).double()
    ticks, widths = _cells()
    grid = low + torch.cartesian_prod(ticks, ticks) * (high - low)
    area = torch.cartesian_prod(widths, widths).prod(-1) * (high - low).prod()
    density = log_prob(grid.view(-1, *data.event_shape)).double().exp()
    return float((density * area).sum())


def _cells() -> tuple[Tensor, Tensor]:
    """Return midpoints and widths of cells over [-1, 2], narrow about 0 and 1.

    Behind a logit, a density on levelled data can change within a hundredth of those ends.
    """
    near = torch.linspace(-0.02, 0.02, 61).double()
    coarse = torch.linspace(-1, 2, _GRID + 1).double()
    edges = torch.cat([coarse, near, near + 1]).sort().values
    return (edges[1:] + edges[:-1]) / 2, edges.diff()


def mass_sums_to_one(case: Case) -> None:
    """The probabilities of all outcomes of a small discrete space sum to one."""
    model, every = case.model, outcomes(case.dataset)
    if isinstance(model, Mass):
        total = float(model.log_mass(every).double().exp().sum())
        require(abs(total - 1) < 1e-6, "masses that sum to 1", f"{total:.8f}",
                 "normalise over the levels, tails included")  # fmt: skip
    elif isinstance(model, LatentVariable):
        require_weights_sum_to_one(
            model.log_weights(every, DRAWS, torch.Generator().manual_seed(1))
        )
    else:
        raise NotApplicable("the model has no mass")


def require_weights_sum_to_one(log_weights: Tensor) -> None:
    """Raise ``LawBroken`` unless ``log_weights`` ``[k, outcomes]`` of all outcomes make one."""
    weights = log_weights.double().exp()
    total = float(weights.mean(0).sum())
    error = float((weights.var(0) / len(weights)).sum().sqrt())
    require(abs(total - 1) < 6 * error + 1e-6, "importance weights whose means sum to 1",
            f"{total:.4f} with standard error {error:.4f}",
            "log p(x, z) - log q(z | x) must hold every constant")  # fmt: skip


def outcomes(data: Dataset) -> Tensor:
    """Return every possible example ``[levels^D, *event]`` of a small levelled dataset."""
    if data.levels is None:
        raise NotApplicable("the data is continuous")
    if data.dimensions * math.log(data.levels) > math.log(_ENUMERABLE):
        raise NotApplicable("the space is too large to enumerate")
    axes = [torch.arange(data.levels, dtype=data.train.x.dtype)] * data.dimensions
    return torch.cartesian_prod(*axes).view(-1, *data.event_shape)
