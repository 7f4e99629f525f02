"""IDX files that the user brings, and the real ones of Debian's package."""

from __future__ import annotations

import gzip
from pathlib import Path

import images
import numpy as np
import pytest
import torch

from gengauge.errors import UsageError
from gengauge_suites.datasets.fashion import DEBIAN

X = images.values(0, 30, 5, 4)
Y = (np.arange(30) % 4).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images.idx(X)))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(images.idx(Y)))
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(
        images.idx(X[:12])
    )  # as some copies are called
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(images.idx(Y[:12]))
    return tmp_path


def test_a_folder_has_its_splits_packed_or_not(folder: Path) -> None:
    spec, parts = images.spec(f"idx:{folder}"), images.parts(f"idx:{folder}")
    assert (spec.labelled, spec.levels) == (True, 256)
    assert list(parts) == ["train", "test"]
    assert (parts["train"].read(7, 9).numpy()[:, 0] == X[7:9]).all()
    assert (parts["test"].read(7, 9).numpy()[:, 0] == X[7:9]).all()
    assert parts["train"].labels is not None
    assert parts["train"].labels.tolist() == Y.tolist()
    data = images.data(f"idx:{folder}")
    assert [len(s) for s in (data.train, data.validation, data.test)] == [27, 3, 12]
    assert data.class_names == ("0", "1", "2", "3")


def test_a_file_finds_the_labels_beside_it(folder: Path) -> None:
    part = images.parts(f"idx:{folder}/train-images-idx3-ubyte.gz")["all"]
    assert part.labels is not None
    assert part.labels.tolist() == Y.tolist()
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    assert images.parts(f"idx:{folder}/train-images-idx3-ubyte.gz")["all"].labels is None
    assert not images.spec(f"idx:{folder}/train-images-idx3-ubyte.gz").labelled


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "t10k-images.idx3-ubyte",
            images.idx(X[:12])[:-1],
            "holds 255 bytes, and its header promises 256",
        ),
        (
            "t10k-images.idx3-ubyte",
            images.idx(X.astype(">f4"), 13),
            "type 0x0d; expected bytes, 0x08",
        ),
        ("t10k-images.idx3-ubyte", images.idx(Y), r"of shape \[30\]; expected \[n, H, W\]"),
        ("t10k-images.idx3-ubyte", b"PK\3\4", "is no IDX file: its header is 50 4b 03 04"),
        ("t10k-images.idx3-ubyte", b"", "is no IDX file"),
        (
            "t10k-labels.idx1-ubyte",
            images.idx(Y[:11]),
            r"has 12 pictures, and its labels are \[11\]",
        ),
        (
            "train-images-idx3-ubyte.gz",
            gzip.compress(images.idx(X))[:-30],
            "cannot be read.*get it again",
        ),
        ("train-images-idx3-ubyte.gz", b"not gzip", "cannot be read.*get it again"),
        ("qmnist-train-images-idx3-ubyte", images.idx(X), "for one split; give a folder for each"),
    ],
)
def test_what_is_damaged_or_not_certain_is_refused(
    folder: Path, name: str, content: bytes, said: str
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        images.data(f"idx:{folder}")
    assert str(folder) in str(caught.value)


def test_bombs_and_empty_folders_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = images.idx(np.zeros((3000, 28, 28), np.uint8))
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bomb))
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    monkeypatch.setenv("GENGAUGE_MAX_INPUT", "1M")
    with pytest.raises(UsageError, match="holds 1,048,577 bytes or more when unpacked"):
        images.data(f"idx:{folder}/train-images-idx3-ubyte.gz")
    (folder / "none").mkdir()
    with pytest.raises(UsageError, match="holds no IDX files; expected names such as train-images"):
        images.data(f"idx:{folder}/none")
    with pytest.raises(UsageError, match=r"'.*gone' cannot be read: No such file"):
        images.data(f"idx:{folder}/gone")


def test_debians_files_give_the_real_pictures() -> None:
    if not DEBIAN.is_dir():
        pytest.skip("Fashion-MNIST is missing: apt-get install dataset-fashion-mnist")
    parts = images.parts(f"idx:{DEBIAN}")
    assert {name: part.count for name, part in parts.items()} == {"train": 60_000, "test": 10_000}
    assert parts["train"].labels is not None
    assert parts["train"].labels.bincount().tolist() == [6000] * 10
    published = images.data("fashion-mnist")
    assert torch.equal(parts["test"].read(0, 10_000), published.test.x)
    assert parts["test"].labels is not None
    assert torch.equal(parts["test"].labels, published.test.labels)
