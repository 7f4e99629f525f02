"""All that is known of one model, for a page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gengauge.gather import Trial
from gengauge_reports import figures, fronts
from gengauge_reports.asked import captioned
from gengauge_reports.leaderboard.board import (
    Board,
    DatasetBoards,
    Entrant,
    Leaderboard,
    Standing,
)
from gengauge_reports.leaderboard.versions import History
from gengauge_reports.table import Row
from gengauge_reports.traversals import traversals
from gengauge_reports.views import trial_facts

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


def model_page(leaderboard: Leaderboard, slug: str) -> ModelPage:
    """Return the page of the entrant with this slug; its pictures are read now."""
    entrant = leaderboard.entrant(slug)
    found = [(d, d.rows[slug]) for d in leaderboard.datasets if slug in d.rows]
    trials = [t for _, row in found for t in row.trials]
    latest = max(trials, key=lambda t: str(t.record.get("started_at") or ""))
    used = sorted({str(t.record["environment"]) for t in trials if t.record.get("environment")})
    return ModelPage(
        entrant, dict(latest.model.get("parameters") or {}), str(latest.model.get("code") or ""),
        str(latest.model.get("distribution") or ""),
        tuple(leaderboard.standings.get(slug, ())), tuple(_reproductions(trials)),
        {id_: leaderboard.environments[id_] for id_ in used if id_ in leaderboard.environments},
        tuple(h for h in leaderboard.histories if any(v.entrant == slug for v in h.versions)),
        tuple(_artifacts(leaderboard, d, row) for d, row in found),
        tuple(trial_facts(t) for t in trials),
    )  # fmt: skip


def _reproductions(trials: Sequence[Trial]) -> list[Reproduction]:
    """Return what runs each trial again; trials that one command runs stand together."""
    groups: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        record, model = trial.record, trial.model
        if command := str(record.get("command") or ""):
            key = (trial.dataset, command, str(record.get("budget") or ""),
                   str(record.get("environment") or ""), str(model.get("code") or ""))  # fmt: skip
            groups.setdefault(key, []).append(trial)
    return [
        Reproduction(dataset, command, _seeds(found), budget, environment, code)
        for (dataset, command, budget, environment, code), found in groups.items()
    ]


def _seeds(trials: Sequence[Trial]) -> tuple[int, ...]:
    return tuple(sorted({t.seed for t in trials if t.seed is not None}))


def _artifacts(leaderboard: Leaderboard, boards: DatasetBoards, row: Row) -> Artifacts:
    alone = replace(
        boards.table,
        models=[] if row.control else [row], controls=[row] if row.control else [], failed=[],
    )  # fmt: skip
    trials = leaderboard.witnesses[boards.dataset]
    return Artifacts(
        boards.dataset,
        curves=figures.curves(alone),
        grids=figures.grids(alone, trials),
        gallery=fronts.gallery(alone),
        reconstructions=fronts.reconstructions(alone),
        clouds=figures.clouds(alone, trials),
        texts=figures.texts(alone, trials),
        completions=figures.completions(alone, trials),
        captioned=captioned(alone, trials),
        traversals=traversals(alone),
        efforts=fronts.fronts(alone),
    )
