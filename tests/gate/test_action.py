"""The action and the example workflow, against GitHub's own schemas; its gate step in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from gate_runs import record, run

from gengauge.gate.sides import open_side
from gengauge.gate.snapshot import snapshot
from gengauge.gate.tolerance import Gates

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        ("action.yml", "vendor.github-actions"),
        ("examples/github/quality.yml", "vendor.github-workflows"),
    ],
)
def test_it_is_what_github_takes(file, schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    done = subprocess.run([*command, str(ROOT / file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_gives_only_inputs_that_there_are():
    workflow = yaml.safe_load((ROOT / "examples/github/quality.yml").read_text())
    [used] = [s for s in workflow["jobs"]["gate"]["steps"] if "gengauge" in s.get("uses", "")]
    assert set(used["with"]) <= set(ACTION["inputs"])


def test_nothing_is_pasted_into_a_script():
    for step in STEPS.values():
        assert "${{" not in step.get("run", ""), "an expression in a script is an injection"


@pytest.fixture
def repository(tmp_path) -> Path:
    """A repository with a baseline on main, and a run that is worse beside it."""
    before = open_side(run(tmp_path / "before", record()))
    (tmp_path / "baseline.json").write_text(snapshot(before, Gates(), every=True))
    for words in (["init", "-q", "-b", "main"], ["add", "baseline.json"], ["commit", "-qm", "b"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)
    run(tmp_path / "gengauge-run", record(value=12.0))
    return tmp_path


def gate(folder: Path, **env: str) -> str:
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "gengauge").write_text(f'#!/bin/sh\nexec {sys.executable} -m gengauge "$@"\n')
    (bin_ / "gengauge").chmod(0o755)
    given = {"BASELINE": "baseline.json", "REF": "", "BASE": "", "GATES": "", **env}
    output, summary = folder / "output", folder / "summary"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", STEPS["Gate"]["run"]], cwd=folder, text=True,
        capture_output=True,
        env={**os.environ, **given, "PATH": f"{bin_}:{os.environ['PATH']}",
             "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return output.read_text().splitlines()[-1]


def test_the_gate_step_tells_how_it_ended(repository):
    assert gate(repository) == "exit-code=1"
    assert "gate missed" in (repository / "summary").read_text()
    assert gate(repository, GATES="fd:50%\n") == "exit-code=0"
    assert gate(repository, BASELINE="none.json") == "exit-code=0"
    # a change that loosens its own baseline changes nothing
    worse = open_side(str(repository / "gengauge-run"))
    (repository / "baseline.json").write_text(snapshot(worse, Gates(), every=True))
    assert gate(repository, REF="main") == "exit-code=1"
