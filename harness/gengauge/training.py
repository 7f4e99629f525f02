"""The one seeded, budgeted training loop that neural plugins use."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gengauge.errors import DivergedError
from gengauge.training_curve import Curve
from gengauge.training_run import FitRun

__all__ = ["FitRun", "batches", "train"]

Loss = Callable[..., Tensor]
_CHECK_EVERY = 50  # steps between looks at the loss: each look waits for a GPU


def batches(
    tensors: tuple[Tensor, ...], size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, ...]]:
    """Yield shuffled batches for ever; the last, smaller batch of an epoch is dropped."""
    n = len(tensors[0])
    size = min(size, n)
    while True:
        order = torch.randperm(n, generator=generator).to(tensors[0].device)
        for start in range(0, n - size + 1, size):
            index = order[start : start + size]
            yield tuple(t[index] for t in tensors)


def train(
    run: FitRun,
    module: nn.Module,
    loss: Loss,
    tensors: tuple[Tensor, ...],
    *,
    validation: tuple[Tensor, ...] | None = None,
    batch_size: int = 128,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    clip: float | None = None,
    keep_best: bool = True,
) -> None:
    """Minimise ``loss(*batch, generator=...)`` over ``module`` with Adam and a cosine schedule.

    The learning curve is read on a log-spaced schedule; with ``keep_best`` the weights of its
    best validation point are kept. ``clip`` bounds the gradient's norm, which costs a small network
    two per cent of its step. Raises ``DivergedError`` when the loss is not finite.
    """
    tensors = tuple(t.to(run.device) for t in tensors)
    module.to(run.device).train()
    parameters = list(module.parameters())
    fused = run.device.type in ("cpu", "cuda")  # one kernel: a third of the default's time
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=fused)
    size = min(batch_size, len(tensors[0]))
    total = run.budget.steps(size)
    timeless = math.isfinite(total)  # steps or examples: the same model on every machine
    noise = run.generator("noise", run.device)
    curve = Curve(run, module, loss, validation, total, keep_best)
    stream = batches(tensors, size, run.generator("batches"))
    step, more = 0, True
    while more:
        step += 1
        batch = next(stream)
        _set_rate(optimiser, lr, step / total if timeless else run.fraction)
        value = loss(*batch, generator=noise)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        if clip is not None:
            _clip(parameters, clip)
        optimiser.step()
        run.steps, run.examples = run.steps + 1, run.examples + size
        more = step < total if timeless else run.seconds < run.budget.seconds
        due = curve.due(step) or not more
        if due or step % _CHECK_EVERY == 0:
            _check_finite(value, step)
            run.on_progress(run.fraction)
            run.lap()
            if due:
                curve.add(value)
    curve.finish()
    module.eval()


def _clip(parameters: list[nn.Parameter], most: float) -> None:
    """Scale gradients down to a norm of ``most``; on the CPU a norm below costs no second pass."""
    if parameters[0].device.type == "cpu":  # elsewhere reading the norm would wait for the device
        norms = [torch.linalg.vector_norm(p.grad) for p in parameters if p.grad is not None]
        if float(torch.stack(norms).norm()) <= most:
            return
    nn.utils.clip_grad_norm_(parameters, most)


def _set_rate(optimiser: torch.optim.Optimizer, lr: float, fraction: float) -> None:
    warm = min(1.0, fraction / 0.02 + 0.05)
    for group in optimiser.param_groups:
        group["lr"] = lr * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, fraction))))


def _check_finite(value: Tensor, step: int) -> None:
    if not bool(torch.isfinite(value.detach())):
        raise DivergedError(f"the training loss was {float(value.detach())} at step {step}")
