"""No pickle is read without trust; inputs are measured before they are unpacked."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gengauge import guarded, trust
from gengauge.cli import _run
from gengauge.errors import UsageError


class Program:
    """What a stranger's pickle does when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once a program has run; nobody is trusted to begin with."""
    monkeypatch.setenv("GENGAUGE_TRUST", "")
    return tmp_path / "ran"


Told = Callable[..., tuple[int, str]]


@pytest.fixture
def told(
    mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Told:
    """The command line in this process, in an empty folder: exit code and what stderr says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["gengauge", *arguments])
        return _run(list(arguments)), capsys.readouterr().err

    return run


def bomb(path: Path, size: int = 1 << 24) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(size))
    return path


@pytest.mark.parametrize("library", ["pickle", "torch", "numpy"])
def test_a_program_in_a_pickle_does_not_run(
    mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    path = tmp_path / "weights"
    if library == "torch":
        torch.save({"w": torch.zeros(2), "program": Program(mark)}, path)
    else:
        path.write_bytes(pickle.dumps(Program(mark)))

    def read() -> None:
        if library == "torch":
            torch.load(path, weights_only=False)  # as libraries do, whatever their users wish
        elif library == "numpy":
            np.load(path, allow_pickle=True)
        else:
            pickle.loads(path.read_bytes())

    with pytest.raises(UsageError, match=r"the file of 'net' holds a pickle.*--trust"), (
        trust.no_pickles("the file of 'net'")
    ):  # fmt: skip
        read()
    assert not mark.exists()
    monkeypatch.setenv("GENGAUGE_TRUST", "1")
    with trust.no_pickles("the file of 'net'"):
        read()
    assert mark.exists()


def test_tensors_are_read_and_nothing_is_left_behind(
    mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"w": torch.arange(3)}, tmp_path / "w.pth")
    with trust.no_pickles("it"):
        assert torch.load(tmp_path / "w.pth")["w"].tolist() == [0, 1, 2]
    assert pickle.loads(pickle.dumps(Path("a"))) == Path("a")
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"


PLUGIN = """
import pickle
import gengauge

@gengauge.hookimpl
def gengauge_models():
    return [gengauge.ModelSpec(id="pickled", family="f", summary="Keeps itself in a pickle.",
                               target="keeps_pickles:Model", modalities=("points",))]

class Model:
    def fit(self, data, run):
        self.mean = data.train.x.mean(0)
        run.spend(1, 1)
    def sample(self, n, condition, generator):
        import torch
        return self.mean + torch.randn(n, len(self.mean), generator=generator)
    def save(self, folder):
        (folder / "model.pkl").write_bytes(pickle.dumps(self))
    def load(self, folder, device):
        self.mean = pickle.loads((folder / "model.pkl").read_bytes()).mean
"""


def test_a_plugin_that_unpickles_its_checkpoint_needs_trust(told: Told, tmp_path: Path) -> None:
    (tmp_path / "keeps_pickles.py").write_text(PLUGIN)
    line = ("run", "-m", "pickled", "-d", "points/moons", "--plugin", "keeps_pickles", "--limit",
            "100", "--samples", "20", "-o", "out", "--no-isolate")  # fmt: skip
    assert told(*line, "-s", "likelihood")[0] == 0
    code, err = told(*line, "-s", "likelihood", "-s", "utility")
    assert code == 3
    assert "the checkpoint of 'pickled' holds a pickle" in err
    assert "--trust" in err
    assert told(*line, "-s", "utility", "--trust")[0] == 0


def test_arrays_are_read(tmp_path: Path) -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.array(["a", "bc"])
    np.savez_compressed(tmp_path / "a.npz", x=x, y=y)
    np.save(tmp_path / "a.npy", x)
    found = guarded.load_arrays(tmp_path / "a.npz")
    assert (found["x"] == x).all()
    assert (found["y"] == y).all()
    assert (guarded.load_arrays(tmp_path / "a.npy")["x"] == x).all()


def test_arrays_of_objects_are_pickles(
    mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "o.npz", x=np.array([Program(mark)], dtype=object))
    with pytest.raises(UsageError, match=r"'x.npy' of .* is of Python objects.*--trust"):
        guarded.load_arrays(tmp_path / "o.npz")
    assert not mark.exists()
    monkeypatch.setenv("GENGAUGE_TRUST", "1")
    guarded.load_arrays(tmp_path / "o.npz")
    assert mark.exists()


def lying(path: Path, shape: tuple[int, ...]) -> Path:
    """An array whose header promises more than there is."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(64))
    return path


@pytest.mark.parametrize("shape", [(1 << 40,), (9,), (1 << 62, 1 << 62)])
def test_a_header_that_promises_too_much_allocates_nothing(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    with pytest.raises(UsageError, match="no array to be read"):
        guarded.load_arrays(lying(tmp_path / "lie.npz", shape))


def test_zip_and_gzip_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "1M")
    path = bomb(tmp_path / "b.npz")
    assert path.stat().st_size < 1 << 16
    with pytest.raises(UsageError, match=r"16,777,\d+ bytes or more.*GENGAUGE_MAX_INPUT"):
        guarded.load_arrays(path)
    (tmp_path / "b.gz").write_bytes(gzip.compress(bytes(1 << 24)))
    with pytest.raises(UsageError, match="at most 1,048,576"):
        guarded.read_input(tmp_path / "b.gz")
    with pytest.raises(UsageError, match="at most 1,048,576"):
        guarded.check_archive(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 100])
