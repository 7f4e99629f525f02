"""A trial whose process is killed in the middle of its training goes on from its checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fault_survey import survived
from tests_support import Cli

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
