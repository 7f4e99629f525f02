"""What embedders of published networks share: verified weights, batches, levels and a device."""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from gengauge.specs import WeightsFile
from gengauge.trust import no_pickles
from gengauge.weights import require
from gengauge_suites.embedders.images import as_bytes

N = TypeVar("N", bound=nn.Module)


class Lazy(Generic[N]):
    """A network that is loaded when first used, in evaluation mode, and moved between devices."""

    def __init__(self, load: Callable[[], N]) -> None:
        self._load = load
        self._network: N | None = None

    def on(self, device: torch.device) -> N:
        """Return the network on ``device``."""
        if self._network is None:
            with torch.random.fork_rng(devices=[]), no_pickles("the file of an embedder"):
                # libraries draw weights before they load some
                self._network = self._load().eval().requires_grad_(False)
        return self._network.to(device)


class Networked(ABC, Generic[N]):
    """A network over images, loaded when features are first asked for; the same in any batch."""

    batch = 50

    def __init__(self, id: str, sha256: str) -> None:
        self.id, self.sha256 = id, sha256
        self.device = torch.device("cpu")
        self.levels: int | None = 256
        self._network = Lazy(self._load)

    @abstractmethod
    def _load(self) -> N:
        """Return the network with its weights, on the CPU."""

    @property
    def network(self) -> N:
        """The network on this embedder's device."""
        return self._network.on(self.device)

    def to(self, device: torch.device) -> None:
        """Run on ``device`` from now on."""
        self.device = device

    def for_levels(self, levels: int | None) -> Self:
        """Return this embedder for images of ``levels`` (None: floats in ``[0, 1]``)."""
        other = copy.copy(self)
        other.levels = levels
        return other

    def batched(self, x: Tensor, embed: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``embed`` of RGB bytes ``[b, 3, h, w]``, batch by batch, float32 on the CPU."""
        with torch.inference_mode():
            parts = [
                embed(as_bytes(part, self.levels)).to("cpu", torch.float32)
                for part in torch.split(x, self.batch)
            ]
        return torch.cat(parts)


class Pretrained(Networked[N]):
    """A published network over images.

    The file is found and its hash verified when this is made (``NotReadyError`` where that
    fails).
    """

    def __init__(self, id: str, file: WeightsFile, preprocessing: str) -> None:
        self.path = require(file, id)
        super().__init__(id, named_after(preprocessing, file.sha256))


def named_after(preprocessing: str, weights: str) -> str:
    """Return the SHA-256 of a preprocessing and of weights whose own SHA-256 is given."""
    return hashlib.sha256(preprocessing.encode() + b"\0" + weights.encode()).hexdigest()
