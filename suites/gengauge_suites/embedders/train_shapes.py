"""Trains the shapes embedder: ``python -m gengauge_suites.embedders.train_shapes [OUTPUT]``."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge.data import Dataset
from gengauge_suites.datasets.captions import NAMES
from gengauge_suites.embedders.shapes import (
    PREPROCESSING,
    WEIGHTS,
    ShapesNetwork,
    split_heads,
)
from gengauge_suites.embedders.training import Recipe, dataset, fit, save


def main(output: Path = WEIGHTS) -> None:
    """Train, print accuracies, and write float16 weights to ``output``."""
    data = dataset("shapes")
    network = train(data)
    save(network, f"shapes {data.fingerprint}, {PREPROCESSING}", output)
    for name in ("train", "validation", "test"):
        split = getattr(data, name)
        right = accuracies(network, split.x, split.attributes)
        print(name, *(f"{n} {r:.4f}" for n, r in zip(NAMES, right, strict=True)))


def train(data: Dataset, steps: int = 2000) -> ShapesNetwork:
    """Return the network trained on the train split for ``steps``."""
    assert data.train.attributes is not None
    recipe = Recipe("shapes", 256, augment, attribute_loss, steps, batch=64, fade=4)
    return fit(ShapesNetwork, data.train.x, data.train.attributes, recipe)


def attribute_loss(logits: Tensor, attributes: Tensor) -> Tensor:
    """Return the four smoothed cross-entropies of each picture ``[n]``, the shape's thrice."""
    pairs = zip(split_heads(logits), attributes.unbind(1), strict=True)
    losses = [F.cross_entropy(h, a, label_smoothing=0.02, reduction="none") for h, a in pairs]
    return torch.stack(losses).sum(0) + 2 * losses[0]  # the hardest by far in a small picture


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Add a little noise; the drawings are varied enough."""
    return (x + 3 * torch.randn(x.shape, generator=generator)).clamp(0, 255)


def accuracies(network: ShapesNetwork, x: Tensor, attributes: Tensor) -> list[float]:
    """Return the share of each attribute that is told right."""
    with torch.no_grad():
        out = torch.cat([network(part)[:, :-1] for part in torch.split(x, 500)])
    told = torch.stack([h.argmax(1) for h in split_heads(out)], 1)
    right: list[float] = (told == attributes).double().mean(0).tolist()
    return right


if __name__ == "__main__":
    torch.set_num_threads(1)  # one thread: the order of every sum is then the same
    main(*map(Path, sys.argv[1:2]))
