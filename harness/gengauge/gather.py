"""Brings the trials of several runs together, each beside the store its artifacts lie in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gengauge.store import Record, RunStore, merge, score_id


@dataclass(frozen=True)
class Trial:
    """One stored record and the run it came from."""

    record: Record
    store: RunStore

    @property
    def key(self) -> str:
        """Content hash of the trial."""
        return str(self.record["trial"])

    @property
    def ok(self) -> bool:
        """Whether the trial finished and was scored."""
        return bool(self.record["status"] == "ok")

    @property
    def dataset(self) -> str:
        """Id of the dataset."""
        return str(self.record["dataset"]["id"])

    @property
    def model(self) -> dict[str, Any]:
        """What the record says about the model."""
        return dict(self.record["model"])

    @property
    def seed(self) -> int | None:
        """The seed that tells repetitions apart."""
        seed: int | None = (self.record.get("seeds") or {}).get("seed")
        return seed

    @property
    def reason(self) -> str:
        """Why the trial has no scores, as ``type: message``; empty where it has."""
        error = self.record.get("error") or {}
        parts = [str(error[k]) for k in ("type", "message") if error.get(k)]
        return ": ".join(parts) or ("" if self.ok else "no reason was recorded")


@dataclass
class Runs:
    """Everything the reports read, of one run or of several."""

    trials: list[Trial] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def datasets(self) -> list[str]:
        """Ids of the datasets, in the order they first appear."""
        return list(dict.fromkeys(t.dataset for t in self.trials))

    def on(self, dataset: str) -> list[Trial]:
        """Return the trials on one dataset."""
        return [t for t in self.trials if t.dataset == dataset]


def gather(stores: Iterable[RunStore], artifacts: bool = True) -> Runs:
    """Read the stores; a trial that several of them hold counts once, later stores winning.

    ``artifacts``: pictures, curves and values of examples are asked for as well.
    """
    runs = Runs()
    trials: dict[str, Trial] = {}
    for store in stores:
        for record in store.records():
            trial = Trial(record, store)
            if trial.key in trials:
                old = trials[trial.key]
                if unlike := _unlike(old.record, record):
                    runs.warnings.append(
                        f"trial {trial.key} ({trial.model['id']} on {trial.dataset}) has other "
                        f"values of {unlike} in '{store.address}' than in '{old.store.address}': "
                        "the former count"
                    )
                merged = merge(old.record, record)
                # the artifacts of a failed attempt are not those of the scores that are kept
                trial = Trial(merged, old.store if merged is old.record else store)
            trials[trial.key] = trial
        runs.metrics.update(store.metrics())
        runs.environments.update(store.environments())
        runs.warnings.extend(store.warnings)
        if artifacts:
            store.fetch()
    runs.trials = list(trials.values())
    return runs


def _unlike(old: Record, new: Record) -> str:
    """Return what two records of one trial were scored at and do not agree on."""
    if not old["status"] == new["status"] == "ok":
        return ""
    before = {score_id(s): s.get("value") for s in old["scores"]}
    found = dict.fromkeys(
        str(s["metric"])
        for s in new["scores"]
        if None not in (value := s.get("value"), there := before.get(score_id(s)))
        and value != there
    )
    return ", ".join(found)


def identity(trial: Trial) -> tuple[str, ...]:
    """Return what must agree before two trials count as seeds of the same thing."""
    model = trial.model
    parameters = json.dumps(model.get("parameters") or {}, sort_keys=True, default=str)
    fingerprint = str(model.get("code") or "").partition("+")[2][:12]  # name==version+hash
    version = f"{model.get('version') or ''} {fingerprint}"
    batches = trial.record.get("accumulation")
    how = [str(trial.record.get("precision") or ""), f"{batches} batches a step" if batches else ""]
    budget = str(trial.record.get("budget", ""))
    return (str(model["id"]), parameters, budget, version, ", ".join(filter(None, how)))


def labels(trials: Iterable[Trial]) -> dict[tuple[str, ...], str]:
    """Name every identity by its model id, adding what differs where one id means several."""
    found = list(dict.fromkeys(identity(t) for t in trials))
    named: dict[tuple[str, ...], str] = {}
    for one in found:
        twins = [other for other in found if other[0] == one[0]]
        differing = [one[i].strip() for i in (1, 2, 3, 4) if len({t[i] for t in twins}) > 1]
        shown = ", ".join(filter(None, differing))
        named[one] = one[0] + (f" ({shown})" if shown else "")
    return named
