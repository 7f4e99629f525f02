"""Objects as users have them, each with another signature of ``sample``."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Cloud:
    """A Gaussian with a density, in numpy."""

    def __init__(self, scale: float = 1.0, shift: int = 0, label: str = "") -> None:
        self.scale, self.shift, self.label = scale, shift, label
        self.n_parameters = 2

    def sample(self, n: int, rng: np.random.Generator) -> Any:
        return self.shift + self.scale * rng.normal(size=(n, 2))

    def log_prob(self, x: Tensor) -> Any:
        z = (x.double().numpy() - self.shift) / self.scale
        return -0.5 * (z**2).sum(1) - np.log(2 * np.pi * self.scale**2)


class Network(nn.Module):
    """Points by torch's generator; one that is made anew has the weights it had."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 2)

    def sample(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        x = self.net(torch.randn(n, 2, generator=generator))
        return x if condition is None else x + condition.unsqueeze(1)


class Global:
    """Randomness from wherever there is some."""

    def sample(self, count: int) -> list[list[float]]:
        return [[random.random(), float(np.random.rand())] for _ in range(count)]  # noqa: NPY002


class Labelled:
    """Needs a label for each sample."""

    def sample(self, n: int, labels: Tensor) -> Any:
        return torch.stack([labels.float(), torch.rand(n)], 1)


class Pictures:
    def __init__(self, size: int = 8, mode: str = "L") -> None:
        self.size, self.mode = size, mode

    def sample(self, n: int, seed: int = 0) -> Any:
        from PIL import Image

        shape = (self.size, self.size) if self.mode == "L" else (self.size, self.size, 3)
        x = np.random.default_rng(seed).integers(0, 17, (n, *shape)).astype(np.uint8)
        return [Image.fromarray(row) for row in x]


class Captions:
    """Draws what a text says: as many lit pixels as it has words."""

    conditions = ("caption",)

    def sample(self, n: int, condition: Any = None) -> Tensor:
        words = [len(text.split()) for text in condition or ["one two"] * n]
        x = torch.zeros(n, 1, 8, 8)
        for row, count in zip(x, words, strict=True):
            row.view(-1)[:count] = 0.9
        return x


class Spoilt:
    def __init__(self, how: str = "nan") -> None:
        self.how = how

    def sample(self, n: int) -> Any:
        x = torch.zeros(n, 2)
        if self.how == "raises":
            raise RuntimeError("no samples today")
        return {"nan": x * float("nan"), "count": x[1:], "columns": x[:, :1], "text": ["a"] * n,
                "nothing": None}[self.how]  # fmt: skip


def build(width: int = 3, weights: str = "") -> Network:
    return Network()


def needs(width: int) -> Network:
    return Network()


def nothing() -> dict[str, int]:
    return {}


normal = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
cloud = Cloud()
number = 3
