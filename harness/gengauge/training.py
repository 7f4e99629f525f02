"""The one seeded, budgeted training loop that neural plugins use."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gengauge import seeds
from gengauge.budget import Budget
from gengauge.errors import DivergedError

Loss = Callable[..., Tensor]
_CHECK_EVERY = 50  # steps between looks at the loss: each look waits for a GPU


@dataclass
class FitRun:
    """What a model's ``fit`` is given besides the data: seed, budget, device, and a place to log.

    ``steps``, ``examples`` and ``seconds`` are what was spent; a plugin with a loop of its own
    updates them through ``spend``.
    """

    seed: int
    budget: Budget
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    on_progress: Callable[[float], None] = lambda fraction: None
    steps: int = 0
    examples: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    laps: list[tuple[int, float]] = field(default_factory=list)  # examples and seconds so far
    paused: float = 0.0  # seconds of validation, which are not training
    started: float = field(default_factory=time.perf_counter)

    def generator(self, name: str, device: str | torch.device = "cpu") -> torch.Generator:
        """Return a fresh random stream of this run, by name."""
        return seeds.generator(self.seed, name, device=device)

    @property
    def seconds(self) -> float:
        """Seconds of training so far, validation not counted."""
        return time.perf_counter() - self.started - self.paused

    def spend(self, steps: int, examples: int) -> bool:
        """Count work done; return whether the budget allows more."""
        self.steps += steps
        self.examples += examples
        self.lap()
        return self.fraction < 1

    def lap(self) -> None:
        """Read the clock: from several readings the training speed gets an interval."""
        self.laps.append((self.examples, self.seconds))

    @property
    def fraction(self) -> float:
        """Share of the budget spent, from 0 to 1."""
        spent = {"steps": self.steps, "examples": self.examples, "seconds": self.seconds}
        return min(1.0, spent[self.budget.unit] / self.budget.amount)

    def log(self, **values: float) -> None:
        """Add a point to the learning curve."""
        base = {"step": self.steps, "examples": self.examples, "seconds": self.seconds}
        self.curve.append({**base, **{k: float(v) for k, v in values.items()}})


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
    curve = _Curve(run, module, loss, validation, total, keep_best)
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


def _schedule(total: float) -> set[int]:
    """Return the steps at which the curve is read: a factor apart, closer towards the end.

    Each reading costs a validation pass, and the best weights lie late. Where time is the limit
    the end is not known, and the closer spacing is kept throughout.
    """
    timed = not math.isfinite(total)
    last, close = (1e7, 48) if timed else (total, 5)
    late = {int(last * 2.0 ** (-k / 2)) for k in range(close)}
    return {step for step in late | {int(last * 2.0**-k) for k in range(24)} if step >= 8}


class _Curve:
    """Reads training and validation loss at log-spaced steps and remembers the best weights."""

    def __init__(
        self,
        run: FitRun,
        module: nn.Module,
        loss: Loss,
        validation: tuple[Tensor, ...] | None,
        total: float,
        keep_best: bool,
    ) -> None:
        self.run, self.module, self.loss = run, module, loss
        if validation is not None and not len(validation[0]):
            validation = None  # a split that may be empty tells nothing
        self.validation = validation and tuple(t[:1000].to(run.device) for t in validation)
        self.keep_best = keep_best and validation is not None
        self.best, self.state = math.inf, None  # type: tuple[float, dict[str, Tensor] | None]
        self.schedule = _schedule(total)

    def due(self, step: int) -> bool:
        return step in self.schedule

    def add(self, value: Tensor) -> None:
        started = time.perf_counter()
        point = {"train_loss": float(value.detach())}
        if self.validation is not None:
            held_out = self._validate(self.validation)
            point["validation_loss"] = held_out
            if self.keep_best and held_out < self.best:
                self.best = held_out
                self.state = {k: v.detach().clone() for k, v in self.module.state_dict().items()}
        self.run.paused += time.perf_counter() - started
        self.run.log(**point)

    def _validate(self, validation: tuple[Tensor, ...]) -> float:
        noise = self.run.generator("validation", self.run.device)  # the same noise at every point
        self.module.eval()
        with torch.no_grad():
            value = float(self.loss(*validation, generator=noise))
        self.module.train()
        return value

    def finish(self) -> None:
        if self.state is not None:
            self.module.load_state_dict(self.state)
