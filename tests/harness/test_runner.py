"""Fit once, score many; failures are records; nothing finished is lost. Through the real CLI."""

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

RUN = ("run", "-d", "points/moons", "--plugin", "fake_models", "--limit", "600", "-o", "out")
LIKELIHOOD = ("-s", "likelihood")


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out/records.jsonl").read_text().splitlines()]


def fits(folder: Path) -> list[str]:
    log = folder / "fits.log"
    return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def run(cli: Cli, tmp_path: Path):
    def call(*arguments: object, code: int = 0, **env: str) -> str:
        done = cli(*RUN, *arguments, env={"FAKE_FITS": str(tmp_path / "fits.log"), **env})
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    return call


def test_fit_once_score_many(run, tmp_path: Path) -> None:
    run("-m", "gaussian", *LIKELIHOOD)
    assert fits(tmp_path) == ["Gaussian points/moons 0"]  # and the test split was not there

    assert "1 of 1 trials are done already" in run("-m", "gaussian", *LIKELIHOOD)
    assert len(records(tmp_path)) == 1

    run("-m", "gaussian", *LIKELIHOOD, "-s", "fidelity")  # another suite
    run("-m", "gaussian", *LIKELIHOOD, "-s", "fidelity", "--samples", "300")  # fewer samples
    another = ("--samples", "300", "--set", "w2.size=20")  # another protocol for one metric
    run("-m", "gaussian", *LIKELIHOOD, "-s", "fidelity", *another)
    assert len(fits(tmp_path)) == 1
    suites = [{s["suite"] for s in r["scores"]} for r in records(tmp_path)]
    assert suites == [{"likelihood"}, {"fidelity"}, {"fidelity"}, {"fidelity"}]
    n = [s["n_samples"] for s in records(tmp_path)[2]["scores"] if s["metric"] == "sliced_w2"]
    assert n == [300]
    assert [s["metric"] for s in records(tmp_path)[3]["scores"]] == ["w2"]


def test_an_embedder_that_is_not_ready_costs_its_own_metrics_only(run, tmp_path: Path) -> None:
    eyes = ("-m", "gaussian", "-s", "fidelity", "--embedder", "eyes", "--embedder", "broken-eyes")
    run(*eyes)
    [record] = records(tmp_path)
    assert record["status"] == "ok"
    seen = {(s["metric"], (s["embedder"] or {}).get("id")): s for s in record["scores"]}
    assert seen["w2", None]["value"] is not None
    assert seen["fd", "eyes"]["unscored_reason"] == (
        "eyes.pt (2 bytes) is missing: put it into /there"
    )
    assert "RuntimeError: cannot see" in seen["fd", "broken-eyes"]["unscored_reason"]

    run(*eyes, FAKE_EYES="1")  # the file has come
    again = {
        s["metric"]: s for s in records(tmp_path)[1]["scores"] if s["embedder"]["id"] == "eyes"
    }
    assert again["fd"]["value"] > 0
    assert again["fd"]["embedder"]["sha256"] == "1" * 64
    assert len(fits(tmp_path)) == 1


def test_a_newer_version_of_a_metric_is_measured_again_without_training(
    run, tmp_path: Path
) -> None:
    run("-m", "gaussian", *LIKELIHOOD)
    shim = tmp_path / "newer.py"
    shim.write_text(
        "import dataclasses, gengauge_suites.likelihood as suite, gengauge.specs as specs\n"
        "old = specs.MetricSpec.__post_init__\n"
        "def post(self):\n"
        "    object.__setattr__(self, 'version', 99 if self.id == 'nll' else self.version)\n"
        "    old(self)\n"
        "specs.MetricSpec.__post_init__ = post\n"
    )
    (tmp_path / "sitecustomize.py").write_text("import newer\n")
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    run("-m", "gaussian", *LIKELIHOOD, PYTHONPATH=path)
    first, second = records(tmp_path)
    assert len(fits(tmp_path)) == 1
    assert [s["metric"] for s in second["scores"]] == ["nll"]
    assert second["scores"][0]["value"] == next(
        s["value"] for s in first["scores"] if s["metric"] == "nll"
    )


