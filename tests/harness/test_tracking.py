"""Trackers hear of every trial once, beside the run, and cannot fail it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import gengauge
from gengauge import tracking
from gengauge.cli import _run
from gengauge.errors import UsageError

RUN = ["run", "-d", "points/moons", "--plugin", "fake_models", "--plugin", "fake_trackers",
       "--limit", "400", "-s", "likelihood", "--no-isolate", "-o", "out"]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fakes: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("OMP", "MKL", "OPENBLAS"):  # what the command sets is put back
        monkeypatch.setenv(f"{name}_NUM_THREADS", "1")
    return tmp_path


def told(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def statuses(folder: Path) -> list[str]:
    lines = (folder / "out/records.jsonl").read_text().splitlines()
    return [json.loads(line)["status"] for line in lines]


def test_a_tracker_is_told_all_there_is_to_know(here: Path) -> None:
    models = ["-m", "gmm[components=3]", "-m", "crash"]
    assert _run([*RUN, *models, "--budget", "30steps", "--track", "diary=notes.jsonl"]) == 3
    good, bad, closed = told(here / "notes.jsonl")
    assert closed == "closed"
    assert good["name"] == "gmm[components=3] on points/moons, seed 0"
    assert (good["group"], good["status"], good["trained"]) == ("quick", "ok", True)
    given = good["parameters"]
    assert given["model.components"] == 3
    assert (given["dataset"], given["seed"], given["budget"]) == ("points/moons", 0, "30 steps")
    record = json.loads((here / "out/records.jsonl").read_text().splitlines()[0])
    [nll] = [s for s in record["scores"] if s["metric"] == "nll"]
    assert good["numbers"]["likelihood/nll"] == nll["value"]
    assert good["numbers"]["likelihood/nll.low"] == nll["low"]
    assert good["numbers"]["likelihood/nll.high"] == nll["high"]
    about = {s["name"]: s["about"] for s in good["scores"]}
    assert about["likelihood/nll"] == "exact, nats, lower is better"
    assert good["facts"]["packages.gengauge"]
    assert "nll_given_class: " in good["facts"]["unscored"]
    curve = (here / "out/trials" / good["key"] / "curve.jsonl").read_text().splitlines()
    first = json.loads(curve[0])
    step, values = good["points"][0]
    assert (step, values["curve/train_loss"]) == (first["step"], first["train_loss"])
    assert len(good["points"]) == len(curve)
    assert (bad["status"], bad["scores"], bad["curve"]) == ("failed", [], [])
    assert bad["facts"]["error"] == "RuntimeError: no luck today"


def test_what_is_done_is_not_sent_again(here: Path) -> None:
    one = [*RUN, "-m", "gaussian", "--track", "diary"]
    assert _run(one) == 0
    assert len(told(here / "out/diary.jsonl")) == 2  # the trial, and the end
    assert _run([*one, "-m", "gaussian[scale=2]"]) == 0
    later = told(here / "out/diary.jsonl")[2:]
    assert [t["parameters"]["model.scale"] for t in later[:-1]] == [2.0]
    assert _run([*one, "-s", "fidelity"]) == 0  # more scores of a trial that was sent
    more = told(here / "out/diary.jsonl")[4]
    assert not more["trained"]
    assert {s["name"].partition("/")[0] for s in more["scores"]} == {"fidelity"}
    assert _run([*one, "--fresh"]) == 0
    again = told(here / "out/diary.jsonl")[6]
    assert again["trained"]
    assert again["key"] == more["key"]


@pytest.mark.parametrize(
    ("tracker", "said"),
    [
        ("deaf", "ConnectionError: the server is gone"),
        ("shut", "PermissionError: no key"),
    ],
)
def test_a_tracker_that_fails_is_one_warning(
    here: Path, capsys: pytest.CaptureFixture[str], tracker: str, said: str
) -> None:
    models = ["-m", "gaussian", "-m", "gaussian[scale=2]"]
    assert _run([*RUN, *models, "--track", tracker, "--track", "diary"]) == 0
    error = capsys.readouterr().err
    assert error.count("warning:") == 1
    assert f"warning: tracker '{tracker}' failed: {said}; the run's own records are whole" in error
    assert statuses(here) == ["ok", "ok"]
    assert len(told(here / "out/diary.jsonl")) == 3  # the other one heard everything


def test_a_tracker_that_hangs_is_left_alone(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "PATIENCE", 0.1)
    assert _run([*RUN, "-m", "gaussian", "--track", "stuck"]) == 0
    assert "tracker 'stuck' is still sending after" in capsys.readouterr().err
    assert statuses(here) == ["ok"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("dairy", "unknown tracker 'dairy'; did you mean 'diary'?"),
        ("absent", "tracker 'absent' needs not_there_at_all: pip install 'gengauge[moon]'"),
        ("deaf=x", "--track 'deaf=x': deaf takes no place to send to"),
        ("diary[pth=x]", "did you mean 'path'?"),
        ("diary[path", "is not understood"),
    ],
)
def test_a_wrong_tracker_is_said_before_anything_runs(
    here: Path, capsys: pytest.CaptureFixture[str], given: str, said: str
) -> None:
    assert _run([*RUN, "-m", "gaussian", "--track", given]) == 2
    assert said in capsys.readouterr().err
    assert not (here / "out").exists()


def test_trackers_are_asked_for_from_python_and_the_environment(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gengauge.run(
        models="gaussian", datasets="points/moons", suites="likelihood", limit=400, isolate=False,
        plugins=["fake_models", "fake_trackers"], output="out", track="diary", progress=False,
    )  # fmt: skip
    assert len(told(here / "out/diary.jsonl")) == 2
    with pytest.raises(UsageError, match="did you mean 'mlflow'"):
        gengauge.run(track=["mlfow"])
    monkeypatch.setenv("GENGAUGE_RUN_TRACK", "diary")
    assert _run([*RUN[:-1], "there", "-m", "gaussian"]) == 0
    assert len(told(here / "there/diary.jsonl")) == 2
