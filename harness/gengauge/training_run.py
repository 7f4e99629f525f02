"""What a fit is given besides the data, and what it says it has spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from gengauge import seeds
from gengauge.budget import Budget


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
