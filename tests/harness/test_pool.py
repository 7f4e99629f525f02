"""Trials side by side give what they give one after another. Through the real CLI."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests_support import Cli, command_line, environment

from gengauge.pool import default_workers

RUN = ("run", "-d", "points/moons", "--plugin", "fake_models", "--limit", "600", "-s",
       "likelihood", "-s", "fidelity")  # fmt: skip
MODELS = ("-m", "vae", "-m", "real", "-m", "gmm", "-m", "flow", "--budget", "30steps")


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def test_side_by_side_is_one_after_another(cli: Cli, tmp_path: Path) -> None:
    for jobs in (1, 3):
        done = cli(*RUN, *MODELS, "-j", jobs, "-o", f"j{jobs}")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("/4] ") == 4
    alone, together = (
        {r["model"]["id"]: r for r in records(tmp_path / f"j{jobs}")} for jobs in (1, 3)
    )
    assert list(alone) == ["vae", "real", "gmm", "flow"]
    assert {r["workers"] for r in together.values()} == {3}
    for id_, record in alone.items():
        other = together[id_]
        assert record["position"] == other["position"]
        assert record["model"]["checkpoint_sha256"] == other["model"]["checkpoint_sha256"]
        values = [(s["metric"], s["value"], s["low"], s["high"]) for s in record["scores"]]
        assert values == [(s["metric"], s["value"], s["low"], s["high"]) for s in other["scores"]]
    pages = [cli("report", f"j{jobs}", "--format", "csv").stdout for jobs in (1, 3)]
    assert pages[0] == pages[1]  # in the order of the plan, whichever ended first


def test_a_dead_worker_is_a_record_and_the_others_go_on(cli: Cli, tmp_path: Path) -> None:
    models = ("-m", "gaussian", "-m", "dies", "-m", "gaussian[scale=2]")
    done = cli(*RUN, *models, "-j", "2", "-o", "out")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert {r["model"]["base"]: r["status"] for r in records(tmp_path / "out")} == {
        "gaussian": "ok", "dies": "failed",
    }  # fmt: skip
    assert len(records(tmp_path / "out")) == 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_end_leaves_a_worker_behind(tmp_path: Path, how: signal.Signals) -> None:
    command = command_line(*RUN, "-m", "slow", "-m", "slow[name=slower]", "-j", "2", "-o", "out")
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(FAKE_FITS=str(tmp_path / "started")), start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does: to the whole group
    else:
        process.send_signal(how)
    _, stderr = process.communicate(timeout=60)  # ends only when no worker holds the pipe
    if how == signal.SIGINT:
        assert process.returncode == 130, stderr
        assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr


def test_workers_follow_the_machine() -> None:
    assert default_workers(threads=1, on_gpu=True) == 1
    assert default_workers(threads=10**6, on_gpu=False) == 1
    assert default_workers(threads=1, on_gpu=False) >= default_workers(2, on_gpu=False)


@pytest.mark.parametrize("jobs", ["0", "many"])
def test_a_wrong_number_of_jobs_is_one_line(cli: Cli, jobs: str) -> None:
    done = cli(*RUN, "-j", jobs)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
