"""Adversarial losses and gradient penalties, one line of a paper each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Critic = Callable[[Tensor], Tensor]
KINDS = ("non-saturating", "hinge", "wgan-gp")


def discriminator_loss(kind: str, real: Tensor, fake: Tensor) -> Tensor:
    """Return what the discriminator minimises, from its scores ``[n]`` of data and of samples.

    References:
        | Generative Adversarial Networks (Goodfellow et al., 2014), equation 1
        | https://arxiv.org/abs/1406.2661
        | Geometric GAN (Lim & Ye, 2017), equation 25, https://arxiv.org/abs/1705.02894
        | Improved Training of Wasserstein GANs (Gulrajani et al., 2017), equation 3
        | https://arxiv.org/abs/1704.00028

    Example:
        >>> real, fake = torch.tensor([3.0, 0.0]), torch.tensor([-2.0, -0.5])
        >>> [round(float(discriminator_loss(kind, real, fake)), 4) for kind in KINDS]
        [0.6714, 0.75, -2.75]
    """
    if kind == "non-saturating":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(kind: str, fake: Tensor) -> Tensor:
    """Return what the generator minimises, from the discriminator's scores ``[n]`` of samples.

    Non-saturating is -log D, whose gradient does not vanish where D is sure of itself.
    """
    return F.softplus(-fake).mean() if kind == "non-saturating" else -fake.mean()


def slopes(scores: Tensor, x: Tensor) -> Tensor:
    """Return the squared norm ``[n]`` of each score's gradient in its ``x`` ``[n, *event]``."""
    [gradient] = torch.autograd.grad(scores.sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(1)


def r1(scores: Tensor, x: Tensor, weight: float) -> Tensor:
    """Return weight / 2 E |grad D(x)|^2 over data ``x`` that requires a gradient.

    References:
        | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018),
        | equation 9, https://arxiv.org/abs/1801.04406
    """
    return weight / 2 * slopes(scores, x).mean()


def gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, u: Tensor, weight: float
) -> Tensor:
    """Return weight E (|grad D| - 1)^2 at points ``u`` ``[n]`` of the way from samples to data.

    References:
        | Improved Training of Wasserstein GANs (Gulrajani et al., 2017), equation 3
        | https://arxiv.org/abs/1704.00028
    """
    between = torch.lerp(fake, real, u.view(-1, *[1] * (real.ndim - 1))).requires_grad_()
    # the root of zero has no slope, and a critic that is still flat is where training starts
    norm = (slopes(critic(between), between) + 1e-12).sqrt()
    return weight * (norm - 1).square().mean()
