"""A run at a URL: in memory, and on a real S3 server on this machine's loopback."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer
from tests_support import command_line, environment
from tests_writers import write_at_once

from gengauge import mirror, remote, segments
from gengauge.errors import StorageError, UsageError
from gengauge.store import RunStore

KEY, SECRET = "AKIAEXAMPLE", "wJalrXUtnFEMI"


def record(trial: str, **scores: float) -> dict[str, Any]:
    return {
        "trial": trial,
        "status": "ok",
        "started_at": "2026-01-01T00:00:00",
        "model": {"id": "m", "family": "f", "checkpoint_sha256": "c"},
        "dataset": {"id": "d"},
        "seeds": {"seed": 0},
        "error": None,
        "scores": [
            {"suite": "s", "metric": name, "embedder": None, "split": "test", "value": value}
            for name, value in (scores or {"fd": 1.0}).items()
        ],
    }


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENGAUGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "PAUSES", (0.01, 0.01))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own, reached with nothing but what users of S3 have set anyway."""
    for name, value in (
        ("AWS_ENDPOINT_URL", server), ("AWS_ACCESS_KEY_ID", KEY), ("AWS_REGION", "us-east-1"),
        ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_DEFAULT_REGION", "us-east-1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    name = "b" + str(abs(hash(request.node.name)))[:12]
    boto3.client("s3", endpoint_url=server).create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return f"memory://{tmp_path.name}/run"
    return f"{request.getfixturevalue('bucket')}/a/run"


def names(url: str) -> list[str]:
    system, root = fsspec.core.url_to_fs(url)
    system.invalidate_cache()
    return sorted(name[len(root) :].lstrip("/") for name in system.find(root))


def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str = "other") -> None:
    """Be another machine from here on: one that has no copy of anything."""
    monkeypatch.setenv("GENGAUGE_CACHE_DIR", str(tmp_path / name))


