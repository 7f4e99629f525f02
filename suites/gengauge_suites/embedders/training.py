"""How our embedders are trained: the train split alone, and noise that is to be told.

It sees the train split only, so that neither the validation images (the ``real`` control) nor
the test images (the reference) have shaped the features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge import seeds
from gengauge.data import Dataset
from gengauge.registry import load_target
from gengauge_suites.datasets import gengauge_datasets
from gengauge_suites.embedders.trained import Network

SEED = 0
# The whole of a picture lost is this many units of the damage output. It sets how far noise lies
# from real pictures: farther than a generator that has lost every mode but one.
DAMAGE, DAMAGE_WEIGHT = 10.0, 0.4

N = TypeVar("N", bound=Network)
Augment = Callable[[Tensor, torch.Generator], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]  # of logits and targets, for each picture


@dataclass(frozen=True)
class Recipe:
    """What differs between our embedders' trainings."""

    name: str
    levels: int
    augment: Augment
    loss: Loss
    steps: int = 2500
    batch: int = 128
    rate: float = 2e-3
    spoilt: float = 0.5  # the part of a batch that noise gets into
    fade: int = 1  # how fast the answers of a picture count less as noise replaces it: a power


def dataset(id_: str) -> Dataset:
    """Return the shipped dataset ``id_``."""
    spec = next(s for s in gengauge_datasets() if s.id == id_)
    data: Dataset = load_target(spec.target)(spec)
    return data


def fit(make: Callable[[], N], x: Tensor, targets: Tensor, recipe: Recipe) -> N:
    """Return a network trained with Adam, weight decay and a cosine schedule.

    A part of each batch has a share of its pixels replaced by noise, and the share is to be told
    (outlier exposure: Hendrycks et al. 2019, https://arxiv.org/abs/1812.04606).
    """
    with seeds.global_seed(SEED):
        network = make().train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
        generator = seeds.generator(f"{recipe.name} embedder", SEED)
        for _ in range(recipe.steps):
            index = torch.randint(len(x), (recipe.batch,), generator=generator)
            moved = recipe.augment(x[index], generator)
            spoilt, share = damage(moved, recipe, generator)
            out = network(spoilt)
            told = (out[:, -1] - DAMAGE * share) ** 2
            wrong = recipe.loss(out[:, :-1], targets[index])
            # What noise has replaced can no longer be asked for.
            loss = (wrong * (1 - share) ** recipe.fade).mean() + DAMAGE_WEIGHT * told.mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network.eval()


def damage(x: Tensor, recipe: Recipe, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Replace a share of the values by uniform noise in the first part of ``x`` ``[n, c, h, w]``.

    Return the pictures and the shares ``[n]``, uniform in ``[0, 1]`` there and 0 elsewhere.
    """
    share = torch.rand(len(x), generator=generator)
    share[int(len(x) * recipe.spoilt) :] = 0
    hit = torch.rand(x.shape, generator=generator) < share.view(-1, 1, 1, 1)
    noise = torch.randint(0, recipe.levels, x.shape, generator=generator)
    return torch.where(hit, noise.to(x.dtype), x), share


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the smoothed cross-entropy of each picture ``[n]``."""
    return F.cross_entropy(logits, labels, label_smoothing=0.05, reduction="none")


def save(network: nn.Module, about: str, output: Path) -> None:
    """Write float16 weights to ``output`` and leave the network with what was written."""
    state = {name: weight.half().contiguous() for name, weight in network.state_dict().items()}
    # One entry only: safetensors writes several in random order, and the file's hash would change.
    save_file(state, output, {"about": about})
    network.load_state_dict({name: weight.float() for name, weight in state.items()})
    print(f"{output}: {output.stat().st_size} bytes")


def accuracy(network: nn.Module, x: Tensor, labels: Tensor) -> float:
    """Return the share of ``x`` whose highest logit, the damage left out, is the label's."""
    with torch.no_grad():
        out = torch.cat([network(part)[:, :-1].argmax(1) for part in torch.split(x, 500)])
    return float((out == labels).double().mean())
