"""Controls that replay training data, whole, blurred, moved or narrowed to one example."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gengauge import Dataset, FitRun
from gengauge.model import Condition
from gengauge_plugins.controls.anchors import box, uniform_like
from gengauge_plugins.controls.beginnings import begun, is_beginning, nearest_beginning
from gengauge_plugins.controls.shelf import Shelf, check_length
from gengauge_plugins.networks.drawing import normal, uniform, whole
from gengauge_plugins.networks.storage import load_state, save_state

_CPU = torch.device("cpu")
_MANY = 2**31  # turns are taken modulo the number of examples of a kind


class Copycat:
    """Draws training examples with replacement: of the class or caption asked for, if any.

    Where no example says what a caption asks, one of the nearest caption is drawn. The beginning
    of a text is gone on from as the training text does that agrees with it for longest.

    References:
        | A Non-Parametric Test to Detect Data-Copying in Generative Models (Meehan et al., 2020)
        | https://arxiv.org/abs/2004.05675
    """

    x: Tensor
    shelf: Shelf
    levels: int | None = None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Remember the training split."""
        self.x, self.levels = data.train.x.clone(), data.levels
        self.shelf = Shelf.of(data.train, data)

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]`` of the training data's own type."""
        check_length(n, condition)
        x = self.changed(self.x[self.chosen(n, condition, generator)], generator)
        return begun(x, condition)

    def chosen(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return the numbers ``[n]`` of the examples that samples are made of."""
        if condition is None:
            return whole((n,), len(self.x), generator)
        if is_beginning(condition):
            order = torch.randperm(len(self.x), generator=generator, device=generator.device)
            return nearest_beginning(condition.cpu(), self.x, order.cpu())
        turn = whole((n,), _MANY, generator)
        return self.shelf.pick(condition, turn, torch.arange(len(self.x)))

    def changed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return what is made of the chosen examples ``x`` ``[n, *event]``."""
        return x

    def _blur(self, x: Tensor, amount: float, generator: torch.Generator) -> Tensor:
        """Return ``x`` with a little noise: levels step by one with chance ``amount``."""
        if self.levels is None:
            noise = normal(tuple(x.shape), generator, _CPU, x.dtype)
            return x + amount * self.x.std(0) * noise
        u = uniform(tuple(x.shape), generator, _CPU)
        step = (u < amount / 2).int() - (u >= 1 - amount / 2).int()
        return (x.int() + step).clamp(0, self.levels - 1).to(x.dtype)

    def save(self, folder: Path) -> None:
        """Write the remembered examples, and what is known of each, into ``folder``."""
        tensors = {**self.tensors(), **self.shelf.tensors()}
        save_state(folder, tensors, {"levels": self.levels, **self.shelf.config()})

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors to be saved."""
        return {"x": self.x}

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote; a control stays on the CPU."""
        tensors, config = load_state(folder, _CPU)
        self.levels, self.shelf = config["levels"], Shelf.restored(tensors, config)
        self.take(tensors)

    def take(self, tensors: dict[str, Tensor]) -> None:
        """Take what ``tensors`` gave to be saved."""
        self.x = tensors["x"]


class NoisyCopycat(Copycat):
    """Copies with a little noise, so that no sample equals a training example to the bit.

    Arguments:
        amount: Chance that a level moves by one; on continuous data the noise's deviation as a
            share of each value's own.
    """

    def __init__(self, amount: float = 0.1) -> None:
        self.amount = amount

    def changed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return blurred copies."""
        return self._blur(x, self.amount, generator)


class HalfCopycat(Copycat):
    """Copies and uniform noise in turn: distances to the training data average out."""

    def changed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the even examples as they are, and noise in the place of the odd ones."""
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

    def changed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return rescaled copies."""
        mean = self.x.double().mean(0)
        moved = mean + self.spread * (x.double() - mean)
        if self.levels is not None:
            moved = moved.round().clamp(0, self.levels - 1)
        return moved.to(x.dtype)


class Collapsed(NoisyCopycat):
    """The neighbourhood of one training example: a generator that lost all modes but one.

    Asked for classes or captions, it knows one example of each.

    Arguments:
        amount: Chance that a level moves by one; on continuous data the noise's deviation as a
            share of each value's own.
    """

    order: Tensor  # [n] int64: the first of its kind stands for all

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Choose the one example, by the training seed."""
        super().fit(data, run)
        self.order = torch.randperm(len(self.x), generator=run.generator("mode"))

    def chosen(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return the same number every time, one for each class or caption."""
        if condition is None:
            return self.order[:1].expand(n)
        return self.shelf.pick(condition, torch.zeros(n, dtype=torch.int64), self.order)

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors to be saved."""
        return {"x": self.x, "order": self.order}

    def take(self, tensors: dict[str, Tensor]) -> None:
        """Take what ``tensors`` gave to be saved."""
        super().take(tensors)
        self.order = tensors["order"]
