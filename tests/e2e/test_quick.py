"""The main job, whole: `gengauge run` with no argument, in an empty folder, for real."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests_support import command_line, environment

CONTROLS = ("real", "copycat", "copycat-noise", "half-copycat", "noise", "narrow", "wide",
            "collapsed")  # fmt: skip


READ_ONCE = ("train_seconds", "train_examples_per_second", "adaptation_seconds")


@pytest.fixture(scope="session")
def rows(quick: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        command_line("report", "runs/quick", "--format", "json"), cwd=quick, env=environment(),
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return json.loads(done.stdout)


def one(rows: list[dict[str, Any]], model: str, dataset: str, metric: str) -> dict[str, Any]:
    [row] = [r for r in rows if (r["model"], r["dataset"], r["metric"]) == (model, dataset, metric)]
    return row


def test_every_trial_succeeded_and_no_metric_failed(rows: list[dict[str, Any]]) -> None:
    assert {r["status"] for r in rows} == {"ok"}
    assert [r for r in rows if r["reason"] and "failed" in r["reason"]] == []
    assert {r["model"] for r in rows} >= {"gmm", "vae", "flow", "truth", *CONTROLS}


def test_every_score_has_unit_direction_kind_interval_and_n(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert row["unit"]
        assert row["direction"] in ("higher", "lower")
        assert row["kind"] in ("exact", "lower_bound", "upper_bound", "estimate")
        if row["value"] is None:
            assert row["reason"]
        elif row["low"] is None:  # a training too short to be timed in laps is read once
            assert row["metric"] in READ_ONCE, row
        else:
            assert row["low"] <= row["value"] <= row["high"], row
            if row["suite"] in ("likelihood", "fidelity"):
                assert row["n_samples"] or row["n_reference"], row


def test_real_is_the_best_control_on_fd_and_noise_the_worst(rows: list[dict[str, Any]]) -> None:
    fd = {m: one(rows, m, "digits", "fd")["value"] for m in CONTROLS}
    assert min(fd, key=fd.__getitem__) == "real", fd
    assert max(fd, key=fd.__getitem__) == "noise", fd


def test_copies_are_told_from_real_data(quick: Path, rows: list[dict[str, Any]]) -> None:
    """What FD takes for real, the memorisation suite does not."""
    for metric in ("fld_gap", "c_t", "auth_pct"):
        real, copies = (one(rows, m, "digits", metric) for m in ("real", "copycat"))
        assert copies["high"] < real["low"], metric
    fld = {m: one(rows, m, "digits", "fld")["value"] for m in CONTROLS}
    assert min(fld, key=fld.__getitem__) == "real", fld
    folder = quick / "runs/quick/trials" / one(rows, "copycat", "digits", "fld")["trial"]
    pairs = json.loads((folder / "neighbours.json").read_text())["pairs"]
    assert {pair["distance"] for pair in pairs} == {0}
    assert (folder / "neighbours.png").stat().st_size > 1000


def test_families_are_useful_beside_sampling(rows: list[dict[str, Any]]) -> None:
    """The mixture clusters and denoises; the autoencoder reconstructs, and denoises by that."""
    assert one(rows, "gmm", "digits", "ari")["low"] > 0.4
    denoised = [one(rows, model, "digits", "psnr") for model in ("gmm", "vae")]
    assert all(row["low"] > 17 for row in denoised)  # the noise alone leaves 14.1 dB
    assert one(rows, "vae", "digits", "reconstruction_mse")["high"] < 3
    assert "does not cluster" in one(rows, "vae", "digits", "ari")["reason"]


def test_truth_matches_the_entropy(quick: Path, rows: list[dict[str, Any]]) -> None:
    excess = one(rows, "truth", "points/moons", "excess_nll")
    assert excess["low"] <= 0 <= excess["high"]
    assert excess["high"] - excess["low"] < 0.1  # and not because the interval is wide
    lines = (quick / "runs/quick/records.jsonl").read_text().splitlines()
    entropy = next(r["dataset"]["entropy"] for r in map(json.loads, lines)
                   if r["model"]["id"] == "truth")  # fmt: skip
    nll = one(rows, "truth", "points/moons", "nll")
    assert nll["low"] <= entropy <= nll["high"]


@pytest.mark.parametrize(
    ("model", "dataset", "metric", "worst"),
    [
        ("gmm", "digits", "bits_per_dim", 2.80),
        ("vae", "digits", "bits_per_dim", 1.95),
        ("flow", "digits", "bits_per_dim", 2.10),
        ("flow", "points/moons", "excess_nll", 0.08),
        ("gmm", "points/moons", "excess_nll", 0.05),
        ("vae", "points/moons", "excess_nll", 0.10),
    ],
)
def test_models_reach_what_their_families_reach(
    rows: list[dict[str, Any]], model: str, dataset: str, metric: str, worst: float
) -> None:
    assert one(rows, model, dataset, metric)["high"] < worst


def test_kinds_are_told_apart(rows: list[dict[str, Any]]) -> None:
    assert one(rows, "flow", "points/moons", "nll")["kind"] == "exact"
    assert one(rows, "vae", "points/moons", "nll")["kind"] == "upper_bound"
    assert one(rows, "vae", "digits", "bits_per_dim")["kind"] == "upper_bound"
    assert one(rows, "vae", "digits", "elbo")["kind"] == "lower_bound"
    assert one(rows, "noise", "digits", "bits_per_dim")["kind"] == "exact"
    assert one(rows, "copycat", "digits", "bits_per_dim")["value"] is None


def test_plain_lines_tell_progress(quick: Path) -> None:
    lines = (quick / "stderr.txt").read_text().splitlines()
    counted = [line for line in lines if line.startswith("[")]
    assert counted[-1].startswith(f"[{len(counted)}/{len(counted)}]")
    assert "\x1b" not in (quick / "stderr.txt").read_text()


def test_the_table_names_every_model(quick: Path) -> None:
    table = (quick / "stdout.txt").read_text()
    for model in ("gmm", "vae", "flow", "truth", *CONTROLS):
        assert model in table


def test_running_again_does_nothing(quick: Path) -> None:
    before = (quick / "runs/quick/records.jsonl").read_bytes()
    done = subprocess.run(
        command_line("run"), cwd=quick, env=environment(), capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0
    assert "trials are done already" in done.stderr
    assert (quick / "runs/quick/records.jsonl").read_bytes() == before
