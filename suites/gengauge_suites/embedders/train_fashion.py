"""Trains the fashion embedder: ``python -m gengauge_suites.embedders.train_fashion [OUTPUT]``."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from gengauge.data import Dataset
from gengauge_suites.embedders.fashion import PREPROCESSING, WEIGHTS, FashionNetwork
from gengauge_suites.embedders.training import Recipe, accuracy, class_loss, dataset, fit, save


def main(output: Path = WEIGHTS) -> None:
    """Train, print accuracies, and write float16 weights to ``output``."""
    data = dataset("fashion-mnist")
    network = train(data)
    save(network, f"fashion {data.fingerprint}, {PREPROCESSING}", output)
    for name in ("train", "validation", "test"):
        split = getattr(data, name)
        print(f"{name} accuracy {accuracy(network, split.x, split.labels):.4f}")


def train(data: Dataset, steps: int = 5000) -> FashionNetwork:
    """Return the network trained on the train split for ``steps``."""
    assert data.train.labels is not None
    recipe = Recipe(
        "fashion", 256, augment, class_loss, steps, batch=64, spoilt=0.25, told=0.05, fade=4
    )
    return fit(FashionNetwork, data.train.x, data.train.labels, recipe)


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Shift the whole batch by at most one pixel each way and add a little noise."""
    down, right = (torch.randint(3, (2,), generator=generator) - 1).tolist()
    noise = 3 * torch.randn(x.shape, generator=generator)
    return (x.roll((down, right), (2, 3)) + noise).clamp(0, 255)


if __name__ == "__main__":
    torch.set_num_threads(1)  # one thread: the order of every sum is then the same
    main(*map(Path, sys.argv[1:2]))
