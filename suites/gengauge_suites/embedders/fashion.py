"""The feature map behind ``FD-fashion``: a small convolutional classifier of 28 x 28 clothes."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from gengauge_suites.embedders.trained import Network, TrainedEmbedder, strengthen

WEIGHTS = Path(__file__).with_name("fashion.safetensors")
PREPROCESSING = "grey level / 255"
FEATURES, CLASSES = 64, 10


class FashionNetwork(Network):
    """Three convolutions, 64 linear features; ten classes and the damage."""

    def __init__(self) -> None:
        body = nn.Sequential(
            nn.Conv2d(1, 32, 5, stride=2, padding=2), nn.GELU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.GELU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 96, 3, padding=1), nn.GELU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(96 * 9, FEATURES),
        )  # fmt: skip
        head = nn.Sequential(nn.GELU(), nn.Linear(FEATURES, CLASSES + 1))
        super().__init__(body, head, scale=255)
        strengthen(body)


class FashionEmbedder(TrainedEmbedder):
    """The features ``[n, 64]`` and ten classes of grey levels ``0 .. 255`` ``[n, 1, 28, 28]``."""

    def __init__(self) -> None:
        super().__init__("fashion", FashionNetwork(), WEIGHTS, PREPROCESSING, (1, 28, 28), CLASSES)
