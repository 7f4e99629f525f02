"""A training checkpoint reaches the URL while its trial still runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest

from gengauge.errors import StorageError
from gengauge.keeping import Keeping
from gengauge.store import RunStore


class Silent:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, tasks: Any) -> None:
        self.heard.append("started")

    def stage(self, task: Any, stage: str, fraction: float) -> None:
        self.heard.append(stage)

    def finished(self, task: Any, record: Any, seconds: float) -> None:
        self.heard.append("finished")


TASK: Any = SimpleNamespace(trial=SimpleNamespace(key="a"))


def told(store: RunStore, every: float) -> list[str]:
    listener = Silent()
    keeping = Keeping(listener, store, every)
    keeping.started([TASK])
    for _ in range(3):
        keeping.stage(TASK, "train", 0.5)
    keeping.close()
    keeping.finished(TASK, {}, 1.0)
    return listener.heard


def test_a_checkpoint_is_brought_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENGAUGE_CACHE_DIR", str(tmp_path))
    store = RunStore(f"memory://{tmp_path.name}")
    part = store.trial_folder("a") / "training/loop-0.safetensors"
    part.parent.mkdir(parents=True)
    part.write_text("step 10")
    there = fsspec.filesystem("memory")
    assert told(store, every=3600) == ["started", "train", "train", "train", "finished"]
    assert not there.exists(f"/{tmp_path.name}/trials/a/training/loop-0.safetensors")
    told(store, every=0)
    assert there.cat(f"/{tmp_path.name}/trials/a/training/loop-0.safetensors") == b"step 10"


def test_a_network_that_is_gone_is_said_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = RunStore(tmp_path)

    def gone(key: str) -> None:
        raise StorageError("'s3://b/run' cannot be reached")

    monkeypatch.setattr(store, "push", gone)
    assert told(store, every=0)[-1] == "finished"
    assert capsys.readouterr().err.count("a checkpoint stays on this machine") == 1
