"""Trains the tiny CLIP: ``python -m gengauge_suites.embedders.train_clip_shapes [OUTPUT]``."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge import seeds
from gengauge.data import Dataset, Split
from gengauge_suites.datasets.captions import TEMPLATES, VALUES, ShapesGrammar
from gengauge_suites.embedders.clip_shapes import PREPROCESSING, WEIGHTS, build, prepare, tokens
from gengauge_suites.embedders.train_shapes import augment
from gengauge_suites.embedders.training import SEED, dataset, save

STEPS, BATCH, RATE, WARM_UP = 1000, 128, 2e-3, 100


def main(output: Path = WEIGHTS) -> None:
    """Train, print the share of captions that is found, and write float16 weights to ``output``."""
    data = dataset("shapes")
    network = train(data)
    save(network, f"shapes {data.fingerprint}, {PREPROCESSING}", output)
    for name in ("train", "validation", "test"):
        split = getattr(data, name)
        print(f"{name}: {retrieval(network, split):.4f} of all 540 captions, "
              f"{retrieval(network, split, among=32):.4f} of 32")  # fmt: skip


def train(data: Dataset, steps: int = STEPS) -> Any:
    """Return the network trained on the train split for ``steps``.

    The loss is CLIP's (Radford et al. 2021, https://arxiv.org/abs/2103.00020, figure 3), but that
    all pictures and captions of the same attributes belong together, of which a batch has some.
    """
    x, attributes = data.train.x, data.train.attributes
    assert attributes is not None
    said = torch.stack([tokens(sentences(t)) for t in range(len(TEMPLATES))])
    place = _number(attributes)
    with seeds.global_seed(SEED):
        network = build(trained=False).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, RATE, total_steps=steps, pct_start=min(0.3, WARM_UP / steps)
        )
        generator = seeds.generator("clip/shapes embedder", SEED)
        for _ in range(steps):
            index = torch.randint(len(x), (BATCH,), generator=generator)
            template = torch.randint(len(TEMPLATES), (BATCH,), generator=generator)
            pictures = prepare(network, augment(x[index], generator))
            image = F.normalize(network.encode_image(pictures), dim=1)
            text = F.normalize(network.encode_text(said[template, place[index]]), dim=1)
            loss = contrast(network.logit_scale.exp() * image @ text.T, place[index])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network.eval()


def contrast(logits: Tensor, place: Tensor) -> Tensor:
    """Return the mean cross-entropy of rows and columns of ``logits`` ``[n, n]``."""
    same = (place[:, None] == place).float()
    target = same / same.sum(1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def sentences(template: int = 0) -> list[str]:
    """Return the caption of every combination of attributes, the last running fastest."""
    grammar = ShapesGrammar()
    every = itertools.product(*(range(len(values)) for values in VALUES))
    return [grammar.caption(attributes, template) for attributes in every]


def _number(attributes: Tensor) -> Tensor:
    """Return the place of each row ``[n, 4]`` in ``sentences``."""
    place = torch.zeros(len(attributes), dtype=torch.int64)
    for column, values in zip(attributes.unbind(1), VALUES, strict=True):
        place = place * len(values) + column
    return place


def retrieval(network: Any, split: Split, among: int | None = None) -> float:
    """Return how often a picture's own sentence is nearest of all, or of ``among`` drawn ones."""
    assert split.attributes is not None
    with torch.no_grad():
        text = F.normalize(network.encode_text(tokens(sentences())), dim=1)
        parts = [network.encode_image(prepare(network, p)) for p in torch.split(split.x, 500)]
        cosine = F.normalize(torch.cat(parts), dim=1) @ text.T
    own = _number(split.attributes)
    if among is not None:
        generator = seeds.generator("clip/shapes retrieval")
        chance = torch.rand(cosine.shape, generator=generator)
        chance[torch.arange(len(own)), own] = 2
        cosine[chance < chance.topk(among).values[:, -1:]] = -1
    return float((cosine.argmax(1) == own).double().mean())


if __name__ == "__main__":
    torch.set_num_threads(1)  # one thread: the order of every sum is then the same
    main(*map(Path, sys.argv[1:2]))
