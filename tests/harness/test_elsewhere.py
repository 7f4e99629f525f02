"""Trials that run in other people's processes: Ray tasks and Slurm jobs. Through the real CLI."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests_support import Cli, command_line, environment

from gengauge.store import RunStore

RUN = ("run", "-d", "points/moons", "--plugin", "fake_models", "--plugin", "fake_executors",
       "--limit", "600", "-s", "likelihood", "--samples", "50", "-j", "2")  # fmt: skip


def records(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(folder.glob("records*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def fits(tmp_path: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in (tmp_path / "fits").read_text().splitlines())


def until(there: Any, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def numbers(record: dict[str, Any]) -> list[Any]:
    scores = [(s["metric"], s["value"], s["low"], s["request"]) for s in record["scores"]]
    return [record["model"]["checkpoint_sha256"], *scores]


def test_ray_runs_trials_again_whose_worker_was_killed(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    models = ("-m", "gaussian", "-m", "loses-node", "-m", "crash")
    env = {"FAKE_FITS": str(tmp_path / "fits")}
    done = cli(*RUN, *models, "--executor", "ray", "-o", "out", env=env)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "fits.lost").exists()
    found = records(tmp_path / "out")
    assert sorted((r["model"]["id"], r["status"]) for r in found) == [
        ("crash", "failed"), ("gaussian", "ok"), ("loses-node", "ok"),
    ]  # fmt: skip
    assert {r["workers"] for r in found} == {2}
    assert not list(_ours("open_workshop", tmp_path))


def _ours(what: str, tmp_path: Path) -> Any:
    """Return processes of this test that do ``what``."""
    for process in psutil.process_iter(["cmdline"]):
        try:
            if what in " ".join(process.info["cmdline"] or []) and str(tmp_path) in str(
                process.environ()
            ):
                yield process
        except psutil.Error:
            continue


def started(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_line(*RUN, *arguments), cwd=tmp_path, text=True,
        env=environment(FAKE_FITS=str(tmp_path / "fits")), stderr=subprocess.PIPE,
    )  # fmt: skip


def test_slurm_jobs_outlive_the_command_and_are_sent_once(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    asked = ("-m", "waits", "-m", "crash", "--executor", "slurm[cluster=local]", "-o", "out")
    with started(tmp_path, *asked) as first:  # its jobs hold its stderr open while they live
        until(lambda: (tmp_path / "fits").exists())
        first.kill()  # whoever sent the jobs is gone, and one of them is still on its way
        first.wait()
        (tmp_path / "fits.go").touch()
        done = cli(*RUN, *asked, env={"FAKE_FITS": str(tmp_path / "fits")})
    assert done.returncode == 3, done.stderr
    assert "sent as" not in done.stderr
    found = records(tmp_path / "out")
    assert sorted((r["model"]["id"], r["status"]) for r in found) == [
        ("crash", "failed"), ("waits", "ok"),
    ]  # fmt: skip
    assert fits(tmp_path) == {"Waits": 1}
    assert all(r["command"] and r["environment"] for r in found)


def test_two_runs_that_train_the_same_trial_at_once_both_have_it(tmp_path: Path) -> None:
    runs = [started(tmp_path, "-m", "waits", "-o", "out") for _ in range(2)]
    until(lambda: (tmp_path / "fits").exists() and fits(tmp_path)["Waits"] == 2)
    (tmp_path / "fits.go").touch()
    for one in runs:
        _, said = one.communicate(timeout=300)
        assert one.returncode == 0, said
    found = records(tmp_path / "out")
    assert {r["status"] for r in found} == {"ok"}
    assert len({r["model"]["checkpoint_sha256"] for r in found}) == 1
    left = {p.name for p in (tmp_path / "out/trials" / found[0]["trial"]).iterdir()}
    assert not {name for name in left if name.endswith(".tmp")}


@pytest.mark.slow
def test_what_runs_elsewhere_scores_as_here(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    models = ("-m", "gaussian", "-m", "gmm", "-m", "vae", "-m", "real", "-s", "fidelity")
    found = {}
    for executor in ("local", "slurm[cluster=debug]", "slurm[cluster=local,batch=3]", "ray"):
        done = cli(*RUN, *models, "--executor", executor, "-o", executor[:20])
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("/4] ") == 4
        found[executor] = {r["trial"]: numbers(r) for r in records(tmp_path / executor[:20])}
        assert len(found[executor]) == 4
    for executor in found:
        assert found[executor] == found["local"], executor


@pytest.mark.slow
def test_a_lost_slurm_job_is_a_failed_trial_and_is_sent_again(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    asked = ("-m", "waits", "--executor", "slurm[cluster=local]", "-o", "out")
    first = started(tmp_path, *asked)
    until(lambda: (tmp_path / "fits").exists())
    for process in [*_ours("submitit.local", tmp_path), *_ours("submitit.core", tmp_path)]:
        process.send_signal(signal.SIGKILL)
    _, said = first.communicate(timeout=300)
    assert first.returncode == 3, said
    [lost] = records(tmp_path / "out")
    assert lost["status"] == "failed"
    assert lost["error"]["type"] == "JobLost"
    assert "ended (INTERRUPTED) before there was a record" in lost["error"]["message"]
    (tmp_path / "fits.go").touch()
    env = {"FAKE_FITS": str(tmp_path / "fits")}
    done = cli(*RUN, *asked, "--retry-failed", env=env)
    assert done.returncode == 0, done.stderr
    [merged] = RunStore(tmp_path / "out").records()
    assert merged["status"] == "ok"
    assert not list(_ours("open_workshop", tmp_path))


@pytest.mark.slow
def test_ray_runs_the_trials_of_a_lost_node_again(tmp_path: Path) -> None:
    """A cluster of two nodes, of which one is killed with the trial that it has."""
    pytest.importorskip("ray", reason="ray is not installed")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 << 20}
    env = environment(FAKE_FITS=str(tmp_path / "fits"))
    old = {k: os.environ.get(k) for k in env}
    os.environ.update(env)  # what the nodes hand to the trials
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        lost = cluster.add_node(**node)
        process = started(
            tmp_path, "--seeds", "0-1", "-m", "waits", "--executor", "ray", "--address",
            cluster.address, "-o", "out",
        )  # fmt: skip
        until(lambda: (tmp_path / "fits").exists() and fits(tmp_path)["Waits"] == 2)
        cluster.remove_node(lost, allow_graceful=False)
        until(lambda: fits(tmp_path)["Waits"] == 3 or process.poll() is not None)
        (tmp_path / "fits.go").touch()
        _, said = process.communicate(timeout=300)
    finally:
        cluster.shutdown()
        os.environ.update({k: v for k, v in old.items() if v is not None})
    assert process.returncode == 0, said
    assert [r["status"] for r in records(tmp_path / "out")] == ["ok", "ok"]
    assert fits(tmp_path)["Waits"] == 3  # that of the lost node twice
    until(lambda: not list(_ours("open_workshop", tmp_path)), 10)


@pytest.mark.slow
def test_the_end_of_a_ray_run_leaves_nothing_behind(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    process = started(tmp_path, "-m", "waits", "--executor", "ray", "-o", "out")
    until(lambda: (tmp_path / "fits").exists())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "the same command goes on from there" in said
    until(lambda: not list(_ours("open_workshop", tmp_path)), 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "more", "said"),
    [
        ("ray", ["--memory", "999T"], "no node of the Ray cluster has what a trial asks for"),
        ("ray[address=ray://127.0.0.1:9]", [], "Ray at 'ray://127.0.0.1:9' cannot be used"),
        ("slurm", [], "slurm does not take the jobs: Could not detect"),
    ],
)
def test_what_cannot_be_had_is_one_line(cli: Cli, executor: str, more: list[str], said: str):
    done = cli(*RUN, "-m", "gaussian", "--executor", executor, *more, "-o", "out")
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert os.path.basename(done.stderr.split()[0]) == "error:"  # noqa: PTH119
