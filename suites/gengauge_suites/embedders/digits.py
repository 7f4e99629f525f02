"""The feature map behind ``FD-digits``: a small convolutional classifier of 8 x 8 digits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("digits.safetensors")
PREPROCESSING = "grey level / 16"
FEATURES, CLASSES = 64, 10


class DigitsNetwork(nn.Module):
    """Three convolutions, 64 linear features; ten classes, and how damaged the picture is.

    A network that is asked for the class alone puts noise between the classes, nearer to real
    digits than any one class is. No layer normalises its input: contrast and brightness must
    stay visible in the features.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.GELU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.GELU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 96, 3, padding=1), nn.GELU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(96 * 4, FEATURES),
        )  # fmt: skip
        self.head = nn.Sequential(nn.GELU(), nn.Linear(FEATURES, CLASSES + 1))

    def features(self, levels: Tensor) -> Tensor:
        """Return features ``[n, 64]`` of grey levels ``0 .. 16`` ``[n, 1, 8, 8]``."""
        out: Tensor = self.body(levels.to(torch.float32) / 16)
        return out

    def forward(self, levels: Tensor) -> Tensor:
        """Return ten class logits and the damage ``[n, 11]`` of grey levels ``[n, 1, 8, 8]``."""
        out: Tensor = self.head(self.features(levels))
        return out


class DigitsEmbedder:
    """The trained network's features, computed on the CPU in float32."""

    id = "digits"

    def __init__(self) -> None:
        state = {name: weight.float() for name, weight in load_file(WEIGHTS).items()}
        self._network = DigitsNetwork()
        self._network.load_state_dict(state)
        self._network.eval()
        content = PREPROCESSING.encode() + b"\0" + WEIGHTS.read_bytes()
        self.sha256 = hashlib.sha256(content).hexdigest()

    def features(self, x: Tensor) -> Tensor:
        """Return features ``[n, 64]`` of grey levels ``[n, 1, 8, 8]``; raise for other shapes."""
        if tuple(x.shape[1:]) != (1, 8, 8):
            raise ValueError(f"the digits embedder takes [n, 1, 8, 8], not {list(x.shape)}")
        with torch.no_grad():
            return self._network.features(x.to("cpu"))

    def logits(self, x: Tensor) -> Tensor:
        """Return class logits ``[n, 10]`` of grey levels ``[n, 1, 8, 8]``."""
        with torch.no_grad():
            out: Tensor = self._network(x.to("cpu"))[:, :CLASSES]
        return out
