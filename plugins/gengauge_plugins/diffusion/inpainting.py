"""Filling in what is missing: sampling with the known values put back at every step."""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge_plugins.diffusion.samplers import Denoise, grid, scheduler
from gengauge_plugins.diffusion.schedule import Schedule, alpha_sigma
from gengauge_plugins.networks.drawing import normal

ROUNDS = 8  # how often each step is taken, noise being added again in between


def inpaint(
    denoise: Denoise,
    schedule: Schedule,
    clean: Tensor,
    known: Tensor,
    steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Return states ``[n, *event]`` that are ``clean`` where ``known`` is true.

    At every noise the known values, with that noise on them, replace the chain's own. A step is
    taken, undone and taken again, so that the unknown values get time to agree with them.

    References:
        | RePaint: Inpainting using Denoising Diffusion Probabilistic Models (Lugmayr et al., 2022),
        | algorithm 1, https://arxiv.org/abs/2201.09865
    """
    chain = grid(schedule, steps, "ddpm")
    stepper = scheduler("ddpm", chain)

    def drawn() -> Tensor:
        return normal(tuple(clean.shape), generator, clean.device)

    x = drawn()
    for t in range(steps - 1, -1, -1):
        here = chain[t].to(x.device).expand(len(x))
        for turn in range(ROUNDS if t else 1):
            x = torch.where(known, _noised(clean, here, drawn()), x)
            below = stepper.step(denoise(x, here), t, x, generator=generator).prev_sample
            if t and turn + 1 < ROUNDS:
                ratio = stepper.alphas_cumprod[t] / stepper.alphas_cumprod[t - 1]
                x = ratio.sqrt() * below + (1 - ratio).sqrt() * drawn()
            else:
                x = below
    return torch.where(known, clean, x)


def _noised(clean: Tensor, log_ratios: Tensor, noise: Tensor) -> Tensor:
    alpha, sigma = alpha_sigma(log_ratios, clean)
    return alpha * clean + sigma * noise
