"""What every model that comes as it is has in common: it learns what its samples must look like."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, seeds
from gengauge.errors import UnsupportedError
from gengauge.model import Condition

_FILE = "brought.json"
_KEPT = 2000  # training captions that are remembered, to draw from where nothing is asked for


class Brought(ABC):
    """A model that is not trained: ``fit`` looks at the data's form and frequencies alone.

    Where a condition must be given and none is asked for, labels and captions are drawn as often
    as training examples have them.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.known: dict[str, Any] = {}

    @abstractmethod
    def open(self, device: torch.device) -> None:
        """Load what the user brought, onto ``device``; ``UsageError`` where that is no model."""

    def check(self) -> None:  # noqa: B027 - what has nothing to check says nothing
        """Raise ``UsageError`` where it cannot make samples like the data."""

    @property
    def taken_conditions(self) -> Sequence[str]:
        """Conditions that it can be asked for."""
        return ()

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Remember the form of ``data``; nothing is learned."""
        labels, captions = data.train.labels, data.train.captions or ()
        self.known = {
            "modality": data.modality, "shape": list(data.event_shape), "levels": data.levels,
            "classes": [] if labels is None else torch.bincount(labels.cpu()).tolist(),
            "captions": captions[:: -(-len(captions) // _KEPT) or 1], "data": data.id,
        }  # fmt: skip
        self.open(run.device)
        self.check()

    def save(self, folder: Path) -> None:
        """Write what ``fit`` has seen; the model itself stays where it is."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _FILE).write_text(json.dumps(self.known), encoding="utf-8")

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``fit`` had seen, and open the model again."""
        self.known = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        self.open(device)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.known["shape"])

    @property
    def levels(self) -> int | None:
        """Levels of the data, None where they are continuous."""
        levels: int | None = self.known["levels"]
        return levels

    def asked(
        self, n: int, condition: Condition | None, generator: torch.Generator
    ) -> Condition | None:
        """Return what to ask for: ``condition``, or what is usual where the model needs one."""
        if condition is None:
            return self._usual(n, generator)
        kind = "class" if isinstance(condition, Tensor) else "caption"
        if kind not in self.taken_conditions:
            raise UnsupportedError(f"{self.name} takes no {kind}; pass condition=None")
        if len(condition) != n:
            raise ValueError(f"expected {n} conditions for {n} samples, got {len(condition)}")
        return condition.cpu() if isinstance(condition, Tensor) else list(condition)

    def _usual(self, n: int, generator: torch.Generator) -> Condition | None:
        if "caption" in self.taken_conditions:
            captions = self.known["captions"] or [""]
            return [captions[i] for i in _whole(n, len(captions), generator).tolist()]
        if "class" in self.taken_conditions:
            return self.usual_labels(n, generator)
        return None

    def usual_labels(self, n: int, generator: torch.Generator) -> Tensor:
        """Return labels ``[n]``, as frequent as in training."""
        counts = torch.tensor(self.known["classes"] or [1], dtype=torch.float64)
        places = _uniform(n, generator).double() * counts.sum()
        return torch.searchsorted(counts.cumsum(0), places, right=True).clamp(max=len(counts) - 1)


def blocks(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where blocks of ``size`` begin and end, one of none where ``n`` is 0."""
    for start in range(0, max(n, 1), size):
        yield start, min(n, start + size)


def part(asked: Condition | None, start: int, stop: int) -> Any:
    """Return what is asked of a block."""
    return None if asked is None else asked[start:stop]


def seeded_by(generator: torch.Generator) -> Any:
    """Pin the global streams by the next number of ``generator``, for code that takes none."""
    return seeds.global_seed(int(_whole(1, 2**62, generator)))


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator, device=generator.device, dtype=torch.float64).cpu()


def _whole(n: int, high: int, generator: torch.Generator) -> Tensor:
    return torch.randint(high, (n,), generator=generator, device=generator.device).cpu()
