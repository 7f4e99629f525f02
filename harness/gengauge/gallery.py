"""The nearest-neighbour gallery: samples beside their closest training images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge.artifacts import image_grid
from gengauge.evidence import Evidence
from gengauge.metric import Embedder
from gengauge.store import write_json

SIDE = 6  # pairs in a row and in a column of the sheet: the upper half closest, the rest random
_MOST = 5000  # samples looked at
_ROWS = 500  # of the distance table at a time


def save_gallery(evidence: Evidence, embedder: Embedder, folder: Path) -> None:
    """Write ``neighbours.png``, pairs sample | closest training image, and ``neighbours.json``.

    The closest pairs of all come first, then pairs drawn at random, so that one copy among
    thousands shows and the ordinary sample does too. Features are the trial's own, memoised.
    """
    samples = evidence.features(embedder).samples[:_MOST]
    distances, index = nearest(samples, evidence.features_of(embedder, "train"))
    chosen, closest = _chosen(distances, evidence.generator("gallery"))
    pairs: list[dict[str, Any]] = [
        {
            "sample": i, "train": int(index[i]), "distance": float(distances[i]),
            "chosen": "closest" if place < closest else "random",
        }
        for place, i in enumerate(chosen)
    ]  # fmt: skip
    shown = torch.tensor(chosen)
    levels, real = evidence.dataset.levels, evidence.dataset.train.x
    sheet = _side_by_side(evidence.samples[shown], real[index[shown]], levels)
    image_grid(sheet, levels, SIDE).save(folder / "neighbours.png")
    order = (
        f"the {closest} closest of {len(samples)} samples, closest first, "
        f"then {len(chosen) - closest} of the others at random"
    )
    content = {"pairs": pairs, "embedder": embedder.id, "order": order, "columns": SIDE}
    write_json(folder / "neighbours.json", content)


def _chosen(distances: Tensor, generator: torch.Generator) -> tuple[list[int], int]:
    """Return the samples to show, and how many of them are there for being the closest."""
    room = min(SIDE * SIDE, len(distances))
    closest = (room + 1) // 2
    order = distances.argsort(stable=True)
    rest = order[closest:]
    drawn = rest[torch.randperm(len(rest), generator=generator)[: room - closest]]
    return [*order[:closest].tolist(), *drawn.tolist()], closest


def nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return distance and index ``[n]`` of each ``x``'s ``[n, d]`` closest in ``y`` ``[m, d]``.

    >>> nearest(torch.tensor([[3.0, 4.0]]), torch.tensor([[9.0, 9.0], [0.0, 0.0]]))
    (tensor([5.]), tensor([1]))
    """
    norms = (y**2).sum(1)
    index = torch.cat([(norms - 2 * rows @ y.T).argmin(1) for rows in torch.split(x, _ROWS)])
    # by subtraction, since a product leaves copies a rounding error apart
    return ((x - y[index]) ** 2).sum(1).sqrt(), index


def _side_by_side(left: Tensor, right: Tensor, levels: int | None) -> Tensor:
    """Return images ``[n, C, H, 2 W + 4]``: a thin line within each pair, a wide one between."""
    line = torch.full_like(left[..., :1], levels // 2 if levels else 0.5)
    return torch.cat([left, line, right, line, line, line], -1)
