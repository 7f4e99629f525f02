"""Runs in memory, for the tests of the leaderboard: a few numbers, no files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gengauge.gather import Runs, Trial
from gengauge.store import RunStore
from gengauge_reports.leaderboard import Leaderboard, leaderboard

METRICS: dict[str, dict[str, Any]] = {
    name: {
        "label": name.upper(), "suite": suite, "unit": "", "direction": direction, "summary": "",
        "reference": "", "headline": headline, "order": order,
    }
    for order, (name, suite, direction, headline) in enumerate([
        ("fd", "fidelity", "lower", True),
        ("recall", "fidelity", "higher", True),
        ("kid", "fidelity", "lower", False),
        ("nll", "likelihood", "lower", True),
        ("excess_nll", "likelihood", "lower", True),
        ("fld", "memorisation", "lower", True),
        ("class_accuracy", "alignment", "higher", True),
        ("samples_per_second", "speed", "higher", True),
        ("parameters", "speed", "lower", False),
    ])
}  # fmt: skip
STORE = RunStore(Path("/nowhere-at-all"))


def score(metric: str, value: float | None, error: float | None = 0.01, **changes: Any) -> dict:
    about = METRICS[metric]
    half = None if value is None or error is None else 1.959963984540054 * error
    return {
        "suite": about["suite"], "metric": metric, "unit": "", "direction": about["direction"],
        "kind": "estimate", "split": "test", "embedder": None, "n_samples": 100,
        "n_reference": 100, "comparability_key": f"key-{metric}", "value": value,
        "standard_error": error, "level": 0.95, "low": None if half is None else value - half,
        "high": None if half is None else value + half, "interval_method": "normal",
        "unscored_reason": None if value is not None else "it has none", "details": {},
        "caveat": None, **changes,
    }  # fmt: skip


def record(id_: str, dataset: str, scores: list[dict], seed: int = 0, **changes: Any) -> dict:
    about = {"parameters": {"latent": 16}, "version": "1.0", "code": "", "control": False,
             "family": "family", **changes.pop("model", {})}  # fmt: skip
    name = repr((id_, dataset, seed, sorted(about.items(), key=str), changes))
    return {
        "schema_version": 1, "run_id": "r", "status": "ok", "error": None,
        "trial": hashlib.sha256(name.encode(errors="replace")).hexdigest()[:16],
        "started_at": "2026-01-01T00:00:00+00:00", "budget": "10 steps",
        "model": {"id": id_, "base": id_, "summary": "", "reference": "",
                  "n_parameters": 1000, **about},
        "dataset": {"id": dataset, "modality": "points"},
        "benchmark": {"name": "small", "version": 1}, "seeds": {"seed": seed},
        "training": {"seconds": 2.0}, "environment": "e", "artifacts": [], "scores": scores,
        "command": f"gengauge run small -m '{id_}' -d {dataset} --seeds {seed}", **changes,
    }  # fmt: skip


def runs(*records: dict) -> Runs:
    return Runs([Trial(r, STORE) for r in records], METRICS, {"e": {"cpu": "a cpu"}})


def board_of(*records: dict) -> Leaderboard:
    return leaderboard(runs(*records))


Cells = Mapping[str, Mapping[tuple[str, str], float | tuple[float, float]]]


def records_of(cells: Cells) -> list[dict]:
    """Return a record a model and data set; a cell is a value, or a value and its error."""
    found = []
    for model, scores in cells.items():
        for dataset in dict.fromkeys(d for d, _ in scores):
            made = [
                score(metric, *(cell if isinstance(cell, tuple) else (cell,)))
                for (d, metric), cell in scores.items() if d == dataset
            ]  # fmt: skip
            control = model in ("real", "noise")
            found.append(record(model, dataset, made, model={"control": control}))
    return found
