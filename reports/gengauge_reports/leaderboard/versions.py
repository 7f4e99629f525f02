"""The history of one model over its versions on one board."""

from __future__ import annotations

from dataclasses import dataclass

from gengauge.aggregate import Estimate


@dataclass(frozen=True)
class Version:
    """One version of a model, by the slug of its entrant.

    ``change`` is the difference to the version before, ``low`` to ``high`` its 95 % interval and
    ``p`` the two-sided p-value of there being none, uncorrected; None for the first version.
    ``what`` says what differs from the version before: version, code, parameters or budget.
    ``verdict`` is ``better``, ``worse``, ``no difference shown``, or empty for the first.
    """

    entrant: str
    label: str
    started_at: str
    estimate: Estimate
    what: tuple[str, ...] = ()
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    verdict: str = ""


@dataclass(frozen=True)
class History:
    """The versions of the model ``id`` on one board, the oldest first."""

    id: str
    board: str
    dataset: str
    title: str
    versions: tuple[Version, ...]
