"""The feature map behind ``FD-shapes``: a small convolutional judge of four attributes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from gengauge_suites.datasets.captions import VALUES
from gengauge_suites.embedders.trained import Network, TrainedEmbedder, strengthen

WEIGHTS = Path(__file__).with_name("shapes.safetensors")
PREPROCESSING = "level / 255"
FEATURES = 64
HEADS = tuple(map(len, VALUES))  # logits of shape, colour, size and position, side by side


def split_heads(logits: Tensor) -> tuple[Tensor, ...]:
    """Return the logits ``[n, 22]`` of the four attributes apart."""
    return tuple(torch.split(logits, list(HEADS), 1))


class ShapesNetwork(Network):
    """Four convolutions, 64 linear features; four attributes and the damage."""

    def __init__(self) -> None:
        body = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(32, 48, 3, padding=1), nn.GELU(), nn.MaxPool2d(2),
            nn.Conv2d(48, 64, 3, padding=1), nn.GELU(),
            nn.Conv2d(64, 64, 3, padding=1), nn.GELU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 16, FEATURES),
        )  # fmt: skip
        head = nn.Sequential(nn.GELU(), nn.Linear(FEATURES, sum(HEADS) + 1))
        super().__init__(body, head, scale=255)
        strengthen(body)


class ShapesEmbedder(TrainedEmbedder):
    """The features ``[n, 64]``, shape and attributes of levels ``0 .. 255`` ``[n, 3, 32, 32]``."""

    def __init__(self) -> None:
        super().__init__("shapes", ShapesNetwork(), WEIGHTS, PREPROCESSING, (3, 32, 32), HEADS[0])

    def attributes(self, x: Tensor) -> Tensor:
        """Return the judged values ``[n, 4]`` of ``x``, int64, in the order of the grammar."""
        out = self._run(self._network, x)
        return torch.stack([h.argmax(1) for h in split_heads(out[:, :-1])], 1)
