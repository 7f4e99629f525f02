"""Quality against what it costs: who pays more than another and gets no more for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gengauge.aggregate import Estimate

Dominance = Literal["front", "within noise", "dominated"]


@dataclass(frozen=True)
class Cost:
    """A price of quality; ``direction`` says which way is cheaper.

    ``key`` is what its measurements share, and ``qualifier`` says it in words where one quality
    has fronts of several: models on different machines.
    """

    id: str
    label: str
    unit: str
    direction: str
    key: str = ""
    qualifier: str = ""


@dataclass(frozen=True)
class Point:
    """One model between quality and cost, by the slug of its entrant.

    ``standing``: ``front`` where no other is at least as good and at least as cheap and better in
    one of them; ``dominated`` where another that costs no more is significantly better; else
    ``within noise``. ``by`` is the slug of one that dominates it, empty on the front.
    """

    entrant: str
    quality: Estimate
    cost: Estimate
    standing: Dominance
    by: str = ""


@dataclass(frozen=True)
class Front:
    """The models of one board against one cost, cheapest first; ``without`` have no cost."""

    slug: str
    board: str
    cost: Cost
    points: tuple[Point, ...]
    without: tuple[str, ...] = ()
