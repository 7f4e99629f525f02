"""A trial whose process is killed in the middle of its training goes on from its checkpoint."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from fault_survey import survived
from tests_support import Cli, command_line, environment

RUN = ("run", "-d", "points/moons", "--plugin", "fault_models", "--limit", "400", "--samples",
       "40", "-s", "likelihood", "-m", "killed-learner", "--budget", "40steps", "-j", "1",
       "--checkpoint-every", "3steps")  # fmt: skip


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def found(record: dict[str, Any]) -> tuple[Any, ...]:
    scores = [(s["metric"], s["value"], s["low"], s["high"]) for s in record["scores"]]
    return record["model"]["checkpoint_sha256"], record["training"]["steps"], scores


def test_it_goes_on_at_once_and_when_asked_again(
    cli: Cli, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    def run(name: str, deaths: int, *more: str) -> int:
        env = {"FAULT_DEATHS": str(deaths), "FAULT_SLEEP": "0"}
        return cli(*RUN, "-o", name, *more, env=env).returncode

    assert run("whole", 0) == 0
    [whole] = records(tmp_path / "whole")
    assert whole["training"]["resumed"] == 0

    assert run("thrice", 3) == 3  # a trial is started three times at most
    [dead] = records(tmp_path / "thrice")
    assert (dead["status"], dead["error"]["type"]) == ("failed", "TrialDied")
    begun = tmp_path / "thrice/trials" / dead["trial"] / "training"
    assert [p.name for p in begun.iterdir()] == ["loop-0.safetensors"]
    assert run("thrice", 3, "--retry-failed") == 0
    _, again = records(tmp_path / "thrice")
    assert again["training"]["resumed"] == 3
    assert found(again) == found(whole)
    assert not begun.exists()
    assert "training goes on after step 30 of loop 0" in (begun.parent / "log.txt").read_text()
    survived(record_property, 3, lost=0)


@pytest.mark.slow
def test_families_score_the_same_however_often_the_whole_run_is_killed(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    """The shipped models, by the real command line: each attempt is killed, with all its group."""
    chosen = [a for m in ("vae", "ddpm[steps=4]", "gan", "gmm") for a in ("-m", m)]
    command = command_line(
        "run", "-d", "points/moons", "--limit", "600", "--samples", "100", "-s", "likelihood",
        "--budget", "300steps", "--checkpoint-every", "10steps", "-j", "2", *chosen,
    )  # fmt: skip

    def start(name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, "-o", name], cwd=tmp_path, env=environment(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    assert start("whole").wait(timeout=300) == 0
    chance, killed = random.Random(0), 0
    while killed < 8:
        attempt = start("killed")
        begun, due = tmp_path / "killed/trials", time.monotonic() + chance.uniform(0.2, 3)
        while attempt.poll() is None and time.monotonic() < due:
            if killed and not any(begun.glob("*/training/*")):
                due += 0.02  # what loads and draws was killed often enough: wait for training
            time.sleep(0.02)
        if attempt.poll() is not None:
            break
        os.killpg(attempt.pid, signal.SIGKILL)
        attempt.wait()
        killed += 1
    assert start("killed").wait(timeout=300) == 0
    whole, again = (
        {r["model"]["id"]: r for r in records(tmp_path / name)} for name in ("whole", "killed")
    )
    assert {m: found(r) for m, r in again.items()} == {m: found(r) for m, r in whole.items()}
    assert len(records(tmp_path / "killed")) == 4
    assert killed >= 3
    assert sum(r["training"]["resumed"] for r in again.values()) >= 2
    survived(record_property, killed, lost=0)
