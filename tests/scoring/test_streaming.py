"""Samples that do not fit in memory: read once, in blocks, gone on with after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scored import by_metric
from tests_support import Cli, environment

from gengauge import bringing, intake
from gengauge.collection import Collection
from gengauge.errors import UsageError
from gengauge.metric import Embedder
from gengauge.rows import Held, Stored, moments_of
from gengauge.store import RunStore

BLOCK = 4096  # pictures of 8 x 8
EYES = {"embedders": ("counting",), "suites": ("fidelity",)}


@pytest.fixture
def eyes(registry, monkeypatch, tmp_path) -> Embedder:
    from fake_stream_targets import Counting

    monkeypatch.setenv("FAKE_SHOWN", str(tmp_path / "shown.txt"))
    return Counting()


def shown(tmp_path: Path) -> int:
    path = tmp_path / "shown.txt"
    return sum(map(int, path.read_text().split())) if path.exists() else 0


def opened(path: Path, registry):
    return bringing.bring(str(path), registry, "samples").only()


def test_features_of_all_are_kept_on_disk_and_made_once(pictures, registry, eyes, tmp_path):
    path = pictures("many", 2 * BLOCK + 100)
    found = intake.take_in(opened(path, registry), tmp_path / "in", {"counting": eyes}, "many")
    rows = found.rows(eyes)
    assert isinstance(rows, Stored)
    assert (len(rows), rows.width, rows.dtype) == (2 * BLOCK + 100, 6, "float32")
    x = torch.from_numpy(np.fromfile(path, np.uint8).reshape(-1, 1, 8, 8))
    expected = eyes.features(x)
    assert torch.allclose(torch.cat(list(rows.blocks())), expected, atol=1e-6)
    index = torch.tensor([0, 1, 2, BLOCK - 1, BLOCK, 2 * BLOCK + 99])
    assert torch.allclose(rows.pick(index), expected[index], atol=1e-6)
    assert torch.equal(found.picked(index), x[index])
    mean, covariance = moments_of(rows)
    assert torch.allclose(mean, expected.double().mean(0))
    assert torch.allclose(covariance, torch.cov(expected.double().T))
    (tmp_path / "shown.txt").unlink()
    again = intake.take_in(opened(path, registry), tmp_path / "in", {"counting": eyes}, "many")
    assert (again.sha256, shown(tmp_path)) == (found.sha256, 0)


@pytest.mark.parametrize("torn", ["features", "hash", "both"])
def test_what_was_cut_off_in_a_block_is_made_again_from_there(
    torn, pictures, registry, eyes, tmp_path
):
    collection = opened(pictures("many", 3 * BLOCK + 10), registry)
    whole = intake.take_in(collection, tmp_path / "in", {"counting": eyes}, "many")
    expected = torch.cat(list(whole.rows(eyes).blocks()))
    features = next(whole.folder.glob("*.rows"))
    if torn != "hash":
        os.truncate(features, BLOCK * 6 * 4 + 1001)  # one block and a part of a row
    if torn != "features":
        os.truncate(whole.folder / "blocks.txt", 65 + 17)
    (tmp_path / "shown.txt").unlink()
    again = intake.take_in(collection, tmp_path / "in", {"counting": eyes}, "many")
    assert again.sha256 == whole.sha256
    assert torch.equal(torch.cat(list(again.rows(eyes).blocks())), expected)
    assert shown(tmp_path) == (0 if torn == "hash" else 2 * BLOCK + 10)


def test_another_content_of_the_same_stamp_is_noticed_before_it_is_mixed(
    pictures, registry, eyes, tmp_path
):
    path = pictures("many", 2 * BLOCK)
    found = intake.take_in(opened(path, registry), tmp_path / "in", {"counting": eyes}, "many")
    os.truncate(next(found.folder.glob("*.rows")), 100)
    about = path.stat()
    pictures("many", 2 * BLOCK, seed=1)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    with pytest.raises(UsageError, match=r"'many' has changed since .* --fresh"):
        intake.take_in(opened(path, registry), tmp_path / "in", {"counting": eyes}, "many")


def test_a_file_that_ends_within_a_picture_is_named_and_nothing_is_scored(
    pictures, registry, tmp_path, score
):
    path, real = pictures("many", BLOCK + 50), pictures("real", 100, seed=1)
    os.truncate(path, 64 * (BLOCK + 20) + 5)
    with pytest.raises(UsageError, match=r"many.bytes' ends within picture 4116; write it again"):
        score(path, real, embedders=("counting",))
    assert not (tmp_path / "run" / "records.jsonl").exists()


def test_two_that_read_the_same_do_not_mix_features(pictures, registry, eyes, tmp_path):
    collection = opened(pictures("few", 100), registry)

    class Meanwhile:
        id, sha256 = "meanwhile", "0"

        def features(self, x):
            with pytest.raises(UsageError, match="is being read by another gengauge"):
                intake.take_in(collection, tmp_path / "in", {"counting": eyes}, "few")
            return x.flatten(1).float()

    intake.take_in(collection, tmp_path / "in", {"meanwhile": Meanwhile()}, "few")


def test_distances_of_all_come_from_blocks_and_pairs_from_a_part(pictures, score):
    samples, real = pictures("mine", 3000, light=10), pictures("real", 2500, seed=1)
    part = by_metric(score(samples, real, "part", **EYES, most=700))
    whole = by_metric(score(samples, real, "whole", **EYES))
    assert (part["fd"]["n_samples"], part["fd"]["n_reference"]) == (3000, 2500)
    assert part["fd"]["value"] == pytest.approx(whole["fd"]["value"], rel=1e-6)
    for name in ("fd", "fd_infinity"):
        assert part[name]["standard_error"] == pytest.approx(whole[name]["standard_error"], rel=0.3)
    apart = part["fd_infinity"]["value"] - whole["fd_infinity"]["value"]
    assert abs(apart) < part["fd_infinity"]["standard_error"]
    assert part["kid"]["n_samples"] == part["coverage"]["n_reference"] == 700
    assert part["kid"]["low"] < whole["kid"]["value"] < part["kid"]["high"]
    assert part["kid"]["comparability_key"] != whole["kid"]["comparability_key"]


def test_a_killed_reading_goes_on_from_its_last_block(cli: Cli, pictures, tmp_path, score):
    samples, real = pictures("mine", 3 * BLOCK), pictures("real", 200, seed=1)
    count = tmp_path / "shown.txt"
    command = ("score", samples.name, "--reference", real.name, "--embedder", "counting",
               "--plugin", "fake_streams", "--controls", "none", "--samples", "500", "-s",
               "fidelity")  # fmt: skip
    # the reference takes one call, each block of the samples nine
    died = cli(*command, env={"FAKE_SHOWN": str(count), "FAKE_DIE_AFTER": "15"})
    assert died.returncode == -signal.SIGKILL
    seen = sum(map(int, count.read_text().split()))
    count.unlink()
    done = cli(*command, env={"FAKE_SHOWN": str(count)})
    assert done.returncode == 0, done.stderr
    assert sum(map(int, count.read_text().split())) == 2 * BLOCK
    assert seen < 2 * BLOCK + 200
    [resumed] = RunStore(tmp_path / "runs/score").records()
    clean = score(samples, real, **EYES, most=500)
    for one, other in zip(resumed["scores"], clean["scores"], strict=True):
        assert (one["metric"], one["value"], one["low"]) == (
            other["metric"], other["value"], other["low"]
        )  # fmt: skip
    assert resumed["trial"] == clean["trial"]


PEAK = (
    "import sys; from gengauge.cli import _run; from gengauge.provenance import peak_host_memory; "
    "code = _run(sys.argv[1:]); print(peak_host_memory()); sys.exit(code)"
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_twenty_times_as_many_samples_take_no_more_memory(pictures, tmp_path):
    """Each number of samples in a process of its own: what is freed stays with a process."""

    def peak(n: int) -> int:
        name = pictures(f"n{n}", n).name
        done = subprocess.run(
            [sys.executable, "-c", PEAK, "score", name, "--reference", name, "--embedder",
             "counting", "--plugin", "fake_streams", "--controls", "none", "--samples", "500",
             "-s", "fidelity", "-o", f"run{n}"],
            cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return int(done.stdout.split()[-1])

    more = (800_000 - 40_000) * 64  # bytes of the pictures alone; they come and go as int64 too
    assert peak(800_000) - peak(40_000) < 0.6 * more


def test_a_file_that_cannot_be_read_in_the_middle_is_named(tmp_path):
    def read(start: int, stop: int) -> torch.Tensor:
        if start:
            raise PermissionError(13, "Permission denied", "pets/cat/17.png")
        return torch.zeros(stop - start, 2)

    found = Collection("points", 9000, (2,), read)
    with pytest.raises(UsageError, match=r"'pets/cat/17.png' cannot be read: Permission denied"):
        intake.take_in(found, tmp_path, {}, "pets")


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs limits of the size of files")
def test_a_full_disk_is_said_and_nothing_half_written_is_left(cli: Cli, pictures, tmp_path):
    samples, real = pictures("mine", 2 * BLOCK), pictures("real", 100, seed=1)
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000)); "
        "from gengauge.cli import main; main(sys.argv[1:])"
    )
    words = ["score", samples.name, "--reference", real.name, "--embedder", "counting", "-s",
             "fidelity", "--plugin", "fake_streams", "--controls", "none"]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=tmp_path,
                          env=environment(), capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert "cannot be written" in line
    assert "the same command goes on from there" in line
    assert not (tmp_path / "runs/score/records.jsonl").exists()


@pytest.mark.parametrize(
    ("levels", "value", "said"),
    [(None, float("nan"), "not finite"), (None, float("inf"), "not finite"),
     (17, 17, "none of the 17 levels 0 to 16"), (17, -1, "none of the 17 levels")],
)  # fmt: skip
def test_what_a_reader_lets_through_is_found_with_its_number(levels, value, said, tmp_path):
    x = torch.zeros(9000, 2, dtype=torch.int64 if levels else torch.float32)
    x[8191, 1] = value
    found = Collection("points", len(x), (2,), lambda start, stop: x[start:stop], levels)
    with pytest.raises(UsageError, match=rf"example 8191 of 'it' holds .*{said}"):
        intake.take_in(found, tmp_path, {}, "it")


def test_rows_in_memory_and_on_disk_read_alike(tmp_path):
    x = torch.randn(10, 3)
    x.numpy().tofile(tmp_path / "x.rows")
    on_disk = Stored(tmp_path / "x.rows", 3, "float32", 10)
    index = torch.tensor([0, 4, 5, 9])
    assert torch.equal(on_disk.pick(index), Held(x).pick(index))
    assert torch.equal(torch.cat(list(on_disk.blocks())), torch.cat(list(Held(x).blocks())))
    assert on_disk.pick(index[:0]).shape == (0, 3)
