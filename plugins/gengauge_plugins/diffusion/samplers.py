"""Sampling: diffusers' schedulers take the steps, from noise to data, around any denoiser."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from gengauge_plugins.diffusion.schedule import Schedule
from gengauge_plugins.networks.drawing import normal

SAMPLERS = ("ddim", "ddpm", "dpm++", "heun")
_RHO = 7.0  # Karras et al. 2022, eq. 5: steps grow shorter towards the data
# (states [n, *event], log-ratios [n]) -> guess of x_0 [n, *event], guidance inside
Denoise = Callable[[Tensor, Tensor], Tensor]


def sample(
    denoise: Denoise,
    schedule: Schedule,
    shape: tuple[int, ...],
    sampler: str,
    steps: int,
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    """Return states ``[n, *event]`` of ``shape`` drawn in ``steps`` steps of ``sampler``.

    The steps are a chain of their own, cut out of the schedule, so that every scheduler takes them
    exactly where they lie and comes all the way down to the data.
    """
    chain = grid(schedule, steps, sampler)
    return run(
        scheduler(sampler, chain), chain, denoise, normal(shape, generator, device), generator
    )


def evaluations(sampler: str, steps: int) -> int:
    """Return how often ``sample`` asks the denoiser: Heun's steps but the last look twice.

    >>> evaluations("ddim", 10), evaluations("heun", 10)
    (10, 19)
    """
    return 2 * steps - 1 if sampler == "heun" else steps


def grid(schedule: Schedule, steps: int, sampler: str) -> Tensor:
    """Return the log-ratios ``[steps]`` that a sampler stops at, rising.

    All go evenly through the chain, but Heun's method as its authors do: ever shorter steps
    towards the data (Karras et al. 2022, eq. 5, https://arxiv.org/abs/2206.00364). Levelled data
    loses those below the gap between levels.
    """
    ratios = schedule.log_ratios.cpu()
    if sampler != "heun":
        index = torch.linspace(schedule.steps / steps, schedule.steps, steps, dtype=torch.float64)
        return ratios[(index.round().long() - 1).clamp_min(0)]
    ends = (ratios[[0, -1]] / _RHO).exp()
    if steps == 1:
        return ratios[-1:]
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    return _RHO * (ends[0] + ramp * (ends[1] - ends[0])).log()


def scheduler(sampler: str, log_ratios: Tensor) -> Any:
    """Return diffusers' scheduler for a chain of ``log_ratios`` ``[T]``, set to take it whole."""
    steps = len(log_ratios)
    signal = torch.sigmoid(-2 * log_ratios)
    before = torch.cat([torch.ones(1, dtype=torch.float64), signal[:-1]])
    common: dict[str, Any] = {
        "num_train_timesteps": steps, "trained_betas": (1 - signal / before).float().numpy(),
        "timestep_spacing": "trailing",
    }  # fmt: skip
    made = _made(sampler, common)
    # from betas in single precision the last of a steep chain would be off by per cents
    made.alphas_cumprod = signal.float()
    made.set_timesteps(steps)
    return made


def _made(sampler: str, common: dict[str, Any]) -> Any:
    # clip_sample=False: clipped without correction, guided samples collapse (tests/plugins)
    if sampler == "ddpm":
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

        return DDPMScheduler(**common, prediction_type="sample", clip_sample=False)
    if sampler == "ddim":
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

        return DDIMScheduler(**common, prediction_type="sample", clip_sample=False)
    if sampler == "dpm++":
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

        return DPMSolverMultistepScheduler(**common, prediction_type="sample")
    if sampler == "heun":
        from diffusers.schedulers.scheduling_heun_discrete import HeunDiscreteScheduler

        return HeunDiscreteScheduler(**common, prediction_type="sample")
    raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, and {sampler} came")


def run(
    scheduler: Any, log_ratios: Tensor, denoise: Denoise, noise: Tensor, generator: torch.Generator
) -> Tensor:
    """Return where ``scheduler``, set to its steps, takes ``noise`` ``[n, *event]``.

    ``log_ratios`` ``[T]`` are those of the timesteps that it counts in.
    """
    x = noise * scheduler.init_noise_sigma
    drawn = {"generator": generator} if draws(scheduler) else {}
    for t in scheduler.timesteps:
        ratio = log_ratios[int(t)].to(x.device).expand(len(x))
        state = scheduler.scale_model_input(x, t)
        x = scheduler.step(denoise(state, ratio), t, x, return_dict=False, **drawn)[0]
    return cast(Tensor, x)


def draws(scheduler: Any) -> bool:
    """Return whether the scheduler's steps take a generator: Heun's have no randomness."""
    return "generator" in inspect.signature(scheduler.step).parameters
