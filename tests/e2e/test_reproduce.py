"""``gengauge reproduce``: a record run again, tampered with, on other data, without its model."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests_support import command_line, environment

from gengauge.cli import _run

ASKED = ("-m", "gaussian", "-m", "crash", "-d", "points/moons", "-s", "likelihood",
         "--limit", "300", "--samples", "60", "--plugin", "fake_models")  # fmt: skip
Again = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two models, of which one fails."""
    folder = tmp_path_factory.mktemp("reproduce")
    done = subprocess.run(
        command_line("run", *ASKED, "-o", "run"), cwd=folder, env=environment(),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    return folder / "run"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fakes: Path
) -> Again:
    """Reproduce in this process; return the exit code and what was written."""
    monkeypatch.setenv("GENGAUGE_TRUST", "")

    def call(*arguments: object, plugin: bool = True) -> tuple[int, str, str]:
        given = ["reproduce", *map(str, arguments), "--no-isolate"]
        code = _run([*given, *(["--plugin", "fake_models"] if plugin else [])])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def record_of(run: Path, model: str = "gaussian") -> dict[str, Any]:
    lines = (run / "records.jsonl").read_text().splitlines()
    [found] = [r for r in map(json.loads, lines) if r["model"]["id"] == model]
    return found


def changed(run: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The record of the model that works in a file of its own, with a change."""
    record = record_of(run)
    change(record)
    path = run / "one.json"  # beside its environment
    path.write_text(json.dumps(record))
    return path


def test_a_fresh_record_comes_out_again_to_the_last_bit(made: Path, tmp_path: Path) -> None:
    """By the beginning of its key, in processes of their own, and kept where that is asked."""
    key = record_of(made)["trial"]
    line = command_line("reproduce", made / key[:6], "--plugin", "fake_models", "-o", "kept",
                        "--format", "json")  # fmt: skip
    done = subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["verdict"], told["exit_code"], told["id"]) == ("identical", 0, key)
    assert {s["verdict"] for s in told["scores"]} == {"identical"}
    assert len([s for s in told["scores"] if s["recorded"] is not None]) > 1
    assert told["differences"] == []
    kept = record_of(tmp_path / "kept")
    assert kept["trial"] == key
    assert kept["command_line"].startswith("gengauge reproduce ")
    assert (
        subprocess.run(line, cwd=tmp_path, env=environment(), capture_output=True).returncode == 2
    )


def test_a_value_that_was_moved_is_found(run: Path, again: Again) -> None:
    def move(record: dict[str, Any]) -> None:
        [nll] = [s for s in record["scores"] if s["metric"] == "nll"]
        wide = nll["high"] - nll["low"]
        for end in ("value", "low", "high"):
            nll[end] -= 4 * wide

    code, out, _ = again(changed(run, move))
    assert code == 1
    assert out.count("DISAGREES") == 2
    assert out.splitlines()[-1].startswith("disagrees: ")


def test_a_value_within_its_interval_agrees(run: Path, again: Again) -> None:
    def nudge(record: dict[str, Any]) -> None:
        [nll] = [s for s in record["scores"] if s["metric"] == "nll"]
        nll["value"] += 0.2 * (nll["high"] - nll["low"])

    code, out, err = again(changed(run, nudge))
    assert code == 0, out
    assert out.splitlines()[-1].startswith("agrees: ")
    assert "the environment of the record is not known" not in err


def test_other_data_are_not_comparable(run: Path, again: Again) -> None:
    code, out, err = again(changed(run, lambda r: r["dataset"].update(fingerprint="0" * 16)))
    assert (code, out) == (4, "")
    assert "the data are not those of the record" in err
    assert "fingerprint 0000000000000000" in err


def test_another_protocol_is_not_comparable(run: Path, again: Again) -> None:
    code, out, _ = again(changed(run, lambda r: r["benchmark"].update(version=99)))
    assert code == 4
    assert "comparability key" in out


def test_a_model_that_is_not_installed_is_named(run: Path, again: Again) -> None:
    key = record_of(run)["trial"]
    code, _, err = again(run / key, plugin=False)
    assert code == 2
    assert "unknown model 'gaussian'" in err


def test_a_metric_that_is_not_here_leaves_the_trial_undecided(run: Path, again: Again) -> None:
    code, out, err = again(changed(run, lambda r: r["scores"][0].update(metric="lost")))
    assert code == 4
    assert "not measured" in out or "not comparable" in out
    assert "unknown metric 'lost'" in err


def test_a_trial_that_fails_again_and_one_that_does_no_more(
    run: Path, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = again(run, "-m", "crash")
    assert code == 3
    assert "recorded as failed, now failed · RuntimeError: no luck today" in out
    monkeypatch.setenv("FAKE_MENDED", "1")
    code, out, _ = again(run, "-m", "crash")
    assert code == 1
    assert "recorded as failed, now ok" in out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "is not a run"), ("run", "names 2 trials"), ("run/zz", "names no trial"),
        ("run/benchmark.toml", "holds no record"),
    ],
)  # fmt: skip
def test_what_names_no_single_record_is_refused(
    run: Path, again: Again, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.chdir(run.parent)
    code, _, err = again(name)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["dataset"].update(id="text:/etc/passwd"),
        lambda r: r["model"]["parameters"].update(pretrained="../../elsewhere"),
        lambda r: r["scores"][0].update(embedder={"id": "openai:/tmp/x.pt", "sha256": None}),
    ],
)
def test_files_that_a_record_names_are_not_read_without_trust(
    run: Path, again: Again, change: Callable[[dict[str, Any]], object]
) -> None:
    code, _, err = again(changed(run, change))
    assert code == 2
    assert "the record reads files beyond its run" in err
    assert "--trust" in err
