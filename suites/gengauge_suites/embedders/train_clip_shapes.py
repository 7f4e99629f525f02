"""Trains the tiny CLIPs: ``python -m gengauge_suites.embedders.train_clip_shapes ID [OUTPUT]``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge import seeds
from gengauge.data import Dataset
from gengauge_suites.datasets.captions import WAYS, ShapesGrammar
from gengauge_suites.embedders.local_clip import (
    HOME,
    PREPROCESSING,
    WEIGHTS,
    ShippedClip,
    build,
)
from gengauge_suites.embedders.retrieval import summary
from gengauge_suites.embedders.training import dataset, save
from gengauge_suites.embedders.twisted import Twister
from gengauge_suites.embedders.words import FILE, Words

WARM_UP = 100
_BLURRED, _NOISE = 0.5, 12.0  # share of lossy pictures, and their noise at most, in levels
HOTTEST = 4.6052  # the logarithm of 100, where CLIP stops its scale


@dataclass(frozen=True)
class Recipe:
    """What differs between the trainings of the two."""

    stream: str  # the name of its random numbers
    seed: int
    steps: int
    rate: float
    batch: int = 128
    sets: tuple[str, ...] = ("shapes",)  # a batch has as much of each
    lossy: bool = False  # pictures are blurred and made noisy, or next to nothing is done


# The two changed places after they were trained, and their random numbers keep the first names:
# noise throws the ResNet off by far, and the judge must be the steadier of the two.
RECIPES = {
    "clip/shapes": Recipe("clip/shapes-guide embedder", seed=1, steps=600, rate=2e-3),
    "clip/shapes-guide": Recipe(
        "clip/shapes embedder", seed=0, steps=1400, rate=2e-3,
        sets=("shapes/easy", "shapes"), lossy=True,
    ),
}  # fmt: skip


def main(id_: str, output: Path | None = None) -> None:
    """Train ``id_``, write float16 weights to ``output`` and print what it finds."""
    sets = [dataset(name) for name in RECIPES[id_].sets]
    network = train(sets, id_)
    about = " and ".join(f"{data.id} {data.fingerprint}" for data in sets)
    save(network, f"{about}, {PREPROCESSING}", output or folder(id_) / WEIGHTS)
    for data in sets:
        print(data.id)
        for line in summary(ShippedClip(id_), data):
            print(line)


def folder(id_: str) -> Path:
    """Return where a tiny CLIP's configuration, words and weights lie."""
    return HOME / id_.replace("/", "-")


def train(sets: Sequence[Dataset], id_: str, steps: int = 0) -> Any:
    """Return the network trained on the train splits for ``steps``, by default its recipe's.

    The loss is CLIP's (Radford et al. 2021, https://arxiv.org/abs/2103.00020, figure 3), but that
    pictures of the same scene belong together, and that each picture has a caption that is
    nearly right to be told from its own (Yuksekgonul et al. 2023, section 4,
    https://arxiv.org/abs/2210.01936): CLIPs do not learn the order of words without.
    """
    recipe, grammar = RECIPES[id_], ShapesGrammar()
    words = Words.read(folder(id_) / FILE, 32)
    generator = seeds.generator(recipe.stream, recipe.seed)
    twister = Twister(_scenes(sets[-1]), grammar)
    with seeds.global_seed(recipe.seed):
        network = build(folder(id_), trained=False).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.05)
        total = steps or recipe.steps
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, recipe.rate, total_steps=total, pct_start=min(0.3, WARM_UP / total)
        )
        for _ in range(total):
            x, scenes = _batch(sets, recipe.batch, generator)
            own = spoken(scenes, grammar, generator)
            said = words([*own, *twister.captions(scenes, generator)])
            pixels = _pixels(network, _lossy(x, generator) if recipe.lossy else x, generator)
            image = F.normalize(network.encode_image(pixels), dim=1)
            text = F.normalize(network.encode_text(said), dim=1)
            scale = network.logit_scale.clamp(max=HOTTEST).exp()
            loss = contrast(scale * image @ text.T, scenes)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network.eval()


def _scenes(data: Dataset) -> Tensor:
    assert data.train.attributes is not None
    return data.train.attributes


def _batch(sets: Sequence[Dataset], size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return pictures and their scenes ``[size, 12]``, as many from each of ``sets``."""
    found = []
    for data in sets:
        index = torch.randint(len(data.train.x), (size // len(sets),), generator=generator)
        found.append((data.train.x[index], _scenes(data)[index]))
    x, scenes = zip(*found, strict=True)
    return torch.cat(x), torch.cat(scenes)


def _lossy(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return levels of pictures that look decoded from codes: half are blurred, all are noisy.

    Without, a guide that told .91 of the shapes in drawings told .61 in a codebook's
    reconstructions of them, which is all that it sees when it steers.
    """
    chance, blur, noise = torch.rand(3, len(x), 1, 1, 1, generator=generator)
    levels = x.float()
    smooth = F.avg_pool2d(F.pad(levels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    levels = levels + blur * (chance < _BLURRED) * (smooth - levels)
    noisy: Tensor = levels + _NOISE * noise * torch.randn(x.shape, generator=generator)
    return noisy


def _pixels(network: Any, x: Tensor, generator: torch.Generator) -> Tensor:
    """Return pictures with a little noise as the network takes them: they are varied enough."""
    rules = network.visual.preprocess_cfg
    mean, std = (torch.tensor(rules[name]).view(3, 1, 1) for name in ("mean", "std"))
    noisy = (x + 3 * torch.randn(x.shape, generator=generator)).clamp(0, 255)
    return (noisy / 255 - mean) / std


def spoken(scenes: Tensor, grammar: ShapesGrammar, generator: torch.Generator) -> Sequence[str]:
    """Return a caption of each of ``scenes`` ``[n, 12]``, said in a way drawn anew."""
    ways = torch.randint(WAYS, (len(scenes),), generator=generator)
    return [grammar.caption(s, w) for s, w in zip(scenes.tolist(), ways.tolist(), strict=True)]


def contrast(logits: Tensor, scenes: Tensor) -> Tensor:
    """Return the mean cross-entropy of rows and columns of ``logits`` ``[n, 2n]``.

    The last ``n`` columns are wrong for their row and belong to no other: columns for the rows'
    choice alone.
    """
    n = len(scenes)
    same = (scenes[:, None] == scenes).all(2).float()
    target = same / same.sum(1, keepdim=True)
    rows = F.cross_entropy(logits, torch.cat([target, torch.zeros(n, n)], 1))
    return (rows + F.cross_entropy(logits[:, :n].T, target)) / 2


if __name__ == "__main__":
    torch.set_num_threads(1)  # one thread: the order of every sum is then the same
    main(sys.argv[1], *map(Path, sys.argv[2:3]))
