"""Points that the user brings in a file of arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from gengauge.cli import _run
from gengauge.errors import UsageError
from gengauge.loading import load_dataset
from gengauge.registry import Registry


def data(path: Path):
    return load_dataset(Registry().find("datasets", f"npz:{path}"))


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(50, 3))


def test_one_array_is_split_and_three_are_kept(tmp_path: Path, x: np.ndarray) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=x)
    np.save(tmp_path / "moved.npy", x)
    whole = data(tmp_path / "a.npz")
    assert [len(s) for s in (whole.train, whole.validation, whole.test)] == [30, 10, 10]
    rows = np.concatenate([s.x for s in (whole.train, whole.validation, whole.test)])
    assert {tuple(r) for r in rows} == {tuple(r) for r in x.astype(np.float32)}
    assert data(tmp_path / "moved.npy").fingerprint == whole.fingerprint
    np.savez(tmp_path / "b.npz", train=x[:20], validation=x[20:30], test=x[30:])
    assert (data(tmp_path / "b.npz").test.x.numpy() == x[30:].astype(np.float32)).all()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": np.zeros((20, 2))}, "holds the arrays 'y'; expected x"),
        ({"x": np.zeros(20)}, r"shape \[20\]; expected numbers"),
        ({"x": np.zeros((3, 2))}, "of 10 points or more"),
        ({"x": np.array([["a"] * 2] * 20)}, "expected numbers"),
        ({"x": np.full((20, 2), np.nan)}, "not finite"),
        ({"x": np.array([[{}]] * 20)}, "Python objects.*--trust"),
        ({"train": np.zeros((20, 2)), "validation": np.zeros((20, 2)), "test": np.zeros((20, 3))},
         "same examples of shape.*3.*in test"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrays: dict, said: str
) -> None:
    monkeypatch.setenv("GENGAUGE_TRUST", "")
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UsageError, match=said):
        data(tmp_path / "bad.npz")


def test_bombs_and_missing_files_are_one_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "1M")
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(1 << 24))
    (tmp_path / "cut.npz").write_bytes(Path("bomb.npz").read_bytes()[:100])
    for name, said in (
        ("bomb.npz", "holds 16,777,216 bytes or more when unpacked"),
        ("cut.npz", "no whole zip archive"),
        ("none.npz", "cannot be read: No such file"),
    ):
        assert _run(["run", "-m", "gmm", "-d", f"npz:{name}"]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
        assert name in line
    assert not (tmp_path / "runs").exists()
