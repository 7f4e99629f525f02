"""How values are distributed within a class: counted levels, or Gaussians."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.naive_bayes import GaussianNB
from torch import Tensor

from gengauge_plugins.counting.tables import Array, Layout
from gengauge_plugins.networks.drawing import normal

_CPU = torch.device("cpu")
_NARROW = 1e-6  # smallest deviation, of a value's own over all classes
_SMALL = 1e-9  # and of its size, where it never varies


class Values(Protocol):
    """Values that are independent of each other within each of some classes."""

    def log_likelihood(self, x: Tensor) -> Array:
        """Return log p(x | class) in nats ``[n, classes]``."""
        ...

    def draw(self, which: Tensor, generator: torch.Generator) -> Tensor:
        """Return an example ``[n, *event]`` of each of the classes ``which`` ``[n]``."""
        ...

    @property
    def n_parameters(self) -> int:
        """Free numbers."""
        ...

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that is to be saved: tensors, and JSON."""
        ...


class Levels:
    """A table ``[classes, columns]`` of log probabilities of levels or tokens."""

    def __init__(self, layout: Layout, log_table: Array) -> None:
        self.layout, self.log_table = layout, log_table

    def log_likelihood(self, x: Tensor) -> Array:
        """Return log P(x | class) in nats ``[n, classes]`` of integers ``x`` ``[n, *event]``."""
        return self.layout.log_likelihood(x, self.log_table)

    def draw(self, which: Tensor, generator: torch.Generator) -> Tensor:
        """Return an example ``[n, *event]`` of each of the classes ``which`` ``[n]``."""
        return self.layout.draw(self.log_table, which, generator)

    @property
    def n_parameters(self) -> int:
        """Probabilities less one in each categorical."""
        classes, columns = self.log_table.shape
        return int(classes * (columns - columns // self.layout.levels))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the table, and how it is laid out."""
        return {"log_table": torch.from_numpy(self.log_table)}, self.layout.config()


class Gaussians:
    """Means and deviations ``[classes, d]``."""

    def __init__(self, shape: tuple[int, ...], means: Tensor, deviations: Tensor) -> None:
        self.shape, self.means, self.deviations = shape, means, deviations

    @classmethod
    def fitted(cls, x: Tensor, classes: Array) -> Gaussians:
        """Return the Gaussians of ``x`` ``[n, *event]`` in ``classes`` ``[n]``.

        No deviation is below a millionth of the value's own over all classes, nor, for a value
        that never varies, below a billionth of its size.
        """
        flat = x.flatten(1).to(_CPU, torch.float64)
        found = GaussianNB(var_smoothing=0.0).fit(flat.numpy(), classes)
        size = flat.abs().amax(0).clamp_min(1)
        least = torch.maximum(_NARROW * flat.std(0, correction=0), _SMALL * size)
        deviations = torch.from_numpy(np.sqrt(found.var_)).maximum(least)
        return cls(tuple(x.shape[1:]), torch.from_numpy(found.theta_), deviations)

    def log_likelihood(self, x: Tensor) -> Array:
        """Return log p(x | class) in nats ``[n, classes]`` of floats ``x`` ``[n, *event]``."""
        flat = x.flatten(1).to(_CPU, torch.float64)
        parts = [
            -0.5 * (((flat - m) / s) ** 2).sum(1) - (s * math.sqrt(2 * math.pi)).log().sum()
            for m, s in zip(self.means, self.deviations, strict=True)
        ]
        found: Array = torch.stack(parts, 1).numpy()
        return found

    def draw(self, which: Tensor, generator: torch.Generator) -> Tensor:
        """Return an example ``[n, *event]``, float32, of each of the classes ``which`` ``[n]``."""
        z = normal((len(which), self.means.shape[1]), generator, _CPU, torch.float64)
        x = self.means[which] + self.deviations[which] * z
        return x.float().view(len(which), *self.shape)

    @property
    def n_parameters(self) -> int:
        """Means and deviations."""
        return 2 * self.means.numel()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return means and deviations, and the shape of an example."""
        tensors = {"means": self.means, "deviations": self.deviations}
        return tensors, {"shape": list(self.shape)}


def restored(tensors: dict[str, Tensor], config: dict[str, Any]) -> Values:
    """Return the values whose state was saved."""
    if "levels" in config:
        return Levels(Layout.restored(config), tensors["log_table"].numpy())
    return Gaussians(tuple(config["shape"]), tensors["means"], tensors["deviations"])