def test_the_key_forgets_order_output_and_suites(run, cli: Cli, tmp_path: Path) -> None:
    run("-m", "gaussian", "-m", "gaussian[scale=2]", *LIKELIHOOD)
    keys = {r["trial"] for r in records(tmp_path)}
    again = cli(
        "run", "-d", "points/moons", "--plugin", "fake_models", "--limit", "600", "-o", "other",
        "-m", "gaussian[scale=2]", "-m", "gaussian", "-s", "fidelity", "--dry-run",
    )  # fmt: skip
    assert all(key in again.stdout for key in keys)
    assert not (tmp_path / "other").exists()


def test_an_edited_model_is_trained_again(cli: Cli, tmp_path: Path, fakes: Path) -> None:
    for name in ("fake_models.py", "fake_targets.py"):
        (tmp_path / name).write_text((fakes / name).read_text())
    arguments = (*RUN, "-m", "gaussian", *LIKELIHOOD)
    env = {"FAKE_FITS": str(tmp_path / "fits.log"), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    assert cli(*arguments, env=env).returncode == 0
    with (tmp_path / "fake_targets.py").open("a") as edited:
        edited.write("# edited\n")
    assert cli(*arguments, env=env).returncode == 0
    assert len(fits(tmp_path)) == 2
    assert len({r["trial"] for r in records(tmp_path)}) == 2


def test_the_same_seed_gives_the_same_scores(run, tmp_path: Path) -> None:
    run(
        "-m", "vae", "-m", "flow", "-m", "gmm", "--budget", "30steps", *LIKELIHOOD, "-s", "fidelity"
    )
    first = records(tmp_path)
    run("-m", "gmm", "-m", "vae", "-m", "flow", "--budget", "30steps", *LIKELIHOOD, "-s",
        "fidelity", "--fresh")  # fmt: skip
    second = {r["trial"]: r for r in records(tmp_path)[3:]}
    assert {r["trial"] for r in first} == set(second)
    for record in first:
        again = second[record["trial"]]
        assert record["model"]["checkpoint_sha256"] == again["model"]["checkpoint_sha256"]
        values = [(s["metric"], s["value"], s["low"]) for s in record["scores"]]
        assert values == [(s["metric"], s["value"], s["low"]) for s in again["scores"]]


def test_failures_are_records_and_not_the_end(run, tmp_path: Path) -> None:
    models = ("crash", "exits", "nan", "wrong-shape", "hungry", "half-model", "gaussian")
    chosen = [a for m in models for a in ("-m", m)]
    stderr = run(*chosen, *LIKELIHOOD, code=3)
    found = {r["model"]["id"]: r for r in records(tmp_path)}
    statuses = {m: found[m]["status"] for m in models}
    assert statuses == {
        "crash": "failed", "exits": "failed", "nan": "diverged", "wrong-shape": "failed",
        "hungry": "out_of_memory", "half-model": "failed", "gaussian": "ok",
    }  # fmt: skip
    assert "crash on points/moons: RuntimeError: no luck today" in stderr
    assert "expected (600, 2)" in found["wrong-shape"]["error"]["message"]
    assert "has no sample, save, load" in found["half-model"]["error"]["message"]
    trace = tmp_path / "out/trials" / found["crash"]["trial"] / "error.txt"
    assert "no luck today" in trace.read_text()

    stderr = run(*chosen, *LIKELIHOOD, code=3)  # failures still count, and are not run again
    assert "6 trials failed before; --retry-failed" in stderr
    assert len(records(tmp_path)) == 7
    run(*chosen, *LIKELIHOOD, "--fail-on-error", "0.9")
    run("-m", "crash", *LIKELIHOOD, "--retry-failed", FAKE_MENDED="1")
    assert records(tmp_path)[-1]["status"] == "ok"


def test_a_listener_that_fails_does_not_end_the_run(run, tmp_path: Path) -> None:
    chosen = ("-m", "gaussian", "-m", "gaussian[scale=2]", *LIKELIHOOD)
    stderr = run(*chosen, FAKE_LISTENER="1")
    assert stderr.count("warning: a plugin's hook failed: RuntimeError: the listener fell") == 2
    assert [r["status"] for r in records(tmp_path)] == ["ok", "ok"]


def test_interrupt_keeps_what_is_finished(tmp_path: Path, run) -> None:
    env = environment(FAKE_FITS=str(tmp_path / "started"))
    command = command_line(*RUN, "-j", "1", "-m", "gaussian", "-m", "slow", *LIKELIHOOD)
    process = subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # a shell that runs the tests in the background makes its children deaf to Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        marker = tmp_path / "started"
        if marker.exists() and marker.read_text() == "started\n":
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr
    assert [r["model"]["id"] for r in records(tmp_path)] == ["gaussian"]
    assert "1 of 1 trials are done already" in run("-m", "gaussian", *LIKELIHOOD)


@pytest.mark.parametrize(
    ("budget", "steps", "examples"),
    [("7steps", 7, 700), ("500examples", 5, 500)],
)
def test_budgets_are_obeyed(run, tmp_path: Path, budget: str, steps: int, examples: int) -> None:
    run("-m", "gaussian", "--budget", budget, *LIKELIHOOD)
    training = records(tmp_path)[0]["training"]
    assert (training["steps"], training["examples"]) == (steps, examples)


def test_a_budget_in_seconds_is_obeyed(run, tmp_path: Path) -> None:
    run("-m", "flow", "--budget", "1s", *LIKELIHOOD)
    training = records(tmp_path)[0]["training"]
    assert training["seconds"] >= 1
    assert all(seconds < 1 for _, seconds in training["laps"][:-1])  # only the last step ended late


def test_every_score_carries_what_makes_it_trustworthy(run, tmp_path: Path) -> None:
    run("-m", "gmm", "-m", "vae", "-m", "real", "-m", "truth", "--budget", "20steps")
    for record in records(tmp_path):
        assert record["command"].startswith("gengauge run quick -m ")
        for score in record["scores"]:
            assert score["unit"], score
            assert score["direction"] in ("higher", "lower")
            if score["value"] is None:
                assert score["unscored_reason"], score
            else:
                assert score["interval_method"], score
                if not score["interval_method"].startswith("none: a single reading"):
                    assert score["low"] <= score["value"] <= score["high"], score
                else:  # twenty steps are too few to time twice
                    assert score["metric"].startswith("train_"), score


def test_the_reproduction_command_reproduces(run, cli: Cli, tmp_path: Path) -> None:
    import shlex

    run("-m", "gmm[components=3,name=three]", "--seeds", "4", "--budget", "9steps", *LIKELIHOOD)
    [record] = records(tmp_path)
    words = shlex.split(record["command"])[1:]
    assert cli(*words, "-o", "again").returncode == 0
    again = json.loads((tmp_path / "again/records.jsonl").read_text())
    assert again["trial"] == record["trial"]
    assert [s["value"] for s in again["scores"]] == [s["value"] for s in record["scores"]]


def test_records_and_rows_follow_their_published_schema(run, cli: Cli, tmp_path: Path) -> None:
    import jsonschema

    run("-m", "gmm", "-m", "vae", "-m", "crash", "--budget", "20steps", code=3)
    schema = json.loads(cli("show", "record-schema").stdout)
    for record in records(tmp_path):
        jsonschema.validate(record, schema)
    rows = json.loads(cli("report", "out", "--format", "json").stdout)
    row_schema = json.loads(cli("show", "row-schema").stdout)
    for row in rows:
        jsonschema.validate(row, row_schema)
    assert {r["model"] for r in rows} == {"gmm", "vae", "crash"}
    cli("report", "out", "-o", "rows.json")  # the name says the format
    assert json.loads((tmp_path / "rows.json").read_text()) == rows


def test_a_damaged_records_file_says_what_it_lost(run, cli: Cli, tmp_path: Path) -> None:
    run("-m", "gaussian", "-m", "gaussian[scale=2]", *LIKELIHOOD, "-j", "1")
    path = tmp_path / "out/records.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    done = cli("report", "out", "--format", "csv")
    assert done.returncode == 0
    assert "line 2 is cut off" in done.stderr
    assert "gaussian," in done.stdout
    run("-m", "gaussian", "-m", "gaussian[scale=2]", *LIKELIHOOD)
    assert len(fits(tmp_path)) == 2  # its checkpoint was whole: it was only measured again
