"""What a diffusion minimises, and the training that ends in an average of its weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gengauge import FitRun, train
from gengauge.averaging import PowerAverage
from gengauge_plugins.diffusion.network import Network
from gengauge_plugins.diffusion.schedule import Schedule, alpha_sigma
from gengauge_plugins.networks.drawing import normal, uniform

_DROPPED = 0.1  # share of labels left out, for guidance without a classifier
# (network, batch ..., generator=...) -> loss
Objective = Callable[..., Tensor]


def drawn_ratios(
    schedule: Schedule, n: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Return log-ratios ``[n]`` of steps drawn from the chain, one from each ``n``-th of it.

    Kingma et al. 2021, Variational Diffusion Models, appendix I.1: the gradient is less noisy than
    with independent draws (https://arxiv.org/abs/2107.00630).
    """
    u = (torch.arange(n, device=device) + uniform((n,), generator, device)) / n
    index = (u * schedule.steps).long().clamp_max(schedule.steps - 1)
    return schedule.log_ratios.to(device)[index]


def noise_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard normal draws of the shape of ``x``, float32."""
    return normal(tuple(x.shape), generator, x.device)


def without_some(labels: Tensor, none: int, share: float, generator: torch.Generator) -> Tensor:
    """Return ``labels`` ``[n]`` with a ``share`` of them replaced by ``none``."""
    dropped = uniform(tuple(labels.shape), generator, labels.device) < share
    return labels.masked_fill(dropped, none)


def fit_average(
    run: FitRun,
    network: nn.Module,
    objective: Objective,
    tensors: tuple[Tensor, ...],
    *,
    validation: tuple[Tensor, ...] | None,
    width: float,
    batch_size: int,
    lr: float,
) -> nn.Module:
    """Train ``network`` and return the average of its weights, in eval mode.

    ``objective(network, *batch, generator=...)`` is minimised by ``gengauge.train``; validation
    looks at the average. ``width`` is :class:`PowerAverage`'s.
    """
    network.to(run.device)
    average = PowerAverage(network, width)

    def loss(*batch: Tensor, generator: torch.Generator) -> Tensor:
        shown = network if network.training else average.network
        return objective(shown, *batch, generator=generator)

    train(run, network, loss, tensors, validation=validation, batch_size=batch_size, lr=lr,
          clip=1.0, keep_best=False, average=average)  # fmt: skip
    return average.network.eval()


def denoising_loss(
    network: Network, x: Tensor, *labels: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the loss of the denoiser on states ``x`` ``[n, *event]``, plus a classifier's."""
    denoising, classifier = network.denoising, network.classifier
    ratios = drawn_ratios(denoising.schedule, len(x), generator, x.device)
    eps = noise_like(x, generator)
    condition = None
    if network.free:
        condition = without_some(labels[0], len(network.frequency), _DROPPED, generator)
    loss = denoising.losses(x, eps, ratios, condition).mean()
    if classifier is not None:
        alpha, sigma = alpha_sigma(ratios, x)
        logs = classifier(alpha * x + sigma * eps, ratios)
        loss = loss + torch.nn.functional.nll_loss(logs, labels[0])
    return loss
