"""Small runs on disk, for the tests of the gate."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from gengauge.store import RunStore

HOSTILE = "<script>alert(1)</script>|`*\x00\ud83d @all"
READ = HOSTILE.encode(errors="replace").decode()  # half a pair of surrogates is no text


def named(text: str) -> str:
    """A trial's key is a hash, and can name a folder."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def record(model="vae", seed=0, value=10.0, *, status="ok", code="gg==1+a", at=0, **score) -> dict:
    scores = [{
        "suite": "fidelity", "metric": "fd", "unit": "", "direction": "lower", "kind": "estimate",
        "split": "test", "embedder": None, "n_samples": 100, "n_reference": 100,
        "comparability_key": "key", "value": value, "standard_error": 0.1, "level": 0.95,
        "low": None if value is None else value - 0.2,
        "high": None if value is None else value + 0.2, "interval_method": "normal",
        "unscored_reason": None if value is not None else "the value was nan", "details": {},
        **score,
    }]  # fmt: skip
    return {
        "schema_version": 1, "trial": named(f"{model}{seed}{code}"), "status": status,
        "started_at": f"2026-01-01T00:00:{at:02d}+00:00",
        "model": {"id": model, "family": "vae", "parameters": {}, "code": code, "version": "1"},
        "dataset": {"id": "digits"}, "seeds": {"seed": seed}, "budget": "1 steps",
        "scores": scores if status == "ok" else [],
        "error": None if status == "ok" else {"type": "Boom", "message": HOSTILE},
    }  # fmt: skip


def run(folder: Path, *records: dict, examples: np.ndarray | None = None) -> str:
    store = RunStore(folder)
    for one in records:
        if examples is not None:
            place = store.trial_folder(one["trial"])
            place.mkdir(parents=True)
            save_file({"fd": examples}, place / "per_example.safetensors")
        store.append(one)
    return str(folder)
