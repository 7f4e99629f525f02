"""The verbs that list and explain, through the real command line."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess

import pytest
from tests_support import Cli


@pytest.mark.parametrize(
    "kind",
    [
        "models",
        "datasets",
        "metrics",
        "suites",
        "benchmarks",
        "plugins",
        "reports",
        "embedders",
        "executors",
    ],
)
def test_every_listing_in_every_format(cli: Cli, kind: str) -> None:
    rows = json.loads(cli("list", kind, "--format", "json").stdout)
    assert rows
    assert all(row["id"] for row in rows)
    table = list(csv.DictReader(io.StringIO(cli("list", kind, "--format", "csv").stdout)))
    assert [row["id"] for row in table] == [row["id"] for row in rows]
    plain = cli("list", kind)
    assert plain.stderr == ""
    assert all(row["id"] in plain.stdout for row in rows)


def test_family_narrows_models(cli: Cli) -> None:
    rows = json.loads(cli("list", "models", "--family", "control", "--format", "json").stdout)
    wanted = {"real", "truth", "copycat", "copycat-noise", "half-copycat", "noise", "narrow",
              "wide", "collapsed"}  # fmt: skip
    assert {row["id"] for row in rows} == wanted


def test_show_explains_a_model(cli: Cli) -> None:
    shown = json.loads(cli("show", "gmm", "--format", "json").stdout)
    assert shown["is"] == "model"
    assert "digits" in shown["datasets"]
    assert any(p["name"] == "components" for p in shown["parameters"])
    assert "components" in cli("show", "gmm").stdout


def test_show_of_every_id_works(cli: Cli) -> None:
    for kind in (
        "datasets",
        "metrics",
        "benchmarks",
        "reports",
        "embedders",
        "suites",
        "executors",
    ):
        for row in json.loads(cli("list", kind, "--format", "json").stdout)[:2]:
            done = cli("show", row["id"])
            assert done.returncode == 0, done.stderr
            assert row["id"] in done.stdout


def test_broken_plugin_is_a_row_and_one_warning(cli: Cli, tmp_path) -> None:
    info = tmp_path / "site" / "broken_one-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-one\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gengauge]\nbroken = broken_one\n")
    (tmp_path / "site" / "broken_one.py").write_text("import not_installed_here\n")
    from tests_support import environment

    path = f"{tmp_path / 'site'}:{environment()['PYTHONPATH']}"
    done = cli("list", "plugins", "--format", "json", env={"PYTHONPATH": path})
    assert done.returncode == 0
    [row] = [r for r in json.loads(done.stdout) if r["status"] == "broken"]
    assert row["distribution"] == "broken-one"
    assert "not_installed_here" in row["reason"]
    [warning] = done.stderr.splitlines()
    assert warning.startswith("warning: plugin 'broken' (broken-one) is broken")
    models = cli("list", "models", "--format", "json", env={"PYTHONPATH": path})
    assert any(r["id"] == "gmm" for r in json.loads(models.stdout))


def test_doctor_finds_everything_that_quick_needs(cli: Cli) -> None:
    rows = {r["id"]: r for r in json.loads(cli("doctor", "--format", "json").stdout)}
    assert rows["torchvision"]["status"] == "ok"
    assert rows["models"]["status"] == "ok"
    assert rows["weights inception"]["status"] in ("ok", "missing", "wrong")
    assert not [i for i in rows if i.startswith(("model ", "plugin "))]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_its_shell_accepts(cli: Cli, shell: str) -> None:
    script = cli("completion", shell).stdout
    assert "_GENGAUGE_COMPLETE" in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr


def test_help_of_every_verb(cli: Cli) -> None:
    for verb in ("run", "report", "list", "show", "plugins", "weights", "doctor", "completion"):
        done = cli(verb, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith("Usage: gengauge")


def test_output_to_a_closed_pipe_is_no_error(cli: Cli) -> None:
    from tests_support import command_line, environment

    line = " ".join(command_line("list", "models")) + " | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], env=environment(), text=True,
                          capture_output=True)  # fmt: skip
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