def write(store: RunStore, key: str, name: str, content: str) -> None:
    path = store.trial_folder(key) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_what_one_machine_writes_another_reads(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(url)
    write(store, "a", "curve.jsonl", '{"step": 1}\n')
    write(store, "a", "checkpoint/model.safetensors", "weights")
    write(store, "a", "half.tmp", "no")
    store.add_environment("e1", {"python": "3"})
    store.add_metrics({"fd": {"label": "FD"}})
    store.append(record("a", fd=1.0))
    store.append(record("b", fd=2.0))
    elsewhere(monkeypatch, tmp_path)
    other = RunStore.open(url)
    assert list(other.frame()["value"]) == [1.0, 2.0]
    assert other.environments() == {"e1": {"python": "3"}}
    assert other.metrics() == {"fd": {"label": "FD"}}
    assert other.curve("a") == [{"step": 1}]
    folder = other.trial_folder("a")
    assert not (folder / "checkpoint").exists()  # no report shows it
    other.pull("a")
    assert (folder / "checkpoint/model.safetensors").read_text() == "weights"
    assert not [name for name in names(url) if "tmp" in name or "mirror" in name]


def test_a_record_comes_after_all_that_it_refers_to(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(url)
    store.add_environment("e1", {})
    write(store, "a", "samples.png", "png")
    there: list[list[str]] = []
    put = remote.Remote.write

    def looking(self: remote.Remote, name: str, content: bytes) -> None:
        there.append(names(url))
        put(self, name, content)

    monkeypatch.setattr(remote.Remote, "write", looking)
    store.append(record("a"))
    assert there == [["environments/e1.json", "trials/a/samples.png"]]


def test_only_what_changed_is_brought(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(url)
    sent: list[str] = []
    put = remote.Remote.put

    def counting(self: remote.Remote, files: Any) -> None:
        listed = list(files)
        sent.extend(name for _, name in listed)
        put(self, listed)

    monkeypatch.setattr(remote.Remote, "put", counting)
    for name in ("x.png", "training/loop-0.safetensors"):
        write(store, "a", name, "1")
    store.push("a")
    assert sent == ["trials/a/training/loop-0.safetensors", "trials/a/x.png"]
    store.push("a")
    RunStore(url).push("a")  # another process of this machine
    assert len(sent) == 2
    write(store, "a", "training/loop-0.safetensors", "2")
    store.push("a")
    assert sent[2:] == ["trials/a/training/loop-0.safetensors"]
    shutil.rmtree(store.trial_folder("a") / "training")
    store.push("a")
    assert names(url) == ["trials/a/x.png"]


def test_training_goes_on_on_another_machine(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.environ["GENGAUGE_CACHE_DIR"]
    first = RunStore(url)
    write(first, "a", "training/loop-0.safetensors", "step 10")
    first.push("a")
    elsewhere(monkeypatch, tmp_path)
    second = RunStore(url)
    second.pull("a")
    part = second.trial_folder("a") / "training/loop-0.safetensors"
    assert part.read_text() == "step 10"
    part.write_text("step 20")
    second.push("a")
    monkeypatch.setenv("GENGAUGE_CACHE_DIR", here)
    third = RunStore(url)
    third.pull("a")  # of the same size and newer there
    assert (third.trial_folder("a") / "training/loop-0.safetensors").read_text() == "step 20"
    write(third, "a", "training/loop-0.safetensors", "step 30")
    third.pull("a")  # what is newer here stays
    assert (third.trial_folder("a") / "training/loop-0.safetensors").read_text() == "step 30"


def test_beginning_afresh_leaves_nothing_of_before(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = RunStore(url)
    write(first, "a", "checkpoint/old", "1")
    first.append(record("a"))
    elsewhere(monkeypatch, tmp_path)
    second = RunStore(url)
    second.pull("a", replace=True)
    assert not second.trial_folder("a").exists()
    write(second, "a", "checkpoint/new", "2")
    second.append(record("a"))
    assert [n for n in names(url) if n.startswith("trials")] == ["trials/a/checkpoint/new"]


def test_record_files_are_closed_at_some_size(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "LONGEST", 1000)
    store = RunStore(url)
    for i in range(12):
        store.append(record(f"t{i}"))
    files = [name for name in names(url) if name.startswith("records")]
    assert 2 < len(files) < 12
    assert len(RunStore.open(url).records()) == 12


class Broken:
    """The network is gone for the next ``times`` calls of one kind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: RunStore, call: str, times: int):
        assert store._mirror
        system, _ = store._mirror.remote._place
        works, self.left, self.seen = getattr(system, call), times, 0

        def fails(*arguments: Any, **named: Any) -> Any:
            if self.left:
                self.left, self.seen = self.left - 1, self.seen + 1
                raise ConnectionResetError(f"reset by s3://{KEY}:{SECRET}@host")
            return works(*arguments, **named)

        monkeypatch.setattr(system, call, fails)


@pytest.mark.parametrize("call", ["put", "pipe_file", "find"])
def test_a_passing_fault_is_sat_out(url: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(url)
    write(store, "a", "x.png", "png")
    broken = Broken(monkeypatch, store, call, 2)
    store.append(record("a"))
    assert broken.seen == 2
    assert len(RunStore.open(url).records()) == 1


@pytest.mark.parametrize("call", ["put", "pipe_file"])
def test_what_could_not_be_brought_is_brought_by_the_next_run(
    url: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(url)
    store.append(record("a"))
    write(store, "b", "x.png", "png")
    with monkeypatch.context() as patch:
        Broken(patch, store, call, 99)
        with pytest.raises(StorageError, match="the same command goes on") as caught:
            store.append(record("b"))
        assert SECRET not in str(caught.value)
        assert str(caught.value).startswith(f"'{url}' cannot be reached: ConnectionResetError")
    assert [r["trial"] for r in store.records()] == ["a", "b"]  # this machine knows
    elsewhere(monkeypatch, tmp_path)
    assert [r["trial"] for r in RunStore(url).records()] == ["a"]
    monkeypatch.setenv("GENGAUGE_CACHE_DIR", str(tmp_path / "cache"))
    store._segments._owner = -1  # the process has ended
    os.close(store._segments._lock)
    RunStore(url).push_shared()
    elsewhere(monkeypatch, tmp_path)
    assert {r["trial"] for r in RunStore(url).records()} == {"a", "b"}
    assert "trials/b/x.png" in names(url)


def test_a_run_that_was_removed_there_does_not_come_back(url: str) -> None:
    RunStore(url).append(record("a"))
    system, root = fsspec.core.url_to_fs(url)
    system.rm(root, recursive=True)
    store = RunStore(url)
    assert store.records() == []
    store.push_shared()
    with pytest.raises(UsageError, match="is not a run"):
        RunStore.open(url)


def test_a_damaged_copy_is_no_harm(url: str, cache: Path) -> None:
    RunStore(url).append(record("a"))
    for note in cache.rglob(f"{mirror.NOTES}/*"):
        note.write_text("{[")
    store = RunStore(url)
    assert len(store.records()) == 1
    store.append(record("b"))
    assert {r["trial"] for r in RunStore(url).records()} == {"a", "b"}


def test_a_store_can_be_sent_to_another_process(url: str) -> None:
    RunStore(url).append(record("a"))
    store: RunStore = pickle.loads(pickle.dumps(RunStore(url)))
    assert len(store.records()) == 1


def test_credentials_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, secret = RunStore("memory://me@host/run"), RunStore("memory://me:hunter2@host/run")
    assert secret.address == "memory://***@host/run"
    assert secret.folder == plain.folder
    with pytest.raises(UsageError, match=r"'nosuch://\*\*\*@host/run' cannot be opened") as caught:
        RunStore.open("nosuch://me:hunter2@host/run")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(UsageError, match="was a URL"):
        RunStore(Path("s3://bucket/run"))


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    for name in ("_registry", "registry"):
        monkeypatch.setattr(sys.modules["fsspec.registry"], name, {})
    with pytest.raises(UsageError, match=r"needs pip install 'gengauge\[s3\]'"):
        RunStore.open("s3://bucket/run")


def test_a_bucket_that_is_not_there_is_said_before_anything_is_run(bucket: str) -> None:
    store = RunStore(f"{bucket}-missing/run")
    store.folder.mkdir(parents=True)
    (store.folder / "benchmark.toml").write_text("")
    with pytest.raises(StorageError, match="-missing/run' cannot be reached"):
        store.push_shared()


RUN = ("run", "-d", "points/moons", "--plugin", "fake_models", "--limit", "400", "--samples", "40",
       "-s", "likelihood", "--no-isolate")  # fmt: skip


@pytest.mark.slow
def test_run_and_report_take_a_bucket(bucket: str, tmp_path: Path) -> None:
    place = f"{bucket}/run"

    def go(*arguments: object, machine: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command_line(*arguments), cwd=tmp_path, capture_output=True, text=True, timeout=120,
            env={**environment(), "GENGAUGE_CACHE_DIR": str(tmp_path / machine)},
        )  # fmt: skip

    first = go(*RUN, "-m", "real", "-o", place, machine="one")
    assert first.returncode == 0, first.stderr
    assert f"report: {place}/report.html" in first.stderr
    second = go(*RUN, "-m", "real", "-m", "noise", "-o", place, machine="two")
    assert second.returncode == 0, second.stderr
    assert "1 of 2 trials are done already" in second.stderr
    assert {n.split("/")[0] for n in names(place) if "records" not in n} == {
        "benchmark.toml", "datasets", "environments", "report.html", "trials",
        next(n for n in names(place) if n.startswith("metrics-")),
    }  # fmt: skip
    rows = json.loads(go("report", place, "--format", "json", machine="three").stdout)
    assert {r["model"] for r in rows} == {"real", "noise"}
    page = go("report", place, "--format", "html", "-o", "page.html", machine="three")
    assert page.returncode == 0, page.stderr
    assert not any(tmp_path.rglob("s3:*"))


@pytest.mark.parametrize(
    ("writers", "count"), [(3, 8), pytest.param(8, 200, marks=pytest.mark.slow)]
)
def test_many_processes_write_one_bucket(
    bucket: str, writers: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_at_once(f"{bucket}/run", writers, count)
    elsewhere(monkeypatch, tmp_path)
    store = RunStore.open(f"{bucket}/run")
    expected = {f"{w}-{i}" for w in range(writers) for i in range(count)}
    assert {r["trial"] for r in store.records()} == expected
    files = store.folder.glob("records*.jsonl")
    assert sum(len(p.read_text().splitlines()) for p in files) == writers * count
    assert store.warnings == []
