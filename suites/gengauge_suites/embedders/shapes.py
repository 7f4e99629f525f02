"""The feature map behind ``FD-shapes``: a small convolutional judge of what stands where."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from gengauge_suites.datasets.words import COLOURS, PLACES, SHAPES, SIZES
from gengauge_suites.embedders.trained import Network, TrainedEmbedder, strengthen

WEIGHTS = Path(__file__).with_name("shapes.safetensors")
PREPROCESSING = "level / 255"
FEATURES = 64
MOST = 4  # objects told: one more than the data's, so that too many do not look right
HEADS = (len(SHAPES) + 1, len(COLOURS), len(SIZES))  # logits of each place: shape or none, ...
_INNER = 64


def split_heads(logits: Tensor) -> tuple[Tensor, ...]:
    """Return the logits ``[n, 9 * 14]`` of shape (the last: none), colour and size, ``[n, 9, k]``.

    The places are in the middle: ``[n, 9, 6]``, ``[n, 9, 6]`` and ``[n, 9, 2]``.
    """
    return tuple(torch.split(logits.reshape(-1, len(PLACES), sum(HEADS)), list(HEADS), 2))


class ShapesNetwork(Network):
    """Three convolutions, then one vector for each place; 64 linear features of all of them.

    What stands at a place is told twice: by its own vector alone, which is the judge, and by the
    64 features, which so have to hold all of the picture.
    """

    def __init__(self) -> None:
        trunk = nn.Sequential(
            nn.ZeroPad2d(2),  # 36 pixels: three squares of 16 that overlap by 6
            nn.Conv2d(3, 32, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(32, 48, 3, padding=1), nn.GELU(),
            nn.Conv2d(48, 48, 3, padding=1), nn.GELU(),
            nn.Conv2d(48, 24, 1), nn.GELU(),
            nn.Conv2d(24, _INNER, 8, stride=5), nn.GELU(),  # [n, 64, 3, 3]
        )  # fmt: skip
        whole = nn.Linear(_INNER * len(PLACES), FEATURES)
        head = nn.Sequential(nn.GELU(), nn.Linear(FEATURES, len(PLACES) * sum(HEADS) + 1))
        super().__init__(nn.Sequential(trunk, nn.Flatten(), whole), head, scale=255)
        strengthen(trunk)
        self.local = nn.Linear(_INNER, sum(HEADS))

    def forward(self, levels: Tensor) -> Tensor:
        """Return the judge's logits, the features' logits and the damage ``[n, 2 * 126 + 1]``."""
        trunk, flat, whole = cast(nn.Sequential, self.body)
        places = trunk(levels.to(torch.float32) / self._scale)
        judged = self.local(places.flatten(2).transpose(1, 2)).flatten(1)
        return torch.cat([judged, self.head(whole(flat(places)))], 1)


class ShapesEmbedder(TrainedEmbedder):
    """The features ``[n, 64]``, class and objects of levels ``0 .. 255`` ``[n, 3, 32, 32]``."""

    def __init__(self) -> None:
        super().__init__("shapes", ShapesNetwork(), WEIGHTS, PREPROCESSING, (3, 32, 32), 0)

    def classes(self, x: Tensor) -> Tensor:
        """Return logits ``[n, 5]`` of the shape of the one object in each picture."""
        shape = split_heads(self._judged(x))[0].log_softmax(2)
        return (shape[:, :, :-1] - shape[:, :, -1:]).logsumexp(1)

    def attributes(self, x: Tensor) -> Tensor:
        """Return shape, colour, size and place of up to four objects ``[n, 16]``, int64.

        -1 where there is none; objects are in the order of their places. Of more than four the
        surest are told.
        """
        heads = split_heads(self._judged(x))
        shape, colour, size = (head.argmax(2) for head in heads)
        place = torch.arange(len(PLACES)).expand_as(shape)
        objects = torch.stack([shape, colour, size, place], 2)
        objects[shape == len(SHAPES)] = -1
        there = heads[0].softmax(2)[:, :, :-1].sum(2).masked_fill(shape == len(SHAPES), -1.0)
        surest = there.topk(MOST, dim=1).indices.sort(1).values
        return objects.gather(1, surest.unsqueeze(2).expand(-1, -1, objects.shape[2])).flatten(1)

    def _judged(self, x: Tensor) -> Tensor:
        return self._run(self._network, x)[:, : len(PLACES) * sum(HEADS)]
