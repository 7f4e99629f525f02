"""Trains the digits embedder: ``python -m gengauge_suites.embedders.train_digits [OUTPUT]``."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge.data import Dataset
from gengauge_suites.datasets.digits import LEVELS
from gengauge_suites.embedders.digits import PREPROCESSING, WEIGHTS, DigitsNetwork
from gengauge_suites.embedders.training import Recipe, accuracy, class_loss, dataset, fit, save


def main(output: Path = WEIGHTS) -> None:
    """Train, print accuracies, and write float16 weights to ``output``."""
    data = dataset("digits")
    network = train(data)
    save(network, f"digits {data.fingerprint}, {PREPROCESSING}", output)
    for name in ("train", "validation", "test"):
        split = getattr(data, name)
        print(f"{name} accuracy {accuracy(network, split.x, split.labels):.4f}")


def train(data: Dataset, steps: int = 2500) -> DigitsNetwork:
    """Return the network trained on the train split for ``steps``."""
    assert data.train.labels is not None
    recipe = Recipe("digits", LEVELS, augment, class_loss, steps)
    return fit(DigitsNetwork, data.train.x, data.train.labels, recipe)


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Turn by up to 10 degrees, scale by 10 %, shift by half a pixel and add a little noise."""
    n = len(x)
    u = 2 * torch.rand(5, n, generator=generator) - 1
    angle, scale = u[0] * math.radians(10), 1 + 0.1 * u[1]
    shift = u[2:4] * (0.5 / 4)  # half a pixel of eight, in units where the picture is [-1, 1]
    top = torch.stack([scale * angle.cos(), -scale * angle.sin(), shift[0]], 1)
    bottom = torch.stack([scale * angle.sin(), scale * angle.cos(), shift[1]], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), [n, 1, 8, 8], align_corners=False)
    moved = F.grid_sample(x.float(), grid, align_corners=False)
    noise = torch.randn(moved.shape, generator=generator)
    return (moved * (1 + 0.1 * u[4].view(-1, 1, 1, 1)) + 0.5 * noise).clamp(0, 16)


if __name__ == "__main__":
    torch.set_num_threads(1)  # one thread: the order of every sum is then the same
    main(*map(Path, sys.argv[1:2]))
