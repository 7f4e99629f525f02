"""`gengauge baseline` and `gengauge compare` on real runs of two models."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest


def gengauge(*arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "gengauge", *map(str, arguments)], cwd=cwd, text=True,
        capture_output=True, timeout=300,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "160", **env},
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Two runs of mixtures on moons: the second has far fewer components under the same name."""
    folder = tmp_path_factory.mktemp("runs")
    for name, components in (("good", 16), ("bad", 1)):
        model = f"gmm[components={components},name=mixture]"
        done = gengauge(
            "run", "points", "-d", "points/moons", "-m", model, "-s", "likelihood", "--seeds",
            "0-1", "-o", folder / name, cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folder


def test_the_same_run_passes_and_a_worse_one_fails(runs):
    same = gengauge("compare", "good", "good", cwd=runs)
    assert (same.returncode, same.stdout.startswith("gate passed")) == (0, True), same.stderr
    worse = gengauge("compare", "good", "bad", "--gate", "nll:0.05", cwd=runs)
    assert worse.returncode == 1
    assert "worse" in worse.stdout
    lenient = gengauge("compare", "good", "bad", "--gate", "nll:90%", cwd=runs)
    assert lenient.returncode == 0, lenient.stdout
    better = gengauge("compare", "bad", "good", cwd=runs)
    assert better.returncode == 0
    assert "better" in better.stdout


def test_a_baseline_file_stands_for_its_run(runs):
    done = gengauge("baseline", "good", "-o", "kept.json", "--gate", "nll:0.05", cwd=runs)
    assert done.returncode == 0, done.stderr
    assert (runs / "kept.json").stat().st_size < 10_000
    found = gengauge(
        "compare", "kept.json", "bad", "--format", "json", "--junit", "junit.xml", "--markdown",
        "gate.md", "--github-summary", cwd=runs, GITHUB_STEP_SUMMARY=str(runs / "summary.md"),
    )  # fmt: skip
    assert found.returncode == 1
    content = json.loads(found.stdout)
    [worse] = [o for o in content["outcomes"] if o["status"] == "worse"]
    assert (worse["id"], worse["allowed"]) == ("mixture.points/moons.nll", 0.05)
    assert "paired blocks of examples" in worse["method"]
    assert "failure" in (runs / "junit.xml").read_text()
    assert (runs / "gate.md").read_text() == (runs / "summary.md").read_text()


@pytest.fixture(scope="module")
def address(runs) -> Iterator[str]:
    """The runs on a web server."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(runs))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_side_may_be_an_address(runs, address):
    done = gengauge("baseline", "good", "-o", "web.json", "--gate", "nll:0.05", cwd=runs)
    assert done.returncode == 0, done.stderr
    for source in ("web.json", "good/records.jsonl", "good"):
        found = gengauge("compare", f"{address}/{source}", "good", cwd=runs)
        assert (found.returncode, found.stdout.startswith("gate passed")) == (0, True), found.stderr
    worse = gengauge("compare", f"{address}/web.json", f"{address}/bad/records.jsonl", cwd=runs)
    assert worse.returncode == 1, worse.stderr
    missing = gengauge("compare", f"{address}/none.json", "good", cwd=runs)
    assert (missing.returncode, missing.stderr.count("\n")) == (4, 1)
    assert f"there is no baseline: '{address}/none.json' cannot be reached" in missing.stderr
    torn = gengauge(
        "compare", f"{address}/web.json", "good", cwd=runs, GENGAUGE_MAX_INPUT="100"
    )  # fmt: skip
    assert "holds more than the 100 bytes" in torn.stderr


def test_wrong_sides_and_gates(runs):
    assert gengauge("compare", "nothing", "good", cwd=runs).returncode == 4
    assert gengauge("compare", "good", "nothing", cwd=runs).returncode == 2
    wrong = gengauge("compare", "good", "good", "--gate", "nlll:5%", cwd=runs)
    assert wrong.returncode == 2
    assert "did you mean 'nll'" in wrong.stderr
    assert gengauge("compare", "good", "good", "--gate", "nll", cwd=runs).returncode == 2


def test_another_benchmark_version_is_refused(runs):
    lines = (runs / "bad" / "records.jsonl").read_text().splitlines()
    (runs / "other").mkdir()
    changed = [json.loads(line) for line in lines]
    for record in changed:
        record["benchmark"]["version"] += 1
        for score in record["scores"]:
            score["comparability_key"] = "0" * 16
    text = "".join(json.dumps(r) + "\n" for r in changed)
    (runs / "other" / "records.jsonl").write_text(text)
    found = gengauge("compare", "good", "other", cwd=runs)
    assert found.returncode == 4
    assert "benchmark version" in " ".join(found.stdout.split())
    assert "Traceback" not in found.stderr


def test_a_file_of_records_is_a_side(runs):
    (runs / "copied.jsonl").write_bytes((runs / "good" / "records.jsonl").read_bytes())
    found = gengauge("compare", "copied.jsonl", "good", cwd=runs)
    assert found.returncode == 0, found.stderr
