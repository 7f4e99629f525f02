"""Nothing finished is lost: cut-off lines, damaged lines, repeated and failed records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gengauge.errors import UsageError
from gengauge.store import COLUMNS, RunStore


def record(trial: str, status: str = "ok", **scores: float) -> dict[str, Any]:
    return {
        "trial": trial,
        "status": status,
        "started_at": "2026-01-01",
        "model": {"id": "m", "family": "f", "checkpoint_sha256": "c"},
        "dataset": {"id": "d"},
        "seeds": {"seed": 0},
        "error": None if status == "ok" else {"type": "ValueError", "message": "boom"},
        "scores": [
            {"suite": "s", "metric": name, "embedder": None, "split": "test", "value": value}
            for name, value in scores.items()
        ],
    }


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "run")


def values(store: RunStore) -> dict[str, dict[str, float]]:
    return {r["trial"]: {s["metric"]: s["value"] for s in r["scores"]} for r in store.records()}


def test_round_trip(store: RunStore) -> None:
    store.append(record("a", fd=1.0))
    store.append(record("b", fd=2.0))
    assert values(store) == {"a": {"fd": 1.0}, "b": {"fd": 2.0}}
    assert store.warnings == []


@pytest.mark.parametrize("keep", [1, 10, -2])
def test_a_cut_off_line_costs_only_itself(store: RunStore, keep: int) -> None:
    store.append(record("a", fd=1.0))
    store.append(record("b", fd=2.0))
    path = store.folder / "records.jsonl"
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:keep])
    assert values(store) == {"a": {"fd": 1.0}}
    [warning] = store.warnings
    assert "line 2 is cut off" in warning
    store.append(record("c", fd=3.0))  # goes on after the stump
    assert values(store) == {"a": {"fd": 1.0}, "c": {"fd": 3.0}}


@pytest.mark.parametrize("junk", [b"\x00\xff\n", b"[]\n", b'{"trial": "x"}\n', b"null\n"])
def test_a_damaged_line_hides_no_other(store: RunStore, junk: bytes) -> None:
    store.append(record("a", fd=1.0))
    with (store.folder / "records.jsonl").open("ab") as handle:
        handle.write(junk)
    store.append(record("b", fd=2.0))
    assert list(values(store)) == ["a", "b"]
    assert "line 2 is damaged" in store.warnings[0]


def test_scores_of_a_second_pass_are_merged(store: RunStore) -> None:
    store.append(record("a", fd=1.0, kid=0.1))
    store.append(record("a", fd=1.5, nll=3.0))
    assert values(store) == {"a": {"fd": 1.5, "kid": 0.1, "nll": 3.0}}


def test_a_retrained_model_keeps_no_old_score(store: RunStore) -> None:
    store.append(record("a", fd=1.0, kid=0.1))
    again = record("a", fd=2.0)
    again["model"]["checkpoint_sha256"] = "another"
    store.append(again)
    assert values(store) == {"a": {"fd": 2.0}}


def test_a_failure_never_hides_a_success_and_a_success_replaces_a_failure(store: RunStore) -> None:
    store.append(record("a", fd=1.0))
    store.append(record("a", "failed"))
    store.append(record("b", "failed"))
    store.append(record("b", fd=2.0))
    assert [r["status"] for r in store.records()] == ["ok", "ok"]


def test_several_writers_are_merged_on_read(store: RunStore) -> None:
    store.append(record("a", fd=1.0))
    other = store.folder / "records-node7.jsonl"
    other.write_text(json.dumps(record("b", fd=2.0)) + "\n")
    assert set(values(store)) == {"a", "b"}


def test_not_a_number_never_reaches_the_file(store: RunStore) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        store.append(record("a", fd=float("nan")))
    assert not (store.folder / "records.jsonl").exists()


def test_frame_is_tidy_and_shows_failures(store: RunStore) -> None:
    store.append(record("a", fd=1.0, kid=0.1))
    store.append(record("b", "failed"))
    frame = store.frame()
    assert list(frame.columns) == list(COLUMNS)
    assert list(frame["trial"]) == ["a", "a", "b"]
    assert frame["reason"].iloc[2] == "ValueError: boom"


def test_opening_what_is_not_a_run_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no records.jsonl in it"):
        RunStore.open(tmp_path)
