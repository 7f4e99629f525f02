"""All that metrics may look at: samples, features and likelihoods of one trial, gathered once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from gengauge import seeds
from gengauge.data import Dataset
from gengauge.metric import Embedder
from gengauge.model import Model

T = TypeVar("T")


@dataclass(frozen=True)
class Features:
    """Features of samples ``[n, d]`` and of the reference ``[m, d]``, float64 on the CPU."""

    samples: Tensor
    reference: Tensor


@dataclass
class Evidence:
    """One trial's samples (``[n, *event]`` in the data's own units), data and fitted model.

    ``shared`` outlives the trial: what depends on the reference alone is computed once a run.
    """

    dataset: Dataset
    model: Model
    samples: Tensor
    seed: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    training: dict[str, Any] = field(default_factory=dict)
    reload: Callable[[], Model] | None = None
    shared: dict[Hashable, Any] = field(default_factory=dict)
    _memo: dict[Hashable, Any] = field(default_factory=dict)

    def generator(self, name: str) -> torch.Generator:
        """Return a fresh CPU stream for a metric, by name; the same for every model."""
        return seeds.generator("metric", self.seed, self.dataset.id, name)

    def memo(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what ``compute`` gave the first time this trial asked for ``key``."""
        if key not in self._memo:
            self._memo[key] = compute()
        return cast(T, self._memo[key])

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Like ``memo``, for the whole run; ``key`` must hold all the result depends on."""
        key = (self.dataset.fingerprint, key)
        if key not in self.shared:
            self.shared[key] = compute()
        return cast(T, self.shared[key])

    @property
    def reference(self) -> Tensor:
        """The real examples samples are compared with: the whole test split ``[m, *event]``."""
        return self.dataset.test.x

    def features(self, embedder: Embedder) -> Features:
        """Return features of samples and reference, one pass each over every metric."""
        key = ("features", embedder.id, embedder.sha256)
        reference = self.once(key, lambda: _embed(embedder, self.reference))
        return Features(self.memo(key, lambda: _embed(embedder, self.samples)), reference)


def _embed(embedder: Embedder, x: Tensor, block: int = 500) -> Tensor:
    with torch.no_grad():
        parts = [embedder.features(part).to("cpu", torch.float64) for part in torch.split(x, block)]
    return torch.cat(parts)
