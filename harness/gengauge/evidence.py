"""All that metrics may look at: samples, features and likelihoods of one trial, gathered once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from gengauge import seeds
from gengauge.cache import cached
from gengauge.data import Dataset, Split
from gengauge.errors import UnsupportedError
from gengauge.metric import Embedder
from gengauge.model import Condition, Guided, Model, asked_of
from gengauge.rows import Held, Rows
from gengauge.summary import Summary
from gengauge.units import in_units

T = TypeVar("T")


@dataclass(frozen=True)
class Features:
    """Features of samples ``[n, d]`` and of the reference ``[m, d]``, float64 on the CPU."""

    samples: Tensor
    reference: Tensor


@dataclass(frozen=True)
class Conditioned:
    """Samples ``[n, *event]``, each drawn for its own label, caption or prefix ``[n, p]``."""

    samples: Tensor
    labels: Tensor | None = None
    captions: tuple[str, ...] | None = None
    prefixes: Tensor | None = None


Sample = Callable[[int, Any, torch.Generator], Tensor]


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
    conditions: tuple[str, ...] = ()
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

    @property
    def n_reference(self) -> int:
        """How many they are."""
        return len(self.dataset.test)

    def features(self, embedder: Embedder) -> Features:
        """Return features of samples and reference, one pass each over every metric."""
        return Features(self.sample_features(embedder), self.features_of(embedder, "test"))

    def sample_features(self, embedder: Embedder) -> Tensor:
        """Return features ``[n, d]`` of the samples, float64."""
        key = ("features", embedder.id, embedder.sha256)
        return self.memo(key, lambda: _embed(embedder, self.samples).to(torch.float64))

    def features_of(self, embedder: Embedder, split: str) -> Tensor:
        """Return features ``[m, d]`` of a real split (train, validation, test), float64.

        They outlive the run in the user's cache, under the content of data, weights and
        preprocessing.
        """
        part: Split = getattr(self.dataset, split)

        def compute() -> Tensor:
            if embedder.id == "identity":  # the data itself: a copy on disk would gain nothing
                return _embed(embedder, part.x).to(torch.float64)
            parts = (self.dataset.fingerprint, split, embedder.id, embedder.sha256)
            return cached(parts, lambda: _embed(embedder, part.x)).to(torch.float64)

        return self.once(("features", split, embedder.id, embedder.sha256), compute)

    def told(self, embedder: Embedder, what: str, compute: Callable[[], Tensor]) -> Tensor:
        """Return ``compute()``, what follows from the real data and ``embedder`` alone.

        It outlives the run in the user's cache, as features do: a trial has a process of its own
        and would compute it again. ``what`` names all else it depends on, and ends in a number
        that rises when its code would give something else.
        """
        parts = (self.dataset.fingerprint, "test", what, embedder.id, embedder.sha256)
        return self.once(parts, lambda: cached(parts, compute))

    def draw(
        self, n: int, condition: Condition | None, name: str, sample: Sample | None = None
    ) -> Tensor:
        """Return ``n`` new samples in the data's units, from the stream called ``name``.

        They are the model's, unless another function to ``sample`` is given.
        """
        stream = self.generator(f"draw {name}").initial_seed()
        generator = torch.Generator(self.device).manual_seed(stream)
        with torch.no_grad():
            raw = (sample or self.model.sample)(n, condition, generator)
        return in_units(raw.detach().cpu(), n, self.dataset)[0]

    def clouds(self, embedder: Embedder) -> tuple[Rows, Rows] | None:
        """Return the features of all samples and of the whole reference, to be read in blocks.

        None where ``features`` are all there are. Where they are not, they are a random part.
        """
        return None

    def summary(self, embedder: Embedder) -> Summary | None:
        """Return the moments that stand for the reference; None where its examples are known."""
        return None

    def all_samples(self, embedder: Embedder) -> Rows:
        """Return the features of all samples, to be read in blocks."""
        return Held(self.sample_features(embedder))

    def resampled(self, samples: Tensor) -> Evidence:
        """Return the same trial's evidence of other ``samples`` ``[n, *event]``."""
        return replace(self, samples=samples, _memo={})

    def conditional(self, kind: str, n: int | None = None) -> Conditioned:
        """Return samples for the conditions of the first ``n`` test examples, at most all.

        ``kind`` is ``class``, ``caption`` or ``prefix``. Without ``n`` there are as many as
        unconditional samples. ``UnsupportedError`` where the model takes no such condition.
        """
        if kind not in self.conditions:
            raise UnsupportedError(f"takes no {kind} condition")
        count = min(len(self.samples) if n is None else n, len(self.dataset.test))
        asked = self.dataset.test.first(count)
        condition = asked_of(kind, asked, self.dataset)
        if condition is None:
            raise UnsupportedError(f"the data has no {kind} for its examples")
        samples = self.memo(("conditional", kind, count), lambda: self.draw(count, condition, kind))
        prefixes = condition if kind == "prefix" and isinstance(condition, Tensor) else None
        return Conditioned(samples, asked.labels, asked.captions, prefixes)

    def leakage(self, embedder: Embedder) -> str:
        """Return why ``embedder`` must not judge this model: it has steered it; empty if not."""
        guides = self.model.guides if isinstance(self.model, Guided) else ()
        if embedder.id in guides or embedder.sha256 in guides:
            return f"leakage: {embedder.id} judges a model that it has steered"
        return ""


def _embed(embedder: Embedder, x: Tensor, block: int = 500) -> Tensor:
    with torch.no_grad():
        parts = [embedder.features(part).cpu() for part in torch.split(x, block)]
    return torch.cat(parts)
