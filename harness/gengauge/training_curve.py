"""The learning curve of the training loop, and the weights of its best point."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gengauge.training_run import FitRun


def _schedule(total: float) -> set[int]:
    """Return the steps at which the curve is read: a factor apart, closer towards the end.

    Each reading costs a validation pass, and the best weights lie late. Where time is the limit
    the end is not known, and the closer spacing is kept throughout.
    """
    timed = not math.isfinite(total)
    last, close = (1e7, 48) if timed else (total, 5)
    late = {int(last * 2.0 ** (-k / 2)) for k in range(close)}
    return {step for step in late | {int(last * 2.0**-k) for k in range(24)} if step >= 8}


class Curve:
    """Reads training and validation loss at log-spaced steps and remembers the best weights."""

    def __init__(
        self,
        run: FitRun,
        module: nn.Module,
        loss: Callable[..., Tensor],
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
        self.plan(total)

    def plan(self, total: float) -> None:
        """Choose the points for a training of ``total`` steps, infinite where that is not known."""
        self.schedule = _schedule(total)

    def due(self, step: int) -> bool:
        """Return whether the curve is read at ``step``."""
        return step in self.schedule

    def add(self, value: Tensor) -> None:
        """Read both losses, outside of the training clock."""
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
        """Leave the best weights in the module, where there were validation points."""
        if self.state is not None:
            self.module.load_state_dict(self.state)

    def state_dict(self) -> dict[str, Any]:
        """Return the best loss and its weights."""
        return {"best": self.best, "state": self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        best = state["state"]
        self.best = state["best"]
        self.state = best and {k: v.to(self.run.device) for k, v in best.items()}
