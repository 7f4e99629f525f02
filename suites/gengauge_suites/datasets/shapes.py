"""One coloured shape on a dark ground, with a caption: drawn, never downloaded."""

from __future__ import annotations

import torch

from gengauge import seeds
from gengauge.data import Dataset, Split
from gengauge.specs import DatasetSpec
from gengauge_suites.datasets.captions import TEMPLATES, VALUES, ShapesGrammar
from gengauge_suites.datasets.drawing import JITTERS, draw

SIZES = {"train": 12_000, "validation": 2_000, "test": 2_000}


def load(spec: DatasetSpec) -> Dataset:
    """Return the shapes as uint8 ``[n, 3, 32, 32]`` with attributes ``[n, 4]`` and captions.

    The label is the shape; the three splits are separate draws.
    """
    train, validation, test = (_split(spec, name) for name in SIZES)
    return Dataset(
        id=spec.id,
        modality="image",
        train=train,
        validation=validation,
        test=test,
        levels=256,
        class_names=VALUES[0],
        grammar=ShapesGrammar(),
        revision=spec.revision,
    )


def _split(spec: DatasetSpec, name: str) -> Split:
    """Draw every attribute and template with equal chance."""
    generator = seeds.generator("dataset", spec.id, spec.revision, name)
    n, grammar = SIZES[name], ShapesGrammar()
    columns = [torch.randint(len(v), (n,), generator=generator) for v in VALUES]
    attributes = torch.stack(columns, 1)
    templates = torch.randint(len(TEMPLATES), (n,), generator=generator).tolist()
    jitter = torch.rand(n, JITTERS, generator=generator, dtype=torch.float64)
    captions = tuple(map(grammar.caption, attributes.tolist(), templates))
    return Split(
        draw(attributes, jitter), attributes[:, 0].clone(), captions=captions, attributes=attributes
    )
