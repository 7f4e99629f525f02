"""Grey pictures with every pixel thrown once as a coin: black and white, the same ever after."""

from __future__ import annotations

from dataclasses import replace

import torch

from gengauge import seeds
from gengauge.data import Dataset, Split
from gengauge.specs import DatasetSpec
from gengauge_suites.datasets import digits, fashion


def load(spec: DatasetSpec) -> Dataset:
    """Return the pictures of ``digits`` or ``fashion-mnist`` as 0 and 1, in the same splits.

    A pixel of grey level x is 1 with probability x / (levels - 1), drawn once from a named seed:
    the protocol of Salakhutdinov & Murray (2008), which the field calls static binarisation.
    """
    loaders = {"digits/binary": digits.load, "fashion-mnist/binary": fashion.load}
    grey = loaders[spec.id](replace(spec, id=spec.id.removesuffix("/binary")))

    def part(name: str) -> Split:
        return thrown(getattr(grey, name), grey.levels or 0, f"{spec.id} {spec.revision} {name}")

    train, validation, test = part("train"), part("validation"), part("test")
    return replace(grey, id=spec.id, levels=2, train=train, validation=validation, test=test)


def thrown(split: Split, levels: int, name: str) -> Split:
    """Return ``split`` with each grey level thrown as a coin, by the stream called ``name``."""
    u = torch.rand(split.x.shape, generator=seeds.generator("binarise", name))
    return replace(split, x=(u * (levels - 1) < split.x).to(torch.uint8))
