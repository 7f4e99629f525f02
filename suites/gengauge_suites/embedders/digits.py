"""The feature map behind ``FD-digits``: a small convolutional classifier of 8 x 8 digits."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from gengauge_suites.embedders.trained import Network, TrainedEmbedder

WEIGHTS = Path(__file__).with_name("digits.safetensors")
PREPROCESSING = "grey level / 16"
FEATURES, CLASSES = 64, 10


class DigitsNetwork(Network):
    """Three convolutions, 64 linear features; ten classes and the damage."""

    def __init__(self) -> None:
        body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.GELU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.GELU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 96, 3, padding=1), nn.GELU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(96 * 4, FEATURES),
        )  # fmt: skip
        head = nn.Sequential(nn.GELU(), nn.Linear(FEATURES, CLASSES + 1))
        super().__init__(body, head, scale=16)


class DigitsEmbedder(TrainedEmbedder):
    """The features ``[n, 64]`` and ten classes of grey levels ``0 .. 16`` ``[n, 1, 8, 8]``."""

    def __init__(self) -> None:
        super().__init__("digits", DigitsNetwork(), WEIGHTS, PREPROCESSING, (1, 8, 8), CLASSES)
