"""What tracks experiments elsewhere: described without importing it, and chosen by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gengauge.parameters import Parameter, Value, resolve
from gengauge.specs import Spec, lacking


@dataclass(frozen=True, kw_only=True)
class TrackerSpec(Spec):
    """A tracker of experiments; its target is ``start(folder, **parameters) -> Tracker``.

    ``folder`` is the run's. ``--track ID=PLACE`` gives the first of its ``parameters``.
    ``requires`` are modules of the optional dependencies ``extras`` that it cannot do without.
    """

    parameters: tuple[Parameter, ...] = ()
    extras: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    def resolve(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return all parameters, the given ones parsed; raise ``UsageError`` for unknown ones."""
        return resolve(f"parameter of tracker {self.id}", self.parameters, given)

    @property
    def lacks(self) -> str:
        """Which packages are missing here that it needs, and what to do; empty if none."""
        return lacking(self.requires, self.extras)


@dataclass(frozen=True)
class Measured:
    """A score as it is told: ``fidelity/fd-digits``, its value, and its interval where it has one.

    ``about`` says its kind, its unit and which direction is better.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    about: str


@dataclass(frozen=True)
class Tracked:
    """A finished trial, as a tracker is told of it.

    The same ``key`` may come again: with more scores, or trained again (then ``trained``). Its
    ``parameters`` are the same each time, its ``facts`` (status, versions, git ...) need not be.
    ``curve`` is the learning curve, one dict a point, with its ``step``.
    """

    key: str
    name: str
    group: str
    status: str
    trained: bool
    parameters: Mapping[str, Value]
    facts: Mapping[str, str]
    scores: tuple[Measured, ...] = ()
    curve: tuple[Mapping[str, float], ...] = ()
    pictures: tuple[Path, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the trial finished and was scored."""
        return self.status == "ok"

    @property
    def numbers(self) -> dict[str, float]:
        """Every score by name, the ends of its interval under ``NAME.low`` and ``NAME.high``."""
        return {
            f"{score.name}{end}": value
            for score in self.scores
            for end, value in (("", score.value), (".low", score.low), (".high", score.high))
            if value is not None
        }

    @property
    def points(self) -> list[tuple[int, dict[str, float]]]:
        """The learning curve: steps, and what was measured at each as ``curve/NAME``."""
        return [
            (int(point["step"]), {f"curve/{k}": v for k, v in point.items() if k != "step"})
            for point in self.curve if "step" in point
        ]  # fmt: skip


class Tracker(Protocol):
    """Is told of trials, one after the other, beside the run: it may take its time, and fail."""

    def send(self, trial: Tracked) -> None:
        """Send one finished trial."""

    def close(self) -> None:
        """Send what is still held back; the run has ended."""
