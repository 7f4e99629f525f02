"""What the networks are trained for: the evidence lower bound, and its importance-weighted kin."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gengauge_plugins.networks.drawing import normal
from gengauge_plugins.vae.network import Network


def negative_elbo(
    network: Network, x: Tensor, y: Tensor | None, beta: float, generator: torch.Generator
) -> Tensor:
    """Return the batch mean of -ELBO in nats a dimension, its KL term times ``beta``."""
    mean, log_std = network.posterior(x, y)
    z = mean + log_std.exp() * normal(tuple(mean.shape), generator, mean.device)
    fit = network.observation.log_likelihood(x, network.outputs(z, y)).sum(-1)
    kl = network.prior.divergence(z, mean, log_std, y)
    return (beta * kl - fit).mean() / x.shape[-1]


def negative_iwae(
    network: Network,
    x: Tensor,
    y: Tensor | None,
    k: int,
    beta: float,
    generator: torch.Generator,
) -> Tensor:
    """Return the batch mean of minus the ``k``-sample bound (Burda et al. eq. 8), a dimension.

    Its gradient is the doubly reparameterised one (Tucker et al. 2018, eq. 8): the plain one's
    share for the encoder drowns in noise as k grows (Rainforth et al. 2018). ``beta`` weighs
    log p(z) - log q(z | x) within each log-weight.
    """
    mean, log_std = network.posterior(x, y)
    noise = normal((k, *mean.shape), generator, mean.device)
    z = mean + log_std.exp() * noise
    fit = network.observation.log_likelihood(x, network.outputs(z, y)).sum(-1)
    # of the encoder, only the path through z is to have a gradient
    std = log_std.detach().exp()
    distance = ((z - mean.detach()) / std) ** 2
    posterior = (-std.log() - 0.5 * distance - 0.5 * math.log(2 * math.pi)).sum(-1)
    log_weights = fit + beta * (network.prior.log_prob(z, y) - posterior)
    bound = torch.logsumexp(log_weights, 0) - math.log(k)
    if z.requires_grad:
        weight = log_weights.detach().softmax(0)
        z.register_hook(lambda slope: slope * weight.unsqueeze(-1))  # type: ignore[no-untyped-call]
    return -bound.mean() / x.shape[-1]
