"""A realistic run folder, written through ``RunStore`` as the harness writes it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from gengauge.store import RunStore, write_json

HOSTILE = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(2)>"
METRICS: dict[str, dict[str, Any]] = {
    "bits_per_dim": {
        "label": "bits/dim", "suite": "likelihood", "unit": "bits/dim", "direction": "lower",
        "summary": "negative log-likelihood of the test split, in bits for each dimension",
        "reference": "Theis et al. 2016, https://arxiv.org/abs/1511.01844",
        "headline": True, "order": 0,
    },
    "nll": {
        "label": "NLL", "suite": "likelihood", "unit": "nats", "direction": "lower",
        "summary": "negative log-likelihood of the test split", "reference": "",
        "headline": True, "order": 1,
    },
    "fd": {
        "label": "Fréchet distance", "suite": "fidelity", "unit": "", "direction": "lower",
        "summary": "distance between Gaussians fitted to the features of samples and test split",
        "reference": "Heusel et al. 2017, https://arxiv.org/abs/1706.08500",
        "headline": True, "order": 2,
    },
    "recall": {
        "label": "recall", "suite": "fidelity", "unit": "share", "direction": "higher",
        "summary": "share of the test split that lies on the manifold of the samples",
        "reference": "Kynkäänniemi et al. 2019", "headline": False, "order": 3,
    },
    "samples_per_second": {
        "label": "samples/s", "suite": "speed", "unit": "1/s", "direction": "higher",
        "summary": "samples drawn a second in the steady state", "reference": "",
        "headline": True, "order": 4,
    },
}  # fmt: skip


def score(metric: str, value: float | None, error: float | None = None, **changes: Any) -> dict:
    about = METRICS[metric]
    half = None if value is None or error is None else 1.96 * error
    return {
        "suite": about["suite"], "metric": metric, "unit": about["unit"],
        "direction": about["direction"], "kind": "estimate", "split": "test", "embedder": None,
        "n_samples": 1000, "n_reference": 1000, "comparability_key": f"key-{metric}",
        "value": value, "standard_error": error, "level": 0.95,
        "low": None if half is None else value - half,
        "high": None if half is None else value + half,
        "interval_method": "" if half is None else "student-t, n = 1000",
        "unscored_reason": None, "details": {}, **changes,
    }  # fmt: skip


def record(model: str, scores: list[dict], seed: int = 0, **changes: Any) -> dict:
    """A record of ``model``; ``dataset``, ``control`` and ``base`` are short for its parts."""
    dataset, control = changes.pop("dataset", "digits"), changes.pop("control", False)
    base = changes.pop("base", model)
    image = dataset == "digits"
    return {
        "schema_version": 1, "run_id": "r1", "trial": f"{abs(hash_of(model, dataset, seed)):012x}",
        "started_at": f"2026-11-22T10:0{seed}:00+00:00", "status": "ok",
        "model": {
            "id": model, "base": base, "family": "control" if control else "family",
            "summary": f"what {model} is", "reference": "", "control": control,
            "distribution": "gengauge", "version": "0.1.0", "code": "gengauge==0.1.0+abc",
            "parameters": {"latent": 16}, "n_parameters": 0 if control else 123456,
            "checkpoint_sha256": None,
        },
        "dataset": {
            "id": dataset, "modality": "image" if image else "points",
            "levels": 17 if image else None, "revision": "1", "fingerprint": "f" * 64,
            "n_train": 1200, "n_validation": 200, "n_test": 397, "entropy": None,
        },
        "benchmark": {"name": "quick", "version": 1},
        "seeds": {"seed": seed, "train": seed + 1, "sample": seed + 2, "data": 0},
        "budget": "2000 steps", "training": {"steps": 2000, "examples": 128000, "seconds": 12.5},
        "timing": {"load": 0.1, "train": 12.5, "sample": 0.4, "score": 2.0},
        "scores": scores, "environment": "e1", "error": None, "artifacts": [],
        "command": f"gengauge run quick -m '{model}' -d {dataset} --seeds {seed}", **changes,
    }  # fmt: skip


def hash_of(*parts: object) -> int:
    import hashlib

    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:12], 16)


class Factory:
    """Writes a run folder record by record."""

    def __init__(self, folder: Path) -> None:
        self.store = RunStore(folder)
        self.store.add_metrics(METRICS)
        self.random = np.random.default_rng(0)

    def add(self, *args: Any, **kwargs: Any) -> dict:
        made = record(*args, **kwargs)
        self.store.append(made)
        return made

    def examples(self, key: str, **values: Any) -> None:
        """What each score of a trial was for each test example."""
        folder = self.store.trial_folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: np.asarray(v, dtype=np.float64) for name, v in values.items()},
            folder / "per_example.safetensors",
        )

    def grid(self, path: Path, blur: float) -> None:
        """An 8x8 grid of 8x8 grey pictures: a blob in each, the noisier the larger ``blur``."""
        y, x = np.mgrid[0:8, 0:8]
        canvas = np.zeros((64, 64))
        for row in range(8):
            for column in range(8):
                cy, cx = 3.5 + self.random.normal(size=2)
                blob = 255 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 4)
                blob += blur * self.random.normal(size=(8, 8))
                canvas[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = blob
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(canvas.clip(0, 255).astype(np.uint8)).save(path)

    def points(self, path: Path, noise: float, density: bool) -> None:
        t = self.random.uniform(0, math.pi, 400)
        x = np.concatenate([np.cos(t[:200]), 1 - np.cos(t[200:])])
        y = np.concatenate([np.sin(t[:200]), 0.5 - np.sin(t[200:])])
        cloud = np.stack([x, y], 1) + noise * self.random.normal(size=(400, 2))
        axis_x, axis_y = np.linspace(-1.8, 2.8, 40), np.linspace(-1.3, 1.8, 40)
        gaps = (axis_x[None, :, None] - x) ** 2 + (axis_y[:, None, None] - y) ** 2
        z = np.exp(-gaps / (2 * (noise + 0.1) ** 2)).mean(-1)
        grid = {"x": axis_x.tolist(), "y": axis_y.tolist(), "z": z.tolist()}
        key = "samples" if "trials" in path.parts else "points"
        write_json(path, {key: cloud.tolist(), "density": grid if density else None})

    def curve(self, key: str, floor: float) -> None:
        folder = self.store.trial_folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        lines = []
        for step in range(0, 2001, 50):
            loss = floor + 3 * math.exp(-step / 300) + 0.05 * float(self.random.normal())
            point = {"step": step, "examples": step * 64, "seconds": step / 160, "train_loss": loss}
            lines.append({**point, "validation_loss": loss + 0.1} if step % 200 == 0 else point)
        (folder / "curve.jsonl").write_text("\n".join(json.dumps(p) for p in lines) + "\n")


@pytest.fixture
def factory(tmp_path: Path) -> Factory:
    return Factory(tmp_path / "run")


def speed(value: float) -> dict:
    by_size = {"1": value / 20, "64": value}
    return score("samples_per_second", value, value / 50, details={"by_batch_size": by_size})


def identity_fd(value: float, error: float, key: str = "fd-1000") -> dict:
    embedder = {"id": "digits", "sha256": "ab" * 32}
    n = 1000 if key == "fd-1000" else 5000
    return score(
        "fd", value, error, embedder=embedder, comparability_key=key, n_samples=n,
        interval_method="block jackknife, 20 blocks",
    )  # fmt: skip


def write_digits(factory: Factory) -> None:
    no_likelihood = score("bits_per_dim", None, unscored_reason="the model has no likelihood")
    for seed, value in ((0, 2.105), (1, 2.141)):
        made = factory.add(
            "vae", [score("bits_per_dim", value, 0.012, kind="upper_bound"),
                    identity_fd(14.2 + seed, 0.9), score("recall", 0.71, 0.02), speed(9000.0)],
            seed=seed,
        )  # fmt: skip
        factory.curve(made["trial"], 2.0 + seed / 10)
        factory.grid(factory.store.trial_folder(made["trial"]) / "samples.png", 20)
    flow = factory.add(
        "flow", [score("bits_per_dim", 1.874, 0.011, kind="exact"), identity_fd(13.6, 1.1),
                 identity_fd(8.1, 0.4, "fd-5000"), score("recall", 0.69, 0.02), speed(450.0)],
        training={"steps": 4000, "examples": 256000, "seconds": 61.0},
    )  # fmt: skip
    factory.curve(flow["trial"], 1.7)
    factory.grid(factory.store.trial_folder(flow["trial"]) / "samples.png", 8)
    hostile = factory.add(
        HOSTILE, [no_likelihood, identity_fd(41.0, 1.5), score("recall", 0.22, 0.02),
                  speed(21000.0)],
        training={"steps": 1000, "examples": 64000, "seconds": 4.0},
    )  # fmt: skip
    factory.grid(factory.store.trial_folder(hostile["trial"]) / "samples.png", 60)
    factory.add(
        "gan", [], status="diverged",
        error={"type": "DivergedError", "message": "the loss was nan at step 131 | </script>"},
    )  # fmt: skip
    for name, value, recall in (("real", 2.1, 0.88), ("noise", 380.0, 0.0), ("copycat", 1.4, 0.97)):
        factory.add(
            name, [identity_fd(value, 0.3), score("recall", recall, 0.01), no_likelihood],
            control=True, training={"steps": 0, "examples": 0, "seconds": 0.0},
        )  # fmt: skip
    factory.grid(factory.store.dataset_folder("digits") / "real.png", 0)


def write_moons(factory: Factory) -> None:
    for name, value, noise in (("vae", 1.21, 0.2), ("flow", 0.62, 0.06), (HOSTILE, 0.63, 0.07)):
        kind = "lower_bound" if name == "vae" else "exact"
        made = factory.add(
            name, [score("nll", value, 0.015, kind=kind), speed(50000 * noise)],
            dataset="points/moons",
            training={"steps": 2000, "examples": 128000, "seconds": round(1 / noise, 2)},
        )  # fmt: skip
        factory.curve(made["trial"], value)
        path = factory.store.trial_folder(made["trial"]) / "points.json"
        factory.points(path, noise, name != HOSTILE)
    best = score("nll", 0.55, 0.01, kind="exact")
    factory.add("real", [best], dataset="points/moons", control=True)
    factory.points(factory.store.dataset_folder("points/moons") / "points.json", 0.05, True)


def fill(factory: Factory) -> RunStore:
    """Two datasets, three models and controls, two seeds of one, one failure, two keys of FD."""
    write_digits(factory)
    write_moons(factory)
    factory.store.add_environment(
        "e1",
        {
            "python": "3.11.7", "platform": "Linux", "cpu": "Example CPU", "cores": 8, "threads": 4,
            "gpu": None, "cuda": None, "packages": {"torch": "2.15.0", "numpy": "2.4.0"},
            "git": {"commit": "0123456789abcdef", "dirty": False}, "deterministic": True,
        },
    )  # fmt: skip
    toml = factory.store.folder / "benchmark.toml"
    toml.write_text('[benchmark]\nname = "quick"\nversion = 1\n')
    return factory.store


@pytest.fixture
def run(factory: Factory) -> RunStore:
    """A run folder of its own for each test."""
    return fill(factory)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a leaderboard's pages, made once; tests only read it."""
    from gengauge_reports.site.publishing import publish

    folder = tmp_path_factory.mktemp("published")
    run = fill(Factory(folder / "run"))
    later = record("flow", [score("bits_per_dim", 1.702, 0.011, kind="exact")], seed=3)
    later["model"] |= {"version": "0.2.0", "code": "gengauge==0.2.0", "family": IMAGE}
    run.append(later)
    run.add_metrics({"nll": METRICS["nll"] | {"label": IMAGE, "summary": IMAGE}})
    return publish([run], folder / "site", title="A leaderboard").parent


@pytest.fixture
def make_score() -> Any:
    """Test modules are imported apart from this file, so they are handed its builder."""
    return score


@pytest.fixture
def hostile() -> str:
    return HOSTILE
