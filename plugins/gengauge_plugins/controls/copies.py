"""Controls that replay training data, whole, blurred, moved or narrowed to one example."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gengauge import Dataset, FitRun
from gengauge_plugins.controls.anchors import box, uniform_like
from gengauge_plugins.networks.drawing import normal, refuse_condition, uniform, whole
from gengauge_plugins.networks.storage import load_state, save_state

_CPU = torch.device("cpu")


class Copycat:
    """Draws training examples with replacement.

    References:
        | A Non-Parametric Test to Detect Data-Copying in Generative Models (Meehan et al., 2020)
        | https://arxiv.org/abs/2004.05675
    """

    x: Tensor
    levels: int | None = None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Remember the training split."""
        self.x, self.levels = data.train.x.clone(), data.levels

    def sample(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]`` of the training data's own type."""
        refuse_condition(condition, type(self).__name__)
        return self.draw(n, generator)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` examples; what variants override."""
        return self.x[whole((n,), len(self.x), generator)]

    def _blur(self, x: Tensor, amount: float, generator: torch.Generator) -> Tensor:
        """Return ``x`` with a little noise: levels step by one with chance ``amount``."""
        if self.levels is None:
            noise = normal(tuple(x.shape), generator, _CPU, x.dtype)
            return x + amount * self.x.std(0) * noise
        u = uniform(tuple(x.shape), generator, _CPU)
        step = (u < amount / 2).int() - (u >= 1 - amount / 2).int()
        return (x.int() + step).clamp(0, self.levels - 1).to(x.dtype)

    def save(self, folder: Path) -> None:
        """Write the remembered examples into ``folder``."""
        save_state(folder, {"x": self.x}, {"levels": self.levels})

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote; a control stays on the CPU."""
        tensors, config = load_state(folder, _CPU)
        self.x, self.levels = tensors["x"], config["levels"]


class NoisyCopycat(Copycat):
    """Copies with a little noise, so that no sample equals a training example to the bit.

    Arguments:
        amount: Chance that a level moves by one; on continuous data the noise's deviation as a
            share of each value's own.
    """

    def __init__(self, amount: float = 0.1) -> None:
        self.amount = amount

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` blurred copies."""
        return self._blur(super().draw(n, generator), self.amount, generator)


class HalfCopycat(Copycat):
    """Copies and uniform noise in turn: distances to the training data average out."""

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples, the even ones copies."""
        x = super().draw(n, generator)
        noise = uniform_like(x, box(self.x, self.levels), self.levels, generator)
        x[1::2] = noise[1::2]
        return x


class Rescaled(Copycat):
    """Copies whose distance to the training mean is multiplied: too little or too much spread.

    Arguments:
        spread: The factor; levels are rounded and clamped to their range.
    """

    def __init__(self, spread: float = 0.7) -> None:
        self.spread = spread

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` rescaled copies."""
        x = super().draw(n, generator)
        mean = self.x.double().mean(0)
        moved = mean + self.spread * (x.double() - mean)
        if self.levels is not None:
            moved = moved.round().clamp(0, self.levels - 1)
        return moved.to(x.dtype)


class Collapsed(Copycat):
    """The neighbourhood of one training example: a generator that lost all modes but one.

    Arguments:
        amount: Chance that a level moves by one; on continuous data the noise's deviation as a
            share of each value's own.
    """

    one: Tensor

    def __init__(self, amount: float = 0.1) -> None:
        self.amount = amount

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Choose the one example, by the training seed."""
        super().fit(data, run)
        self.one = self.x[whole((1,), len(self.x), run.generator("mode"))]

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` blurred copies of the one example."""
        return self._blur(self.one.expand(n, *self.one.shape[1:]), self.amount, generator)

    def save(self, folder: Path) -> None:
        """Write the examples and the chosen one into ``folder``."""
        save_state(folder, {"x": self.x, "one": self.one}, {"levels": self.levels})

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote; a control stays on the CPU."""
        super().load(folder, device)
        self.one = load_state(folder, _CPU)[0]["one"]
