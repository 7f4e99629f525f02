"""A full disk or a folder that cannot be written: one clear line, earlier records intact."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_survey import survived
from tests_support import Cli, command_line, environment

from gengauge import RunStore
from gengauge.errors import StorageError

RUN = ("run", "-d", "points/moons", "--plugin", "fault_models", "--limit", "400", "--samples",
       "40", "-s", "likelihood", "-o", "out")  # fmt: skip
FULL = "'out' cannot be written: {}; what was finished is kept: the same command goes on from there"


def padded(path: Path, size: int) -> bytes:
    """Make a records file ``size`` bytes long by spaces, which no reader minds."""
    content = path.read_bytes()
    content += b" " * (size - len(content) - 1) + b"\n"
    path.write_bytes(content)
    return content


def test_a_record_that_does_not_fit_leaves_nothing_of_itself(
    cli: Cli, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    """The largest size of a file stands in for the size of a disk: a write stops in its middle."""
    assert cli(*RUN, "-m", "healthy").returncode == 0
    most = 100 + max(p.stat().st_size for p in (tmp_path / "out").rglob("*") if p.suffix != ".html")
    before = padded(tmp_path / "out/records.jsonl", most - 100)
    command = command_line(*RUN, "-m", "healthy", "-m", "slow-healthy")
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1] == f"error: {FULL.format('File too large')}"
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out/records.jsonl").read_bytes() == before

    again = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120
    )
    assert again.returncode == 0, again.stderr
    assert "damaged" not in again.stderr
    records = RunStore(tmp_path / "out").records()
    assert [r["model"]["id"] for r in records] == ["healthy", "slow-healthy"]
    survived(record_property, 1, lost=2 - len(records))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_run_and_not_the_trials(
    cli: Cli, tmp_path: Path, small_disk: Path, record_property: pytest.RecordProperty
) -> None:
    arguments = (*RUN[:-1], small_disk / "out")
    models = ("-m", "healthy", "-m", "slow-healthy")
    cli(*arguments, "-m", "healthy")
    (small_disk / "out/report.html").unlink(missing_ok=True)
    before = (small_disk / "out/records.jsonl").read_bytes()
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        size = 1 << 16
        while size >= 512:
            try:
                filler.write(bytes(size))
            except OSError:
                size //= 2
    done = cli(*arguments, *models)
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "No space left on device" in last
    assert str(small_disk / "out") in last
    assert "Traceback" not in done.stderr
    assert (small_disk / "out/records.jsonl").read_bytes() == before

    (small_disk / "filler").unlink()
    cli(*arguments, *models)  # the report does not fit, the records do
    records = RunStore(small_disk / "out").records()
    assert {r["model"]["id"]: r["status"] for r in records} == {
        "healthy": "ok", "slow-healthy": "ok",
    }  # fmt: skip
    survived(record_property, 1, lost=2 - len(records))


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    folder = Path("/sys/gengauge")  # not even root may
    if os.geteuid():
        tmp_path.chmod(0o500)
        folder = tmp_path / "out"
    done = subprocess.run(
        command_line(*RUN[:-1], folder, "-m", "healthy"), env=environment(), capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    tmp_path.chmod(0o700)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert str(folder) in done.stderr
    survived(record_property, 1, lost=0)


def test_the_store_says_which_folder_and_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(tmp_path / "out")
    store.append({"trial": "a", "scores": [], "status": "ok"})
    before = (tmp_path / "out/records.jsonl").read_bytes()
    write = os.write

    def fills_up(handle: int, content: bytes) -> int:
        if len(content) < 30:
            raise OSError(28, "No space left on device")
        return write(handle, content[:-20])  # as a disk does: a part, and not a word

    monkeypatch.setattr(os, "write", fills_up)
    with pytest.raises(StorageError, match="out' cannot be written: No space left on device"):
        store.append({"trial": "b", "scores": [], "status": "ok"})
    with pytest.raises(StorageError, match="out' cannot be written"):
        store.check()
    monkeypatch.undo()
    assert (tmp_path / "out/records.jsonl").read_bytes() == before
    store.append({"trial": "c", "scores": [], "status": "ok"})
    lines = (tmp_path / "out/records.jsonl").read_text().splitlines()
    assert [json.loads(line)["trial"] for line in lines] == ["a", "c"]
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out/records.jsonl"]