def test_what_is_no_archive_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "no.npz").write_bytes(content)
    with pytest.raises(UsageError, match="no whole zip archive"):
        guarded.load_arrays(tmp_path / "no.npz")
    (tmp_path / "no.npy").write_bytes(content)
    with pytest.raises(UsageError, match="no array to be read"):
        guarded.load_arrays(tmp_path / "no.npy")


@pytest.mark.parametrize(
    ("text", "size"), [("", 8 << 30), ("3", 3), ("2K", 2048), ("1.5", None), ("8GiB", 8 << 30)]
)
def test_the_limit_is_bytes_or_a_size(
    monkeypatch: pytest.MonkeyPatch, text: str, size: int | None
) -> None:
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", text)
    if size is None:
        with pytest.raises(UsageError, match="GENGAUGE_MAX_INPUT"):
            guarded.most()
    else:
        assert guarded.most() == size


def test_a_text_beyond_the_limit_is_one_line(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "long.txt").write_text("word " * 4000)
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "10K")
    code, err = told("run", "-m", "bigram", "-d", "text:long.txt")
    assert code == 2
    [line] = err.splitlines()
    assert "holds 20,000 bytes or more" in line


def test_a_server_that_sends_too_much_is_cut_off(tmp_path: Path) -> None:
    from gengauge.specs import WeightsFile
    from gengauge.weights import FetchError, fetch

    (tmp_path / "big").write_bytes(bytes(1 << 16))
    url = (tmp_path / "big").as_uri()
    with pytest.raises(FetchError, match="it sends more than 10 bytes"):
        fetch(WeightsFile("big.pth", 10, "0" * 64, url))


def test_provenance_says_what_decides(told: Told, tmp_path: Path) -> None:
    line = ("run", "-m", "gmm", "-d", "points/moons", "-s", "likelihood", "--limit", "100",
            "--samples", "20", "--budget", "2steps", "-o", "out", "--no-isolate")  # fmt: skip
    assert told(*line)[0] == 0
    record = json.loads((tmp_path / "out" / "records.jsonl").read_text())
    assert record["command_line"] == " ".join(["gengauge", *line])
    assert record["command"].startswith("gengauge run quick -m ")
    path = tmp_path / "out" / "environments" / f"{record['environment']}.json"
    environment = json.loads(path.read_text())
    assert environment["packages"].keys() >= {"torch", "diffusers", "safetensors", "timm"}
    assert environment.keys() >= {"git", "cpu", "cores", "gpu", "memory", "deterministic"}
    assert environment["determinism"].keys() >= {"cudnn", "float32 matmul", "PYTHONHASHSEED"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "by: gengauge run -m gmm" in page
    assert "float32 matmul" in page
