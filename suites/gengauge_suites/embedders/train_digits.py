"""Trains the digits embedder: ``python -m gengauge_suites.embedders.train_digits [OUTPUT]``.

It sees the train split only, so that neither the validation images (the ``real`` control) nor
the test images (the reference) have shaped the features.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge import seeds
from gengauge.data import Dataset, Split
from gengauge_suites.datasets import gengauge_datasets
from gengauge_suites.datasets.digits import LEVELS, load
from gengauge_suites.embedders.digits import CLASSES, PREPROCESSING, WEIGHTS, DigitsNetwork

SEED, STEPS, BATCH, RATE = 0, 2500, 128, 2e-3
# The whole of a picture lost is this many units of the damage output. It sets how far noise lies
# from digits: farther than a generator that has lost every mode but one.
DAMAGE, DAMAGE_WEIGHT = 10.0, 0.4


def main(output: Path = WEIGHTS) -> None:
    """Train, print accuracies, and write float16 weights to ``output``."""
    spec = next(s for s in gengauge_datasets() if s.id == "digits")
    data = load(spec)
    network = fit(data)
    state = {name: weight.half().contiguous() for name, weight in network.state_dict().items()}
    # One entry only: safetensors writes several in random order, and the file's hash would change.
    save_file(state, output, {"about": f"digits {data.fingerprint}, {PREPROCESSING}"})
    network.load_state_dict({name: weight.float() for name, weight in state.items()})
    for name in ("train", "validation", "test"):
        print(f"{name} accuracy {accuracy(network, getattr(data, name)):.4f}")
    print(f"{output}: {output.stat().st_size} bytes")


def fit(data: Dataset, steps: int = STEPS) -> DigitsNetwork:
    """Return the network trained for ``steps`` with Adam, weight decay and a cosine schedule.

    Half of each batch has a share of its pixels replaced by noise, and the share is to be told
    (outlier exposure: Hendrycks et al. 2019, https://arxiv.org/abs/1812.04606).
    """
    with seeds.global_seed(SEED):
        network = DigitsNetwork().train()
        labels = data.train.labels
        assert labels is not None
        optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        generator = seeds.generator("digits embedder", SEED)
        for _ in range(steps):
            index = torch.randint(len(labels), (BATCH,), generator=generator)
            x, share = damage(augment(data.train.x[index], generator), generator)
            loss = loss_of(network(x), labels[index], share)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network.eval()


def loss_of(out: Tensor, labels: Tensor, share: Tensor) -> Tensor:
    """Return the loss of outputs ``[n, 11]``: the class, as far as it is left, and the damage."""
    classes = F.cross_entropy(out[:, :CLASSES], labels, label_smoothing=0.05, reduction="none")
    told = (out[:, CLASSES] - DAMAGE * share) ** 2
    return (classes * (1 - share)).mean() + DAMAGE_WEIGHT * told.mean()


def damage(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Replace a share of the pixels by uniform noise in the first half of ``x`` ``[n, 1, 8, 8]``.

    Return the pictures and the shares ``[n]``, uniform in ``[0, 1]`` there and 0 elsewhere.
    """
    share = torch.rand(len(x), generator=generator)
    share[len(x) // 2 :] = 0
    hit = torch.rand(x.shape, generator=generator) < share.view(-1, 1, 1, 1)
    noise = torch.randint(0, LEVELS, x.shape, generator=generator)
    return torch.where(hit, noise.to(x.dtype), x), share


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Turn by up to 10 degrees, scale by 10 %, shift by half a pixel and add a little noise."""
    n = len(x)
    u = 2 * torch.rand(5, n, generator=generator) - 1
    angle, scale = u[0] * math.radians(10), 1 + 0.1 * u[1]
    shift = u[2:4] * (0.5 / 4)  # half a pixel of eight, in units where the picture is [-1, 1]
    top = torch.stack([scale * angle.cos(), -scale * angle.sin(), shift[0]], 1)
    bottom = torch.stack([scale * angle.sin(), scale * angle.cos(), shift[1]], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), [n, 1, 8, 8], align_corners=False)
    moved = F.grid_sample(x.float(), grid, align_corners=False)
    noise = torch.randn(moved.shape, generator=generator)
    return (moved * (1 + 0.1 * u[4].view(-1, 1, 1, 1)) + 0.5 * noise).clamp(0, 16)


def accuracy(network: nn.Module, split: Split) -> float:
    """Return the share of a split that is classified right."""
    with torch.no_grad():
        return float((network(split.x)[:, :CLASSES].argmax(1) == split.labels).double().mean())


if __name__ == "__main__":
    torch.set_num_threads(1)  # one thread: the order of every sum is then the same
    main(*map(Path, sys.argv[1:2]))
