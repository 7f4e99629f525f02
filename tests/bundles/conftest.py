"""One small finished run, submitted once for all tests of submissions."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundled import members_of
from fault_survey import survived
from tests_support import command_line, environment

from gengauge.bundle.packed import pack
from gengauge.store import RunStore

RUN = (
    "run", "--no-isolate", "-d", "points/moons", "-m", "gmm", "-m", "draws-nan", "--plugin",
    "fault_models", "-s",
    "likelihood", "-s", "fidelity", "--seeds", "0-1", "--limit", "300", "--samples", "50",
    "--budget", "5 steps", "-o", "run",
)  # fmt: skip


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two seeds of a model that finishes and of one that does not."""
    folder = tmp_path_factory.mktemp("finished")
    done = subprocess.run(
        command_line(*RUN), cwd=folder, env=environment(), capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert (folder / "run/records.jsonl").is_file(), done.stderr
    return folder / "run"


@pytest.fixture(scope="session")
def bundle(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("submitted") / "run.zip"
    pack(RunStore.open(finished), path, samples=True, note="two seeds")
    return path


@pytest.fixture
def members(bundle: Path) -> dict[str, bytes]:
    return members_of(bundle)


@pytest.fixture
def nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: pytest.RecordProperty
) -> Iterator[None]:
    """Whatever is refused leaves no file behind, here or beside its own folder."""
    place = tmp_path / "private"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    before = {p.name for p in tmp_path.parent.iterdir()}
    yield
    assert list(place.iterdir()) == []
    assert {p.name for p in tmp_path.parent.iterdir()} == before
    survived(record_property, 1, lost=0)
