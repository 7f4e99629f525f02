"""What trackers are told of a trial: out of its record and the files beside it."""

from __future__ import annotations

import re
from typing import Any

from gengauge import guarded, sound
from gengauge.parameters import Value
from gengauge.store import Record, RunStore
from gengauge.tracker import Measured, Tracked

_PICTURES = ("samples.png", "traversals.png")
_PLAIN = re.compile(r"[^\w./ -]+")


def tracked(record: Record, store: RunStore, *, trained: bool = True) -> Tracked:
    """Return what trackers are told of a record whose artifacts lie in ``store``."""
    key, model, dataset = record["trial"], record["model"], record["dataset"]
    seed = (record.get("seeds") or {}).get("seed")
    folder = store.trial_folder(key)
    benchmark = record.get("benchmark") or {}
    return Tracked(
        key=key, name=f"{model['id']} on {dataset['id']}, seed {seed}",
        group=str(benchmark.get("name") or ""), status=record["status"], trained=trained,
        parameters=_parameters(record), facts=_facts(record, store),
        scores=tuple(_measured(s) for s in record["scores"] if s.get("value") is not None),
        curve=tuple(store.curve(key)),
        pictures=tuple(p for n in _PICTURES if guarded.inside(p := folder / n)),
    )  # fmt: skip


def _parameters(record: Record) -> dict[str, Value]:
    model, dataset, benchmark = record["model"], record["dataset"], record.get("benchmark") or {}
    held = {
        "model": model["id"], "family": model.get("family"), "dataset": dataset["id"],
        "seed": (record.get("seeds") or {}).get("seed"), "budget": record.get("budget"),
        "benchmark": benchmark.get("name"), "n_train": dataset.get("n_train"),
        **{f"model.{name}": value for name, value in (model.get("parameters") or {}).items()},
    }  # fmt: skip
    return {name: value for name, value in held.items() if value is not None}


def _facts(record: Record, store: RunStore) -> dict[str, str]:
    path = store.folder / "environments" / f"{record.get('environment')}.json"
    environment = sound.environment(guarded.small_json(path))
    git, packages = environment.get("git") or {}, environment.get("packages") or {}
    error = record.get("error") or {}
    unscored = {
        f"{score['metric']}: {score['unscored_reason']}"
        for score in record["scores"] if score.get("unscored_reason")
    }  # fmt: skip
    held = {
        "trial": record["trial"], "run_id": record.get("run_id"), "status": record["status"],
        "error": f"{error.get('type')}: {error.get('message')}" if error else None,
        "command": record.get("command"), "started_at": record.get("started_at"),
        "git.commit": git.get("commit"), "git.dirty": git.get("dirty"),
        "python": environment.get("python"), "cpu": environment.get("cpu"),
        "gpu": environment.get("gpu"), "dataset.fingerprint": record["dataset"].get("fingerprint"),
        "unscored": "; ".join(sorted(unscored)),
        **{f"packages.{name}": packages.get(name) for name in ("gengauge", "torch", "numpy")},
        **{f"seconds.{name}": took for name, took in (record.get("timing") or {}).items()},
    }  # fmt: skip
    return {name: str(value) for name, value in held.items() if value not in (None, "")}


def _measured(score: dict[str, Any]) -> Measured:
    embedder = (score.get("embedder") or {}).get("id") or ""
    name = f"{score['suite']}/{score['metric']}" + (f"-{embedder}" if embedder else "")
    split = score.get("split") or ""
    name += f".{split}" if split not in ("", "test") else ""
    about = (score.get("kind"), score.get("unit"), f"{score.get('direction')} is better")
    plain = _PLAIN.sub("-", name)  # of a path too, which an embedder may be
    return Measured(
        plain, score["value"], score.get("low"), score.get("high"), ", ".join(map(str, about))
    )
