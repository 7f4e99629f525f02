"""Five planar densities that toy studies of generative models use, with exact entropies."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gengauge import seeds
from gengauge.data import Dataset, Split
from gengauge.errors import unknown
from gengauge.specs import DatasetSpec
from gengauge_suites.datasets.densities import Checkerboard, Mixture, Rings, SeparateModes

Planar = Mixture | Checkerboard | Rings
SIZES = {"train": 8000, "validation": 5000, "test": 10000}

CLASSES = {
    "eight-gaussians": tuple(f"{45 * i} degrees" for i in range(8)),
    "moons": ("upper", "lower"),
    "spiral": ("first arm", "second arm"),
    "rings": ("inner", "middle", "outer"),
}
# Nats, by quadrature (tests/suites/test_datasets.py computes them again); no closed form is known.
ENTROPIES = {
    "eight-gaussians": 2.144716766784,
    "moons": 2.393356282132,
    "spiral": 3.044224538219,
    "rings": 3.021685350496,
}


def load(spec: DatasetSpec) -> Dataset:
    """Return the points dataset named by ``spec.id``: float32 ``[n, 2]``, truth attached.

    Labels tell the mode, the moon, the arm or the ring; the board has none.
    """
    name = spec.id.removeprefix("points/")
    truth = density(name)
    return Dataset(
        id=spec.id,
        modality="points",
        train=_draw(truth, spec, "train"),
        validation=_draw(truth, spec, "validation"),
        test=_draw(truth, spec, "test"),
        class_names=CLASSES.get(name, ()),
        truth=truth,
        revision=spec.revision,
    )


def _draw(truth: Planar, spec: DatasetSpec, split: str) -> Split:
    generator = seeds.generator("dataset", spec.id, spec.revision, split)
    if isinstance(truth, Checkerboard):
        return Split(truth.sample(SIZES[split], generator))
    return Split(*truth.labelled(SIZES[split], generator))


def density(name: str) -> Planar:
    """Return a planar density by name; raise ``UsageError`` for an unknown one."""
    if name not in _DENSITIES:
        raise unknown("points dataset", name, _DENSITIES)
    return _DENSITIES[name]()


def _eight_gaussians() -> SeparateModes:
    angle = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    entropy = ENTROPIES["eight-gaussians"]
    return SeparateModes(3 * _circle(angle), _constant(0.25, 8), entropy, classes=8)


def _moons() -> Mixture:
    # scikit-learn's two half circles, doubled and centred, each as 64 Gaussians 0.05 apart.
    t = (torch.arange(64, dtype=torch.float64) + 0.5) * (math.pi / 64)
    upper = _circle(t)
    lower = torch.tensor([1.0, 0.5], dtype=torch.float64) - upper
    centre = torch.tensor([0.5, 0.25], dtype=torch.float64)
    return Mixture(
        2 * (torch.cat([upper, lower]) - centre), _constant(0.2, 128), ENTROPIES["moons"], classes=2
    )


def _spiral() -> Mixture:
    # r = 1.1 angle / pi over 1 1/2 turns; the square root spaces the centres evenly in length.
    t = ((torch.arange(100, dtype=torch.float64) + 0.5) / 100).sqrt()
    angle = 3 * math.pi * t
    arm = 3.3 * t[:, None] * _circle(angle)
    scales = 0.08 + 0.12 * t
    return Mixture(
        torch.cat([arm, -arm]), torch.cat([scales, scales]), ENTROPIES["spiral"], classes=2
    )


def _rings() -> Rings:
    radii = torch.tensor([1.0, 2.2, 3.4], dtype=torch.float64)
    return Rings(radii, radii / radii.sum(), 0.12, ENTROPIES["rings"])


def _circle(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], 1)


def _constant(value: float, n: int) -> Tensor:
    return torch.full((n,), value, dtype=torch.float64)


_DENSITIES: dict[str, Callable[[], Planar]] = {
    "eight-gaussians": _eight_gaussians,
    "moons": _moons,
    "checkerboard": Checkerboard,
    "spiral": _spiral,
    "rings": _rings,
}
