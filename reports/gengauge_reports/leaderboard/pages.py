"""All that is known of one model, for a page of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gengauge_reports.leaderboard.board import Board, Entrant, Standing
from gengauge_reports.leaderboard.versions import History

Json = dict[str, Any]


@dataclass(frozen=True)
class Reproduction:
    """What runs some of a model's trials again; ``environment`` is an id of the leaderboard's."""

    dataset: str
    command: str
    seeds: tuple[int, ...]
    budget: str
    environment: str
    code: str


@dataclass(frozen=True)
class Artifacts:
    """Figures of one model on one data set, as ``figures`` and ``fronts`` give them.

    ``grids`` and ``texts`` begin with the real data; ``gallery`` shows nearest neighbours in the
    training set; ``efforts`` is quality against function evaluations.
    """

    dataset: str
    curves: list[Json] = field(default_factory=list)
    grids: list[Json] = field(default_factory=list)
    gallery: list[Json] = field(default_factory=list)
    reconstructions: list[Json] = field(default_factory=list)
    clouds: list[Json] = field(default_factory=list)
    texts: list[Json] = field(default_factory=list)
    completions: list[Json] = field(default_factory=list)
    captioned: Json | None = None
    traversals: list[Json] = field(default_factory=list)
    efforts: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class ModelPage:
    """One model: what it is, where it stands, how to train it again, what it draws."""

    entrant: Entrant
    parameters: Json
    code: str
    distribution: str
    standings: tuple[tuple[Board, Standing], ...]
    reproductions: tuple[Reproduction, ...]
    environments: dict[str, Json]
    histories: tuple[History, ...]
    artifacts: tuple[Artifacts, ...]
    trials: tuple[Json, ...]
