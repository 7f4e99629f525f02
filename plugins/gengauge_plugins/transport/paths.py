"""The paths that networks learn from: between one source and one target each, at one time.

Time runs from the data at 0 to the noise at 1 for straight paths, and from the source at 0 to the
target at 1 for bridges, as in the papers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge_plugins.networks.drawing import uniform

_EDGE = 1e-5  # of the unit interval, which a logistic of extreme numbers would leave


def beside(t: Tensor, x: Tensor) -> Tensor:
    """Return times ``[n]`` in a shape that multiplies ``x`` ``[n, *event]``."""
    return t.view(-1, *[1] * (x.dim() - 1))


def times(n: int, kind: str, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return times ``[n]`` in (0, 1), one from each n-th of their distribution.

    ``uniform`` is what likelihoods want. ``logit-normal`` looks more at the middle, where shapes
    form (Esser et al. 2024, Scaling Rectified Flow Transformers, https://arxiv.org/abs/2403.03206).
    """
    u = (torch.arange(n, device=device) + uniform((n,), generator, device)) / n
    u = u.clamp(_EDGE, 1 - _EDGE)
    return torch.sigmoid(torch.special.ndtri(u)) if kind == "logit-normal" else u


def straight(x0: Tensor, x1: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state at ``t`` ``[n]`` on the line from ``x0`` to ``x1``, and its velocity.

    Lipman et al. 2022, Flow Matching for Generative Modeling, https://arxiv.org/abs/2210.02747,
    and Liu et al. 2022, https://arxiv.org/abs/2209.03003, equation 1.
    """
    at = beside(t, x0)
    return (1 - at) * x0 + at * x1, x1 - x0


def bridge(x0: Tensor, x1: Tensor, t: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """Return the state at ``t`` ``[n]`` of a Brownian bridge from ``x0`` to ``x1``.

    Normal about the line with deviation sigma sqrt(t (1 - t)); ``noise`` is its standard normal
    number (Tong et al. 2023, Simulation-free Schroedinger bridges via score and flow matching,
    section 3, https://arxiv.org/abs/2307.03672).
    """
    at = beside(t, x0)
    return (1 - at) * x0 + at * x1 + sigma * (at * (1 - at)).sqrt() * noise


def bridge_flow(drift: Tensor, push: Tensor, t: Tensor, sigma: float) -> Tensor:
    """Return the velocity ``[n, *event]`` of the flow that has the bridge's marginals.

    ``drift`` is x1 - x0 and ``push`` the bridge's noise over sqrt(t (1 - t)), or what is expected
    of both at a state. In Tong et al. 2023: (1 - 2t) / (2t (1 - t)) times the way from the line,
    plus x1 - x0.
    """
    return drift + (0.5 - beside(t, drift)) * sigma * push


def bridge_score(push: Tensor, sigma: float) -> Tensor:
    """Return the gradient ``[n, *event]`` of the log-density of the state, in Tong et al. 2023."""
    return -push / sigma


def bridge_end(x: Tensor, drift: Tensor, push: Tensor, t: Tensor, sigma: float) -> Tensor:
    """Return where the bridge that is at ``x`` at ``t`` ``[n]`` is expected to end.

    The stochastic equation's drift, which is the flow plus sigma^2 / 2 times the score, leads there
    over the time that is left.
    """
    at = beside(t, x)
    return x + (1 - at) * (drift - sigma * at * push)
