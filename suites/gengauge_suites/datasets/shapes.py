"""Coloured shapes on a dark ground, one to three, with a caption: drawn, never downloaded."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gengauge import seeds
from gengauge.data import Dataset, Split
from gengauge.specs import DatasetSpec
from gengauge_suites.datasets.captions import WAYS, ShapesGrammar
from gengauge_suites.datasets.drawing import Jitter, Look, draw
from gengauge_suites.datasets.scenes import NOVEL, Numbers, scenes
from gengauge_suites.datasets.words import SHAPES

LENGTHS = {"train": 50_000, "validation": 5_000, "test": 5_000}


@dataclass(frozen=True)
class Difficulty:
    """How many objects there are, and how the pictures look."""

    numbers: Numbers
    look: Look


DIFFICULTIES = {
    "easy": Difficulty(Numbers(1, 1), Look()),
    "normal": Difficulty(Numbers(1, 3), Look()),
    "hard": Difficulty(
        Numbers(2, 3),
        Look(ground=0.28, ground_stray=0.1, clutter=0.16, tint=0.09, turn=25.0, stray=0.8),
    ),
}


def load(spec: DatasetSpec) -> Dataset:
    """Return the shapes as uint8 ``[n, 3, 32, 32]`` with attributes ``[n, 12]`` and captions.

    ``spec.arguments["difficulty"]`` is easy, normal or hard. Six pairs of shape and colour are in
    no picture of train and validation, and in a third of the test's. Only pictures of one object
    have a label: its shape.
    """
    difficulty = DIFFICULTIES[str(spec.arguments["difficulty"])]
    train, validation, test = (_split(spec, name, difficulty) for name in LENGTHS)
    return Dataset(
        id=spec.id,
        modality="image",
        train=train,
        validation=validation,
        test=test,
        levels=256,
        class_names=SHAPES if spec.labelled else (),
        grammar=ShapesGrammar(),
        revision=spec.revision,
    )


def _split(spec: DatasetSpec, name: str, difficulty: Difficulty) -> Split:
    """Draw one split; the three are separate draws."""
    generator = seeds.generator("dataset", spec.id, spec.revision, name)
    n = LENGTHS[name]
    novel = NOVEL if name == "test" else 0.0
    attributes = scenes(n, difficulty.numbers, novel, generator)
    ways = torch.randint(WAYS, (n,), generator=generator).tolist()
    captions = tuple(map(ShapesGrammar().caption, attributes.tolist(), ways))
    x = draw(attributes, Jitter.drawn(n, generator), difficulty.look)
    labels = attributes[:, 0].clone() if spec.labelled else None
    return Split(x, labels, captions=captions, attributes=attributes)
