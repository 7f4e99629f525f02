"""What a metric returns: a value with its kind and interval, or the reason there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from gengauge.errors import NotReadyError
from gengauge.statistics import Interval


@dataclass(frozen=True)
class Score:
    """One measured number.

    ``kind`` says how the number relates to the quantity it is named after: ``exact`` (given the
    evaluated examples), ``lower_bound``, ``upper_bound`` or ``estimate``. ``per_example`` ``[n]``
    is kept for paired comparisons, ``raw`` ``[n]`` beside it where values were clamped.
    ``protocol`` adds to the fields that must agree before two scores may be compared. ``caveat``
    says why the number is shown and not ranked, such as leakage: the judge has steered the model.
    """

    value: float | None
    interval: Interval | None = None
    kind: str = "estimate"
    n_samples: int | None = None
    n_reference: int | None = None
    split: str = "test"
    reason: str = ""
    caveat: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    per_example: Tensor | None = None
    raw: Tensor | None = None

    def checked(self) -> Score:
        """Return this score, or an unscored one when its value is not a finite number."""
        if self.value is not None and not math.isfinite(self.value):
            return unscored(f"the value was {self.value}")
        return self


def unscored(reason: str) -> Score:
    """Return the score of a model that cannot have this one, and why."""
    return Score(None, reason=reason)


class Embedder(Protocol):
    """A fixed feature map; distances in it are named after it."""

    @property
    def id(self) -> str:
        """Name that scores carry, such as ``digits``."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the weights and of the preprocessing."""
        ...

    def features(self, x: Tensor) -> Tensor:
        """Return features ``[n, d]``, float32 or float64, of ``x`` ``[n, *event]``."""
        ...


@dataclass(frozen=True)
class Unready:
    """Stands in for an embedder that cannot be built here; what is measured in it is unscored."""

    id: str
    reason: str
    sha256: str = ""

    def features(self, x: Tensor) -> Tensor:
        """Raise ``NotReadyError``."""
        raise NotReadyError(self.reason)


@runtime_checkable
class KnowsLevels(Protocol):
    """An embedder of images that must be told what their numbers mean."""

    def for_levels(self, levels: int | None) -> Embedder:
        """Return this embedder for images of ``levels``; None: floats in ``[0, 1]``."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """An embedder that also names classes."""

    def classes(self, x: Tensor) -> Tensor:
        """Return class logits ``[n, c]`` of ``x`` ``[n, *event]``."""
        ...


@runtime_checkable
class JudgesAttributes(Protocol):
    """An embedder that also tells attributes."""

    def attributes(self, x: Tensor) -> Tensor:
        """Return what ``x`` shows ``[n, a]``, int64, as the data's grammar takes attributes."""
        ...


@runtime_checkable
class EmbedsText(Protocol):
    """An embedder that also embeds captions, in the space of its image features.

    One that was not trained on captions of photos says in an attribute ``prefix`` what the CLIP
    score sets before each caption in place of "A photo depicts"; empty for nothing.
    """

    def text(self, captions: Sequence[str]) -> Tensor:
        """Return features ``[n, d]`` of captions."""
        ...


@runtime_checkable
class Steers(Protocol):
    """An embedder that lets gradients through, so that pictures can be moved towards a caption.

    What it has steered it must not judge: see :class:`gengauge.model.Guided`.
    """

    def embed(self, x: Tensor) -> Tensor:
        """Return features ``[n, d]`` of levels ``x`` ``[n, *event]`` as floats, on their device.

        They equal ``features`` where ``x`` holds whole levels, and differentiate everywhere.
        """
        ...


@runtime_checkable
class EmbedsSpace(Protocol):
    """An embedder that also gives features that keep positions."""

    def spatial(self, x: Tensor) -> Tensor:
        """Return flattened spatial features ``[n, d]`` of ``x`` ``[n, *event]``."""
        ...
