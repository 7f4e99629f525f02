"""A plugin of somebody else's: one file and a few lines of TOML, built, installed and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "gengauge-box"
version = "1.2.3"

[project.entry-points.gengauge]
box = "gengauge_box"
"""

PLUGIN = '''\
"""A box: uniform between the smallest and the largest training value of each coordinate."""
import gengauge


@gengauge.hookimpl
def gengauge_models():
    return [gengauge.ModelSpec(
        id="box", family="box", summary="Uniform on the training data's bounding box",
        target="gengauge_box:Box", modalities=("points",), capabilities=("density",),
    )]


class Box:
    def fit(self, data, run):
        self.low, self.high = data.train.x.min(0).values, data.train.x.max(0).values

    def sample(self, n, condition, generator):
        import torch
        u = torch.rand(n, len(self.low), generator=generator)
        return self.low + u * (self.high - self.low)

    def log_prob(self, x):
        inside = ((x >= self.low) & (x <= self.high)).all(1)
        return inside.double().log() - (self.high - self.low).double().log().sum()

    def save(self, folder):
        from safetensors.torch import save_file
        save_file({"low": self.low, "high": self.high}, folder / "box.safetensors")

    def load(self, folder, device):
        from safetensors.torch import load_file
        stored = load_file(folder / "box.safetensors")
        self.low, self.high = stored["low"], stored["high"]
'''


def run(*command: object, cwd: Path) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "GENGAUGE_"))}
    clean |= {"COLUMNS": "200"}
    if "PYTHONPATH" in os.environ:  # a checkout that is tested without being installed
        clean["PYTHONPATH"] = os.environ["PYTHONPATH"]
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=clean, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the built wheel, which sees this one's gengauge and torch."""
    folder = tmp_path_factory.mktemp("third-party")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "gengauge_box.py").write_text(PLUGIN)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", ".", cwd=folder)
    [wheel] = (folder / "dist").glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    fresh = folder / "venv" / "bin" / "python"
    run(fresh, "-m", "pip", "install", "--no-index", "--no-deps", wheel, cwd=folder)
    [site] = (folder / "venv" / "lib").glob("python*/site-packages")
    ours = sysconfig.get_paths()["purelib"]
    (site / "parent.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return fresh


def test_it_is_listed_with_its_distribution(python: Path, tmp_path: Path) -> None:
    rows = json.loads(
        run(python, "-m", "gengauge", "list", "plugins", "--format", "json", cwd=tmp_path)
    )
    [row] = [r for r in rows if r["id"] == "box"]
    assert (row["status"], row["distribution"], row["version"]) == ("ok", "gengauge-box", "1.2.3")


def test_its_model_runs_and_is_scored(python: Path, tmp_path: Path) -> None:
    out = run(
        python, "-m", "gengauge", "run", "-m", "box", "-m", "noise", "-d", "points/moons",
        "-s", "likelihood", "-s", "fidelity", "--samples", "1000", cwd=tmp_path,
    )  # fmt: skip
    assert "box" in out
    lines = (tmp_path / "runs/quick/records.jsonl").read_text().splitlines()
    record = next(r for r in map(json.loads, lines) if r["model"]["id"] == "box")
    assert record["status"] == "ok"
    assert record["model"]["distribution"] == "gengauge-box"
    assert record["model"]["code"] == "gengauge-box==1.2.3"  # released: its version says it all
    scores = {s["metric"]: s["value"] for s in record["scores"]}
    assert scores["w2"] > 0
    assert (tmp_path / "runs/quick/report.html").stat().st_size > 1e6
