"""Trains the shapes embedder: ``python -m gengauge_suites.embedders.train_shapes [OUTPUT]``.

It draws its own pictures, of all difficulties and with the combinations that the datasets hold
out for the test: a judge must know what no model may see. No picture of a dataset is among them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge import seeds
from gengauge_suites.datasets.drawing import FIELDS, Jitter, draw
from gengauge_suites.datasets.scenes import scenes
from gengauge_suites.datasets.shapes import DIFFICULTIES
from gengauge_suites.datasets.words import PLACES, SHAPES
from gengauge_suites.embedders.shapes import (
    HEADS,
    PREPROCESSING,
    WEIGHTS,
    ShapesEmbedder,
    ShapesNetwork,
    split_heads,
)
from gengauge_suites.embedders.training import Recipe, dataset, fit, save

PICTURES = {"easy": 8_000, "normal": 16_000, "hard": 16_000}
NOVEL = 0.4  # of pictures: then all pairs of shape and colour are about as frequent
STEPS = 2500
_NONE = -100  # what cross_entropy leaves out


def main(output: Path = WEIGHTS) -> None:
    """Train, print accuracies, and write float16 weights to ``output``."""
    x, targets = pictures()
    network = train(x, targets)
    save(network, f"drawn from {PICTURES}, {PREPROCESSING}", output)
    judge = ShapesEmbedder()
    judge._network = network
    for id_ in ("shapes/easy", "shapes", "shapes/hard"):
        test = dataset(id_).test
        assert test.attributes is not None
        print(id_, accuracies(judge, test.x, test.attributes))


def pictures(share: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return a ``share`` of all training pictures and what stands at each place ``[n, 27]``."""
    drawn, targets = [], []
    for name, count in PICTURES.items():
        generator, n = seeds.generator("shapes embedder", name), int(count * share)
        attributes = scenes(n, DIFFICULTIES[name].numbers, NOVEL, generator)
        drawn.append(draw(attributes, Jitter.drawn(n, generator), DIFFICULTIES[name].look))
        targets.append(by_place(attributes))
    return torch.cat(drawn), torch.cat(targets)


def by_place(attributes: Tensor) -> Tensor:
    """Return shape (5: none), colour and size at each of nine places, ``[n, 9 * 3]``."""
    objects = attributes.reshape(len(attributes), -1, FIELDS)
    picture, slot = torch.nonzero(objects[:, :, 0] >= 0, as_tuple=True)
    shown = objects[picture, slot]
    out = torch.full((len(objects), len(PLACES), 3), _NONE)
    out[:, :, 0] = len(SHAPES)
    out[picture, shown[:, 3]] = shown[:, :3]
    return out.flatten(1)


def train(x: Tensor, targets: Tensor, steps: int = STEPS) -> ShapesNetwork:
    """Return the network trained on pictures and what stands at their places for ``steps``."""
    recipe = Recipe("shapes", 256, augment, places_loss, steps, batch=64, fade=4)
    return fit(ShapesNetwork, x, targets, recipe)


def places_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropies of each picture ``[n]``: the judge's, and half the features'."""
    judge, features = torch.split(logits, len(PLACES) * sum(HEADS), 1)
    return _told(judge, targets) + 0.5 * _told(features, targets)


def _told(logits: Tensor, targets: Tensor) -> Tensor:
    each = targets.reshape(-1, len(PLACES), 3).unbind(2)
    losses = [
        F.cross_entropy(head.transpose(1, 2), truth, label_smoothing=0.02, reduction="none").sum(1)
        for head, truth in zip(split_heads(logits), each, strict=True)
    ]
    return 2 * losses[0] + losses[1] + losses[2]  # the shape is the hardest by far


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Add a little noise; the drawings are varied enough."""
    return (x + 3 * torch.randn(x.shape, generator=generator)).clamp(0, 255)


def accuracies(judge: ShapesEmbedder, x: Tensor, attributes: Tensor) -> dict[str, float]:
    """Return the share of objects told right in each attribute, and of pictures in all."""
    with torch.no_grad():
        found = torch.cat([by_place(judge.attributes(part)) for part in torch.split(x, 500)])
    truth = by_place(attributes)
    right = (found == truth).reshape(-1, len(PLACES), 3)
    there = truth.reshape(-1, len(PLACES), 3)[:, :, 0] < len(SHAPES)
    seen = found.reshape(-1, len(PLACES), 3)[:, :, 0] < len(SHAPES)
    shape, colour, size = (float(right[:, :, i][there].double().mean()) for i in range(3))
    position = float(seen[there].double().mean())
    return {"shape": shape, "colour": colour, "size": size, "position": position,
            "all": float((found == truth).all(1).double().mean())}  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)  # one thread: the order of every sum is then the same
    main(*map(Path, sys.argv[1:2]))
