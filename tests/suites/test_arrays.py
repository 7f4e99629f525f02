"""Points and pictures that the user brings in a file of arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path

import images
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

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
        ({"x": np.zeros((3, 2))}, "holds 3 examples, and 10 or more"),
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
    np.save("whole.npy", np.zeros((20, 100)))
    (tmp_path / "cut.npy").write_bytes(Path("whole.npy").read_bytes()[:-8])
    (tmp_path / "cut.safetensors").write_bytes(b"\x09\0\0\0\0\0\0\0{")
    (tmp_path / "text.npz").write_text("x, y")
    (tmp_path / "text.csv").write_text("x, y")
    (tmp_path / "empty.npy").touch()
    (tmp_path / "folder.npz").mkdir()
    for name, said in (
        ("bomb.npz", "holds 16,777,216 bytes or more when unpacked"),
        ("cut.npz", "no whole zip archive"),
        ("cut.npy", "promises"),
        ("cut.safetensors", "no whole safetensors file"),
        ("text.npz", "no whole zip archive"),
        ("text.csv", "is no .npy, .npz or .safetensors; give such a file"),
        ("empty.npy", "is no .npy, .npz"),
        ("folder.npz", "cannot be read: Is a directory"),
        ("none.npz", "cannot be read: No such file"),
    ):
        assert _run(["run", "-m", "gmm", "-d", f"npz:{name}"]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
        assert name in line
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def shots() -> np.ndarray:
    return images.values(0, 20, 6, 4, 3)


def written(path: Path, **arrays: np.ndarray) -> Path:
    """Write arrays as the ending of ``path`` says; packed where it says so, too."""
    if path.suffix == ".npy":
        np.save(path, *arrays.values())
    elif path.suffix == ".safetensors":
        save_file({name: np.ascontiguousarray(x) for name, x in arrays.items()}, path)
    else:
        (np.savez_compressed if "packed" in path.name else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "packed.npz", "a.safetensors"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2)], ids=["nhwc", "nchw"])
def test_pictures_are_read_in_blocks_from_every_file(
    tmp_path: Path, shots: np.ndarray, name: str, order: tuple[int, ...]
) -> None:
    path = written(tmp_path / name, x=shots.transpose(order))
    spec = images.spec(f"npz:{path}")
    assert (spec.modality, spec.levels) == ("image", 256)
    assert spec.embedders == ("inception", "dinov2", "identity")
    part = images.parts(f"npz:{path}")["all"]
    assert (part.count, part.event_shape, part.levels) == (20, (3, 6, 4), 256)
    found = part.read(7, 9)
    assert found.dtype == torch.uint8
    assert (found.numpy() == shots[7:9].transpose(0, 3, 1, 2)).all()
    assert len(part.split()) == 20


def test_fortran_order_and_other_bytes_orders_are_read_as_they_are_meant(tmp_path: Path) -> None:
    x = np.asfortranarray(np.random.default_rng(0).normal(size=(20, 3)).astype(">f4"))
    for name in ("a.npy", "a.npz"):
        part = images.parts(f"npz:{written(tmp_path / name, x=x)}")["all"]
        assert (part.read(3, 7).numpy() == x[3:7]).all()


def test_what_lies_unpacked_is_mapped_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "1M")  # of what is unpacked into memory
    x = np.zeros((3000, 100))
    x[2999] = 1
    for name in ("a.npy", "a.npz"):
        part = images.parts(f"npz:{written(tmp_path / name, x=x)}")["all"]
        assert part.read(2999, 3000).sum() == 100
    with pytest.raises(UsageError, match=r"2,400,128 bytes or more when unpacked"):
        images.parts(f"npz:{written(tmp_path / 'packed.npz', x=x)}")


def test_a_changed_byte_of_an_archive_is_noticed(tmp_path: Path, shots: np.ndarray) -> None:
    path = written(tmp_path / "a.npz", x=shots)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a.npz' is no whole zip archive \(Bad CRC-32.*again"):
        data(path)


def test_guided_diffusions_files_and_medmnists_are_understood(
    tmp_path: Path, shots: np.ndarray
) -> None:
    labels = np.arange(20) % 3
    path = written(tmp_path / "adm.npz", arr_0=shots, arr_1=labels)
    spec, part = images.spec(f"npz:{path}"), images.parts(f"npz:{path}")["all"]
    assert spec.labelled
    assert part.labels is not None
    assert part.labels.tolist() == labels.tolist()
    assert part.class_names == ("0", "1", "2")
    grey = images.values(1, 20, 6, 5)
    med = {f"{s}_{k}": v for s in ("train", "val", "test")
           for k, v in (("images", grey), ("labels", labels[:, None]))}  # fmt: skip
    whole = images.data(f"npz:{written(tmp_path / 'med.npz', **med)}")
    assert whole.event_shape == (1, 6, 5)
    assert [len(s) for s in (whole.train, whole.validation, whole.test)] == [20, 20, 20]
    keras = {"x_train": grey, "y_train": labels, "x_test": grey, "y_test": labels[::-1]}
    whole = images.data(f"npz:{written(tmp_path / 'mnist.npz', **keras)}")
    assert [len(s) for s in (whole.train, whole.validation, whole.test)] == [18, 2, 20]
    assert whole.test.labels is not None
    assert whole.test.labels.tolist() == labels[::-1].tolist()


def test_captions_and_labels_lie_in_the_file_or_beside_it(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(12, 2))
    said = np.array([f"point {i}" for i in range(12)])
    part = images.parts(f"npz:{written(tmp_path / 'a.npz', x=x, captions=said)}")["all"]
    assert part.captions == tuple(said)
    written(tmp_path / "b.npy", x=x)
    (tmp_path / "l.csv").write_text("label\n" + "\n".join("ab" * 6) + "\n")
    part = images.parts(f"npz:{tmp_path}/b.npy[labels=l.csv]")["all"]  # in the file's own folder
    assert part.class_names == ("a", "b")
    (tmp_path / "c.jsonl").write_text('{"text": "one"}\n')
    with pytest.raises(UsageError, match=r"c.jsonl' has 1 rows for 12 examples"):
        images.data(f"npz:{tmp_path}/b.npy[captions={tmp_path}/c.jsonl]")


def test_levels_of_other_values_must_be_said(tmp_path: Path) -> None:
    unit = np.linspace(0, 1, 20 * 16).reshape(20, 1, 4, 4)
    path = written(tmp_path / "a.npz", x=unit)
    with pytest.raises(UsageError, match=r"float64 of shape \[20, 1, 4, 4\]; pictures have levels"):
        images.spec(f"npz:{path}")
    read = images.parts(f"npz:{path}[levels=17]")["all"].read(0, 20)
    assert (read.numpy() == np.rint(unit * 16)).all()
    assert images.spec(f"npz:{path}[levels=17]").levels == 17
    whole = written(tmp_path / "b.npz", x=read.long().numpy())
    assert torch.equal(images.parts(f"npz:{whole}[levels=17]")["all"].read(0, 20), read)
    for options, said in (
        ("levels=16", "picture 19 of 'x' in '.*b.npz' has the value 16, expected 0 to 15"),
        ("levels=300", "pictures have 2 to 256 levels"),
    ):
        with pytest.raises(UsageError, match=said):
            images.data(f"npz:{whole}[{options}]")
    path = written(tmp_path / "c.npz", x=unit * 2 - 1)
    with pytest.raises(UsageError, match=r"picture 0 of 'x'.* has the value -1.0, expected 0 to 1"):
        images.data(f"npz:{path}[levels=256]")


@pytest.mark.parametrize(
    ("arrays", "options", "said"),
    [
        ({"x": np.zeros((20, 8, 8, 4), np.uint8)}, "", "expected 1 or 3 channels"),
        ({"x": np.zeros((20, 3, 8, 3), np.uint8)}, "", "in two ways; give layout=nchw or"),
        ({"x": np.zeros((64, 64, 3), np.uint8)}, "", "one picture, or grey ones"),
        ({"x": np.zeros((20, 8, 8), np.uint8)}, "layout=nchw", "layout=nchw has 4 axes"),
        ({"x": np.zeros((20, 2)), "samples": np.zeros((20, 2))}, "", "samples', 'x'; name the"),
        ({"x": np.zeros((20, 2))}, "key=y", "holds the arrays 'x'; name the one to read"),
        ({"x": np.zeros((20, 2)), "labels": np.zeros(19, int)}, "", r"expected labels \[20\]"),
        ({"x": np.zeros((20, 2)), "labels": np.zeros(20)}, "", "whole numbers or texts"),
        ({"x": np.zeros((20, 2)), "captions": np.zeros(20, int)}, "", "texts, one for each"),
        ({"x": np.zeros((20, 2))}, "levels=4", "points have none"),
        ({"mu": np.zeros(9), "sigma": np.zeros((9, 9))}, "", "holds the arrays 'mu', 'sigma'"),
    ],
)  # fmt: skip
def test_arrays_that_are_not_certain_are_refused(
    tmp_path: Path, arrays: dict, options: str, said: str
) -> None:
    path = written(tmp_path / "a.npz", **arrays)
    with pytest.raises(UsageError, match=said) as caught:
        images.data(f"npz:{path}" + f"[{options}]" * bool(options))
    assert "a.npz'" in str(caught.value)


def test_pickled_arrays_are_read_with_trust_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).normal(size=(12, 2))
    said = np.array([f"point {i}" for i in range(12)], dtype=object)
    path = written(tmp_path / "a.npz", x=x, captions=said)
    monkeypatch.setenv("GENGAUGE_TRUST", "")
    with pytest.raises(
        UsageError, match=r"'captions.npy' of .*a.npz' is of Python objects.*--trust"
    ):
        images.data(f"npz:{path}")
    np.save(tmp_path / "b.npy", np.array([[{}] * 2] * 20))
    with pytest.raises(UsageError, match=r"b.npy' is of Python objects.*--trust"):
        images.data(f"npz:{tmp_path}/b.npy")
    monkeypatch.setenv("GENGAUGE_TRUST", "1")
    assert images.parts(f"npz:{path}")["all"].captions == tuple(said)
