"""Models of a repository without a plugin: run from gengauge.toml, reproduced, run elsewhere."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch
from tests_support import command_line, environment

from gengauge.benchmark import Benchmark
from gengauge.cli import _run
from gengauge.executors.workshop import Workshop
from gengauge.orders import Order, order_of
from gengauge.plan import plan
from gengauge.registry import Registry
from gengauge.runner import Run
from gengauge.store import Record, RunStore
from gengauge.turns import Shift

TOML = """
[models.my-cloud]
use = "python:mypkg.models:build"
modalities = ["points"]
conditions = ["class"]
parameters = { scale = 0.5, weights = "%s" }

[models.my-gmm]
use = "gmm"
parameters = { components = 2 }
"""
MODEL = """
import torch


class Cloud:
    def __init__(self, scale, shift):
        self.scale, self.shift = scale, shift

    def sample(self, n, condition, generator):
        x = self.shift + self.scale * torch.randn(n, 2, generator=generator)
        return x if condition is None else x + condition[:, None]

    def log_prob(self, x):
        return torch.distributions.Normal(self.shift, self.scale).log_prob(x.double()).sum(1)


def build(scale: float, weights: str, width: int = 3):
    return Cloud(scale, float(open(weights).read()))
"""
ASKED = ("-d", "points/moons", "-s", "likelihood", "--limit", "200",
         "--samples", "60")  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    for folder in (".git", "mypkg", "work/deep"):
        (root / folder).mkdir(parents=True)
    (root / "mypkg/__init__.py").write_text("")
    (root / "mypkg/models.py").write_text(MODEL)
    (root / "shift.txt").write_text("0.25")
    (root / "gengauge.toml").write_text(TOML % (root / "shift.txt"))
    return root


def gengauge(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_line(*arguments), cwd=folder, env=environment(), capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def records(repository: Path) -> dict[str, Record]:
    """A run of both models, from a folder below the repository's root."""
    done = gengauge("run", "-m", "my-cloud", "-m", "my-gmm", *ASKED, "-o", "run",
                    "--budget", "5steps", folder=repository / "work/deep")  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = (repository / "work/deep/run/records.jsonl").read_text().splitlines()
    return {r["model"]["id"]: r for r in map(json.loads, lines)}


def test_both_are_scored_on_all_they_can_do(records: dict[str, Record]) -> None:
    mine, mixture = records["my-cloud"], records["my-gmm"]
    assert (mine["status"], mixture["status"]) == ("ok", "ok")
    assert mine["model"]["capabilities"] == ["density"]
    assert mine["model"]["conditions"] == ["class"]
    assert mine["model"]["parameters"]["path"] == "mypkg.models:build"
    assert mine["model"]["parameters"]["width"] == 3
    assert (mine["budget"], mixture["budget"]) == ("1 steps", "5 steps")
    assert mixture["model"]["parameters"]["components"] == 2
    found = {s["metric"]: s["value"] for s in mine["scores"]}
    assert found["nll"] > 0


def test_a_record_is_reproduced_by_name_and_by_its_command(
    repository: Path, records: dict[str, Record], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(repository / "work/deep")
    monkeypatch.setenv("GENGAUGE_TRUST", "")  # the repository names it, not the record
    assert _run(["reproduce", "run", "-m", "my-cloud", "--no-isolate"]) == 0
    assert "identical" in capsys.readouterr().out
    command = records["my-cloud"]["command"].split()
    assert command[:5] == ["gengauge", "run", "quick", "-m", "my-cloud"]
    assert _run([*command[1:], "-o", "run", "--dry-run"]) == 0
    again = capsys.readouterr().out
    assert records["my-cloud"]["trial"] in again
    assert "done" in again


def test_a_record_that_names_a_module_needs_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fakes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENGAUGE_TRUST", "")
    asked = ["-m", "python:brought_objects:Cloud[scale=2,name=mine]", *ASKED]
    assert _run(["run", *asked, "--no-isolate", "-o", "run"]) == 0
    capsys.readouterr()
    assert _run(["reproduce", "run", "-m", "mine", "--no-isolate"]) == 2
    said = capsys.readouterr().err
    assert "reads files beyond its run: 'python:brought_objects:Cloud'; give --trust" in said
    assert _run(["reproduce", "run", "-m", "mine", "--no-isolate", "--trust"]) == 0
    assert "identical" in capsys.readouterr().out


def test_another_process_finds_it_by_its_name(
    repository: Path, records: dict[str, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "work")
    benchmark = Benchmark("b", ("points/moons",), models=("my-cloud",), suites=("likelihood",))
    registry, store = Registry(), RunStore(tmp_path / "run")
    run = Run(benchmark, registry, store, torch.device("cpu"), limit=200)
    tasks = run.tasks(plan(benchmark, registry))
    store.folder.mkdir()
    (store.folder / "benchmark.toml").write_text("")
    shift = Shift(tasks, run.setting, registry, limit=200, isolated=False)
    order = Order.from_json(order_of(tasks[0], shift).to_json())
    assert order.key == tasks[0].trial.key
    record = Workshop().do(order)
    assert record["status"] == "ok", record["error"]
    assert record["model"]["parameters"]["path"] == "mypkg.models:build"
    (repository / "shift.txt").write_text("0.75")  # what was ordered is no longer there
    assert (
        "another version of the code of model 'my-cloud'"
        in Workshop().do(order)["error"]["message"]
    )
    (repository / "shift.txt").write_text("0.25")
