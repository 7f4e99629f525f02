"""Killed at random points, again and again: no record is lost, none stands there twice."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from fault_survey import survived
from tests_support import environment

DRIVER = Path(__file__).parents[1] / "support" / "kill_driver.py"


def kills(folder: Path, seed: int, count: int) -> dict[str, Any]:
    more = {"FAULT_MARK": uuid.uuid4().hex, "FAULT_SLEEP": "0.04"}
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), str(seed), str(count)], cwd=folder,
        env=environment(**more), capture_output=True, text=True, timeout=550,
    )  # fmt: skip
    said = "".join(p.read_text() for p in folder.glob("*.txt"))
    assert done.returncode == 0, done.stderr + said
    assert "Traceback" not in said
    found = json.loads(done.stdout)
    assert found["lost"] == 0
    assert found["trials"] == 8
    return found


def test_harness_and_workers_are_killed_at_random_points(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    found = kills(tmp_path, seed=0, count=10)
    assert set(found["kills"]) >= {"harness", "trial"}, found
    assert found["resumed"] >= 1, found  # training went on where it was
    survived(record_property, sum(found["kills"].values()), lost=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_many_more_kills(tmp_path: Path, seed: int, record_property: pytest.RecordProperty) -> None:
    found = kills(tmp_path, seed, count=60)
    assert found["resumed"] >= 10, found
    survived(record_property, sum(found["kills"].values()), lost=0)
