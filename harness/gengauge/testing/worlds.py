"""Small data sets of every modality, made in a moment: what laws are tried on.

Two of them have so few possible examples that probabilities can be summed over all of them.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from gengauge import seeds
from gengauge.data import Dataset, Split
from gengauge.registry import load_target
from gengauge.specs import DatasetSpec

_SIZES = (200, 100, 100)
_CENTRES = torch.tensor([[-3.0, 0.0], [3.0, 0.0], [0.0, 4.0]], dtype=torch.float64)
_SPREAD = 0.25  # so far apart that no point is of two modes


class ThreeNormals:
    """Three round, normal modes in the plane, all equally likely."""

    centres = _CENTRES
    deviations = torch.full((3,), _SPREAD, dtype=torch.float64)
    entropy = math.log(3) + 1 + math.log(2 * math.pi) + 2 * math.log(_SPREAD)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of ``x`` ``[n, 2]`` in nats ``[n]``."""
        far = (x.double()[:, None] - self.centres).pow(2).sum(-1) / _SPREAD**2
        normal = -0.5 * far - math.log(2 * math.pi) - 2 * math.log(_SPREAD)
        return normal.logsumexp(1) - math.log(3)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` points ``[n, 2]``."""
        return self.labelled(n, generator)[0]

    def labelled(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return ``n`` points ``[n, 2]`` and the number of each one's mode ``[n]``."""
        mode = torch.randint(3, (n,), generator=generator)
        noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        return (self.centres[mode] + _SPREAD * noise).float(), mode


def points(spec: DatasetSpec) -> Dataset:
    """Return points of three normals, in three classes."""
    truth = ThreeNormals()
    train, validation, test = (
        Split(*truth.labelled(n, _stream(spec, n, i))) for i, n in enumerate(_SIZES)
    )
    names = ("left", "right", "top")
    return Dataset(spec.id, "points", train, validation, test, class_names=names, truth=truth)


def table(spec: DatasetSpec) -> Dataset:
    """Return four columns in units of their own, in two classes."""

    def split(i: int, n: int) -> Split:
        stream = _stream(spec, n, i)
        kind = torch.randint(2, (n,), generator=stream)
        z = torch.randn(n, 4, generator=stream) + kind[:, None] * torch.tensor([2.0, 0, -1, 0])
        z[:, 1] += 0.8 * z[:, 0]
        return Split(z * torch.tensor([1.0, 10.0, 0.1, 100.0]), kind)

    train, validation, test = (split(i, n) for i, n in enumerate(_SIZES))
    return Dataset(spec.id, "table", train, validation, test, class_names=("no", "yes"))


def squares(spec: DatasetSpec) -> Dataset:
    """Return pictures of 8 x 8 pixels: a square in one of four corners, on noise."""
    names = tuple(f"{v} {h}" for v in ("top", "bottom") for h in ("left", "right"))

    def split(i: int, n: int) -> Split:
        stream = _stream(spec, n, i)
        corner = torch.randint(4, (n,), generator=stream)
        x = torch.randint(3, (n, 1, 8, 8), generator=stream)
        light = 3 + torch.randint(3, (n,), generator=stream)
        for k, (row, label, level) in enumerate(zip(x, corner, light, strict=True)):
            top, left = 1 + 4 * (int(label) // 2), 1 + 4 * (int(label) % 2)
            row[0, top : top + 3, left - k % 2 : left + 3 - k % 2] += level
        captions = tuple(f"a square at the {names[i]}" for i in corner.tolist())
        return Split(x.to(torch.uint8), corner, captions)

    train, validation, test = (split(i, n) for i, n in enumerate(_SIZES))
    return Dataset(spec.id, "image", train, validation, test, levels=8, class_names=names)


def pair(spec: DatasetSpec) -> Dataset:
    """Return pictures of two pixels of five levels, the second close to the first."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(5, (300, 1), generator=generator)
    second = (first + torch.randint(2, (300, 1), generator=generator)).clamp(max=4)
    x = torch.cat([first, second], 1).to(torch.uint8).view(300, 1, 1, 2)
    captions = tuple(f"from {a} to {b}" for a, b in x.flatten(1).tolist())
    train, validation, test = (
        Split(x[s], first[s, 0], captions[s]) for s in map(slice, (0, 200, 250), (200, 250, 300))
    )
    return Dataset(spec.id, "image", train, validation, test, levels=5)


def syllables(spec: DatasetSpec) -> Dataset:
    """Return texts of three of six letters."""
    generator = torch.Generator().manual_seed(0)
    vowel = torch.randint(2, (300, 1), generator=generator)
    before, after = 2 + torch.randint(4, (2, 300, 1), generator=generator) // (1 + vowel)
    x = torch.cat([before, vowel, after], 1)
    train, validation, test = Split(x[:200]), Split(x[200:250]), Split(x[250:])
    return Dataset(spec.id, "text", train, validation, test, levels=6, alphabet="aiknst")


def _stream(spec: DatasetSpec, n: int, part: int) -> torch.Generator:
    return seeds.generator(spec.id, spec.revision, n, part)


_HERE = "gengauge.testing.worlds"
TINY = "tiny/"  # all their ids begin so
POINTS = DatasetSpec(
    id="tiny/points", summary="three round normals in the plane", target=f"{_HERE}:points",
    modality="points", has_truth=True, has_modes=True, labelled=True,
)  # fmt: skip
TABLE = DatasetSpec(
    id="tiny/table", summary="four columns in units of their own", target=f"{_HERE}:table",
    modality="table", labelled=True,
)  # fmt: skip
SQUARES = DatasetSpec(
    id="tiny/squares", summary="a square in a corner of 8 x 8 pixels", target=f"{_HERE}:squares",
    modality="image", levels=8, labelled=True, captioned=True,
)  # fmt: skip
PAIR = DatasetSpec(
    id="tiny/pair", summary="two pixels of five levels", target=f"{_HERE}:pair",
    modality="image", levels=5, labelled=True, captioned=True,
)  # fmt: skip
SYLLABLES = DatasetSpec(
    id="tiny/syllables", summary="three of six letters", target=f"{_HERE}:syllables",
    modality="text", levels=6,
)  # fmt: skip
WORLDS = (POINTS, TABLE, SQUARES, PAIR, SYLLABLES)


@cache
def made(id_: str) -> Dataset:
    """Return the small data set of this id; laws work on copies of it."""
    [spec] = (spec for spec in WORLDS if spec.id == id_)
    found: Dataset = load_target(spec.target)(spec)
    return found
