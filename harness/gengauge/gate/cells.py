"""One side of a comparison: what each model reached in each metric, seeds together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gengauge.aggregate import standard_error
from gengauge.examples import examples
from gengauge.gather import Runs, Trial, identity
from gengauge.statistics import block_of

BLOCKS = 20  # what a baseline file keeps of single examples
Array = NDArray[np.float64]


class Key(NamedTuple):
    """What is compared with what; suites do not count: they only group."""

    model: str
    dataset: str
    metric: str
    embedder: str
    split: str

    def __str__(self) -> str:
        judge = f"-{self.embedder}" if self.embedder else ""
        return f"{self.model}.{self.dataset}.{self.metric}{judge}"


@dataclass(frozen=True)
class Cell:
    """The scores of one metric of one model on one dataset, one a seed.

    ``examples`` ``[seeds, n]`` are the values of single test examples, or of ``BLOCKS`` blocks of
    them where ``in_blocks``; ``hidden`` is the variance that they do not show. ``protocol`` is all
    that must agree before two cells may be compared, ``reasons`` why seeds have no value.
    """

    key: Key
    suite: str
    direction: str
    unit: str
    comparability_key: str
    protocol: Mapping[str, Any]
    seeds: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    errors: tuple[float | None, ...] = ()
    examples: Array | None = None
    in_blocks: bool = False
    hidden: float = 0.0
    hardware: bool = False
    headline: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """The mean over seeds."""
        return float(np.mean(self.values))

    def blocked(self) -> Array | None:
        """Return means ``[seeds, BLOCKS]`` of blocks of examples, None where there are too few."""
        if self.examples is None or self.in_blocks:
            return self.examples
        n = self.examples.shape[1]
        if n < 2 * BLOCKS:
            return None
        block = block_of(n, BLOCKS)
        return np.stack([self.examples[:, block == b].mean(1) for b in range(BLOCKS)], axis=1)


@dataclass(frozen=True)
class Failure:
    """A trial without scores."""

    model: str
    dataset: str
    seed: int | None
    status: str
    reason: str


@dataclass
class Side:
    """A baseline or a candidate."""

    name: str
    cells: dict[Key, Cell] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    gates: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def models(self) -> set[tuple[str, str]]:
        """Model and dataset of all that was tried."""
        tried = {(f.model, f.dataset) for f in self.failures}
        return tried | {(key.model, key.dataset) for key in self.cells}


def side_of(runs: Runs, name: str) -> Side:
    """Return what the models of ``runs`` reached; controls are no subject of a gate."""
    side = Side(name, notes=list(runs.warnings))
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in runs.trials:
        if not trial.model.get("control"):
            groups.setdefault((str(trial.model["id"]), trial.dataset), []).append(trial)
    for (model, dataset), trials in groups.items():
        latest = _latest(trials)
        if len(latest) < len(trials):
            older = len(trials) - len(latest)
            side.notes.append(
                f"{name}: {older} earlier trial(s) of {model} on {dataset}, of other code, "
                "parameters or budget, were left out"
            )
        side.failures += [
            Failure(model, dataset, t.seed, str(t.record["status"]), t.reason)
            for t in latest if not t.ok
        ]  # fmt: skip
        side.cells |= _cells(model, dataset, [t for t in latest if t.ok], runs.metrics)
    return side


def _latest(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials of the code, parameters and budget that ran last, the last of each seed."""
    in_time = sorted(trials, key=lambda t: str(t.record.get("started_at") or ""))
    newest = identity(in_time[-1])
    of_seed = {t.seed: t for t in in_time if identity(t) == newest}
    return sorted(of_seed.values(), key=lambda t: (t.seed is None, t.seed))


def _cells(
    model: str, dataset: str, trials: list[Trial], metrics: Mapping[str, Mapping[str, Any]]
) -> dict[Key, Cell]:
    found: dict[Key, list[tuple[Trial, dict[str, Any]]]] = {}
    for trial in trials:
        for score in trial.record["scores"]:
            embedder = (score.get("embedder") or {}).get("id") or ""
            key = Key(model, dataset, score["metric"], embedder, score.get("split") or "")
            found.setdefault(key, []).append((trial, score))
    return {key: _cell(key, pairs, metrics.get(key.metric, {})) for key, pairs in found.items()}


def _cell(key: Key, pairs: list[tuple[Trial, dict[str, Any]]], about: Mapping[str, Any]) -> Cell:
    scored = [(t, s) for t, s in pairs if s.get("value") is not None]
    missing = [
        str(s.get("unscored_reason") or "no value")
        for _, s in pairs
        if s not in [kept for _, kept in scored]
    ]
    trial, first = (scored or pairs)[0]
    single = examples([t for t, _ in scored], [s for _, s in scored]) if scored else None
    return Cell(
        key, first["suite"], first.get("direction") or "lower", first.get("unit") or "",
        _one_key([s for _, s in scored]), _protocol(trial, first),
        tuple(t.seed or 0 for t, _ in scored), tuple(float(s["value"]) for _, s in scored),
        tuple(standard_error(s) for _, s in scored),
        single.values if single else None, hidden=single.hidden if single else 0.0,
        hardware=bool(about.get("hardware_bound", first["suite"] == "speed")),
        headline=bool(about.get("headline")), reasons=tuple(missing),
    )  # fmt: skip


def _one_key(scores: list[dict[str, Any]]) -> str:
    """Return the comparability key of all seeds, empty where they differ."""
    keys = {str(s.get("comparability_key")) for s in scores}
    return keys.pop() if len(keys) == 1 else ""


def _protocol(trial: Trial, score: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a comparability key is made of, under names that a reader knows."""
    record = trial.record
    benchmark, dataset = record.get("benchmark") or {}, record.get("dataset") or {}
    environment = record.get("environment") if score["suite"] == "speed" else None
    return {
        "benchmark": benchmark.get("name"),
        "benchmark version": benchmark.get("version"),
        "dataset revision": dataset.get("revision"),
        "dataset fingerprint": dataset.get("fingerprint"),
        "metric version": score.get("metric_version"),
        "metric parameters": dict(score.get("parameters") or {}),
        "embedder weights": (score.get("embedder") or {}).get("sha256"),
        "kind": score.get("kind"),
        "number of samples": score.get("n_samples"),
        "number of reference examples": score.get("n_reference"),
        "environment": environment,
    }
