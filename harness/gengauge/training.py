"""The one seeded, budgeted training loop that neural plugins use."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gengauge.acceleration import Stepper, accelerated
from gengauge.averaging import PowerAverage
from gengauge.errors import DivergedError
from gengauge.resumption import Part
from gengauge.training_curve import Curve
from gengauge.training_run import FitRun

__all__ = ["FitRun", "batches", "train"]

Loss = Callable[..., Tensor]
_CHECK_EVERY = 50  # steps between looks at the loss: each look waits for a GPU


class Batches:
    """Shuffled batches for ever; the last, smaller batch of an epoch is dropped.

    Its state is where the generator stood when the epoch began, and how far the epoch is.
    """

    def __init__(self, tensors: tuple[Tensor, ...], size: int, generator: torch.Generator) -> None:
        self.tensors, self.generator = tensors, generator
        self.size = min(size, len(tensors[0]))
        self._shuffle()

    def _shuffle(self) -> None:
        self._begun, self._next = self.generator.get_state(), 0
        order = torch.randperm(len(self.tensors[0]), generator=self.generator)
        self._order = order.to(self.tensors[0].device)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        if self._next + self.size > len(self._order):
            self._shuffle()
        index = self._order[self._next : self._next + self.size]
        self._next += self.size
        return tuple(t[index] for t in self.tensors)

    def state_dict(self) -> dict[str, Any]:
        """Return the position."""
        return {"begun": self._begun, "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position."""
        self.generator.set_state(state["begun"])
        self._shuffle()
        self._next = state["next"]


def batches(tensors: tuple[Tensor, ...], size: int, generator: torch.Generator) -> Batches:
    """Return shuffled batches for ever, which can be gone on with from where they were left."""
    return Batches(tensors, size, generator)


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
    average: PowerAverage | None = None,
    keep: Mapping[str, Part] | None = None,
) -> None:
    """Minimise ``loss(*batch, generator=...)`` over ``module`` with Adam and a cosine schedule.

    The learning curve is read on a log-spaced schedule; with ``keep_best`` the weights of its
    best validation point are kept. ``clip`` bounds the gradient's norm, which costs a small network
    two per cent of its step. Raises ``DivergedError`` when the loss is not finite.

    A step follows the gradient of ``run.accumulation`` times ``batch_size`` examples, in the
    memory that ``batch_size`` of them take. Where several processes train, they share these
    examples, so that a step and a budget mean the same whatever their number; all see the same
    validation examples. ``run.precision`` is the loss's in training; weights, validation and
    everything after is float32. See :class:`gengauge.acceleration.Stepper`.

    ``average`` takes in the weights of every step; where there is one, the loss shall look at
    ``average.network`` when ``module`` is not in training, for that is what is validated.

    A run that was killed goes on from its last checkpoint: what ``loss`` itself changes from step
    to step, besides ``module``, the generator and the global streams, must be in ``keep``; see
    ``FitRun.loop``.
    """
    tensors = tuple(t.to(run.device) for t in tensors)
    module.to(run.device).train()
    parameters = list(module.parameters())
    fused = run.device.type in ("cpu", "cuda")  # one kernel: a third of the default's time
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=fused)
    size = min(run.accumulation * batch_size, len(tensors[0]))
    noise = run.generator("noise", run.device)
    pace = _Pace(run, size)
    with accelerated(run.device, run.precision, run.accumulation, run.seed) as accelerator:
        run.looped, run.ranks = True, accelerator.num_processes
        stepper = Stepper(accelerator, module, loss, optimiser, noise)
        stepper.check(size)
        curve = Curve(run, module, loss, validation, pace.total, keep_best)
        stream = batches(stepper.shared(tensors), size, run.generator("batches"))
        loop = run.loop(
            {"module": module, **({"average": average} if average else {}), **(keep or {})},
            {"optimiser": optimiser, "noise": noise, "batches": stream, "curve": curve},
        )
        stepper.follow(loop)
        more = not loop.finished
        while more:
            step = loop.step + 1
            batch = next(stream)
            if pace.unknown:
                value, cost = stepper.counted(batch)
                curve.plan(pace.learn(cost))
            else:
                value = stepper.gradient(batch)
            _set_rate(optimiser, lr, pace.fraction(step, stepper))
            if clip is not None:
                _clip(parameters, clip)
            stepper.step()
            if average is not None:
                average.update()
            more = pace.spend(step, stepper)
            if (due := curve.due(step) or not more) or step % _CHECK_EVERY == 0:
                _look(run, value := stepper.mean(value), step)
                if due:
                    curve.add(value)
            if more:
                loop.stepped()
        if not loop.finished:
            curve.finish()
            loop.finish()
        run.started += run.seconds - stepper.agreed(run.seconds)  # later stages part alike
    module.eval()


class _Pace:
    """How far training may go: known from the start but where time or FLOPs are the limit."""

    def __init__(self, run: FitRun, size: int) -> None:
        self.run, self.size, self.cost = run, size, 0.0
        self.unknown = run.budget.unit == "flops"  # until a step's are counted
        self.total = math.inf if self.unknown else run.budget.steps(size)

    def learn(self, cost: float) -> float:
        """Take in the FLOPs of a step; return the number of steps."""
        self.unknown, self.cost = False, cost
        self.run.flops = self.run.flops or 0.0
        self.total = self.run.budget.at_cost(cost)
        return self.total

    def fraction(self, step: int, stepper: Stepper) -> float:
        """Return the share of training that is over at ``step``, the same on every rank."""
        if math.isfinite(self.total):  # not time: the same model on every machine
            return step / self.total
        return stepper.agreed(self.run.fraction)

    def spend(self, step: int, stepper: Stepper) -> bool:
        """Count a step; return whether there is another one."""
        run = self.run
        run.steps, run.examples = run.steps + 1, run.examples + self.size
        if self.cost and run.flops is not None:
            run.flops += self.cost
        if math.isfinite(self.total):
            return step < self.total
        return stepper.agreed(run.seconds) < run.budget.seconds


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


def _look(run: FitRun, value: Tensor, step: int) -> None:
    """Check the loss ``[]``, tell how far training is and read the clock."""
    _check_finite(value, step)
    run.on_progress(run.fraction)
    run.lap()


def _check_finite(value: Tensor, step: int) -> None:
    if not bool(torch.isfinite(value.detach())):
        raise DivergedError(f"the training loss was {float(value.detach())} at step {step}")
