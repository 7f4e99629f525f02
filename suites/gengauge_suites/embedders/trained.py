"""What embedders whose weights are our own have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


def identity_of(preprocessing: str, *files: Path) -> str:
    """Return the SHA-256, in hexadecimal, of a preprocessing and of the content of ``files``."""
    digest = hashlib.sha256(preprocessing.encode())
    for file in files:
        digest.update(b"\0" + file.read_bytes())
    return digest.hexdigest()


def check_shape(x: Tensor, event: tuple[int, ...], id_: str) -> None:
    """Raise ``ValueError`` unless ``x`` is ``[n, *event]``."""
    if tuple(x.shape[1:]) != event or x.ndim != len(event) + 1:
        expected = ", ".join(["n", *map(str, event)])
        raise ValueError(f"the {id_} embedder takes [{expected}], not {list(x.shape)}")


class Network(nn.Module):
    """A body that ends in the features, and a head of logits and the picture's damage.

    A network that is asked for the class alone puts noise between the classes, nearer to real
    pictures than any one class is; so it is asked how much of the picture was replaced by noise
    too. No layer normalises its input: contrast and brightness must stay visible in the features.
    """

    def __init__(self, body: nn.Module, head: nn.Module, scale: float) -> None:
        super().__init__()
        self.body, self.head, self._scale = body, head, scale

    def features(self, levels: Tensor) -> Tensor:
        """Return features ``[n, d]`` of levels ``[n, *event]``."""
        out: Tensor = self.body(levels.to(torch.float32) / self._scale)
        return out

    def forward(self, levels: Tensor) -> Tensor:
        """Return logits, then the damage, ``[n, logits + 1]`` of levels ``[n, *event]``."""
        out: Tensor = self.head(self.features(levels))
        return out


def strengthen(body: nn.Sequential) -> None:
    """Start the layers so that they keep the signal's size (He et al. 2015, eq. 10).

    torch's own start shrinks it at each layer: what is finest to see, such as the outline of a
    small shape, is then not learnt in the first thousand steps (https://arxiv.org/abs/1502.01852).
    """
    for module in body:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


class TrainedEmbedder:
    """A trained network's features and its classes, computed on the CPU in float32."""

    def __init__(
        self, id_: str, network: Network, weights: Path, preprocessing: str,
        event: tuple[int, ...], classes: int,
    ) -> None:  # fmt: skip
        network.load_state_dict({k: w.float() for k, w in load_file(weights).items()})
        self.id, self._network, self._event, self._classes = id_, network.eval(), event, classes
        self.sha256 = identity_of(preprocessing, weights)

    def features(self, x: Tensor) -> Tensor:
        """Return features ``[n, d]`` of levels ``[n, *event]``; raise for other shapes."""
        return self._run(self._network.features, x)

    def classes(self, x: Tensor) -> Tensor:
        """Return class logits ``[n, c]`` of levels ``[n, *event]``; raise for other shapes."""
        return self._run(self._network, x)[:, : self._classes]

    def _run(self, code: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        check_shape(x, self._event, self.id)
        with torch.no_grad():
            return code(x.to("cpu"))
