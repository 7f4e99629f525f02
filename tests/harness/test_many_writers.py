"""Many processes write one run at once: no record is lost, none is there twice."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from fault_survey import survived
from tests_writers import write_at_once

from gengauge import journal
from gengauge.store import RunStore


def lines(folder: Path) -> Counter[str]:
    return Counter(
        json.loads(line)["trial"]
        for path in folder.glob("records*.jsonl")
        for line in path.read_text().splitlines()
    )


@pytest.mark.parametrize("named", ["", "named"])
def test_eight_processes_in_one_folder(
    tmp_path: Path, named: str, record_property: pytest.RecordProperty
) -> None:
    write_at_once(str(tmp_path), 8, 200, named)
    found = lines(tmp_path)
    assert found == {f"{w}-{i}": 1 for w in range(8) for i in range(200)}
    assert len(list(tmp_path.glob("records*.jsonl"))) == (8 if named else 1)
    store = RunStore(tmp_path)
    assert len(store.records()) == len(store.frame()) == 1600
    assert store.warnings == []
    survived(record_property, 8, lost=1600 - len(found))


def test_a_failed_write_takes_no_line_of_anothers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one process writes and gives up, nobody else can write: its end is its own to cut."""
    store = RunStore(tmp_path)
    one = {"trial": "a", "scores": [], "status": "ok"}
    store.append(one)
    path, write = tmp_path / "records.jsonl", os.write

    def half(handle: int, content: bytes) -> int:
        with journal.appending(path) as another:
            assert not journal.locked(another)
        if len(content) > 20:
            return write(handle, content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(Exception, match="No space left"):
        store.append({**one, "trial": "b"})
    monkeypatch.undo()
    assert list(lines(tmp_path)) == ["a"]


def test_a_writer_that_is_held_up_takes_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(tmp_path)
    one = {
        "trial": "a", "scores": [], "status": "ok", "model": {"id": "m", "family": "f"},
        "dataset": {"id": "d"},
    }  # fmt: skip
    store.append(one)
    monkeypatch.setattr(journal, "_PATIENCE", 0.0)
    with journal.appending(tmp_path / "records.jsonl") as handle:
        assert journal.locked(handle)
        store.append({**one, "trial": "b"})
    assert set(lines(tmp_path)) == {"a", "b"}
    assert len(store.records()) == 2


def test_the_later_of_two_files_wins_by_its_time(tmp_path: Path) -> None:
    def record(when: str, weights: str, value: float) -> dict[str, object]:
        score = {"suite": "s", "metric": "fd", "embedder": None, "split": "test", "value": value}
        return {
            "trial": "a", "status": "ok", "started_at": when, "scores": [score],
            "model": {"id": "m", "family": "f", "checkpoint_sha256": weights},
            "dataset": {"id": "d"}, "seeds": {"seed": 0},
        }  # fmt: skip

    RunStore(tmp_path, writer="a").append(record("2026-02", "new", 2.0))
    RunStore(tmp_path, writer="b").append(record("2026-01", "old", 1.0))
    store = RunStore(tmp_path)
    assert [s["value"] for r in store.records() for s in r["scores"]] == [2.0]
    assert list(store.frame()["value"]) == [2.0]
