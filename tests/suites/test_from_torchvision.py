"""Torchvision's own data sets, from files that lie as it lays them, without a network."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import shutil
from pathlib import Path

import images
import numpy as np
import pytest
import torch
import torchvision

from gengauge.errors import UsageError
from gengauge_suites.datasets.fashion import DEBIAN

X = images.values(0, 30, 5, 4)
Y = (np.arange(30) % 4).astype(np.uint8)


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in (
        ("train-images-idx3-ubyte", X), ("train-labels-idx1-ubyte", Y),
        ("t10k-images-idx3-ubyte", X[:12]), ("t10k-labels-idx1-ubyte", Y[:12]),
    ):  # fmt: skip
        (raw / name).write_bytes(images.idx(content))
    return tmp_path


def test_its_files_give_its_splits_and_classes(mnist: Path) -> None:
    id_ = f"torchvision:MNIST[root={mnist}]"
    spec, parts = images.spec(id_), images.parts(id_)
    assert (spec.labelled, spec.levels) == (True, 256)
    assert list(parts) == ["train", "test"]
    assert (parts["train"].read(7, 9).numpy()[:, 0] == X[7:9]).all()
    assert parts["train"].labels is not None
    assert parts["train"].labels.tolist() == Y.tolist()
    assert parts["train"].class_names[3] == "3 - three"
    data = images.data(f"torchvision:MNIST[root={mnist},size=8,resize=pad,channels=3]")
    assert data.event_shape == (3, 8, 8)


def test_cifars_pickles_are_read_for_they_are_the_publishers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kind = tmp_path / "cifar-10-batches-py", torchvision.datasets.CIFAR10
    folder.mkdir()
    made: dict[str, list[str]] = {}
    for name, n in (("data_batch_1", 20), ("test_batch", 12), ("batches.meta", 0)):
        batch = {"data": images.values(n, n, 3072), "labels": [i % 2 for i in range(n)]}
        content = pickle.dumps({"label_names": ["airplane", "automobile"]} if not n else batch)
        (folder / name).write_bytes(content)
        made[name] = [name, hashlib.md5(content).hexdigest()]
    meta, md5 = made["batches.meta"]
    monkeypatch.setattr(kind, "train_list", [made["data_batch_1"]])
    monkeypatch.setattr(kind, "test_list", [made["test_batch"]])
    monkeypatch.setattr(kind, "meta", {"filename": meta, "key": "label_names", "md5": md5})
    monkeypatch.setenv("GENGAUGE_TRUST", "")
    id_ = f"torchvision:CIFAR10[root={tmp_path}]"
    part = images.parts(id_)["test"]
    assert (part.read(0, 12).numpy() == images.values(12, 12, 3072).reshape(-1, 3, 32, 32)).all()
    assert part.class_names == ("airplane", "automobile")
    (folder / "test_batch").write_bytes(pickle.dumps({}))  # another's
    with pytest.raises(UsageError, match="not found or corrupted"):
        images.spec(id_)


def test_folders_and_lists_of_splits_are_known(tmp_path: Path) -> None:
    images.fill(tmp_path / "a", [f"{c}/{i}.png" for c in ("cat", "dog") for i in range(6)])
    part = images.parts(f"torchvision:ImageFolder[root={tmp_path}/a]")["all"]
    assert part.class_names == ("cat", "dog")
    assert part.labels is not None
    assert part.labels.tolist() == [0] * 6 + [1] * 6
    base = tmp_path / "imagenette2"
    wnids = list(torchvision.datasets.Imagenette._WNID_TO_CLASS)
    names = [f"{s}/{w}/{w}_{i}.JPEG" for s in ("train", "val") for w in wnids for i in range(2)]
    images.fill(base, names)
    parts = images.parts(f"torchvision:Imagenette[root={tmp_path}]")
    assert {name: p.count for name, p in parts.items()} == {"train": 20, "test": 20}


def test_data_made_up_need_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    class Few(torchvision.datasets.FakeData):
        def __init__(self) -> None:
            super().__init__(size=12, image_size=(3, 9, 7), num_classes=2)

    from gengauge_suites.datasets import from_torchvision

    monkeypatch.setattr(from_torchvision, "_kind", lambda name: Few)
    data = images.data("torchvision:FakeData")
    assert data.event_shape == (3, 9, 7)
    assert data.class_names == ("0", "1")


def test_the_real_pictures_of_debian_are_torchvisions(tmp_path: Path) -> None:
    if not DEBIAN.is_dir():
        pytest.skip("Fashion-MNIST is missing: apt-get install dataset-fashion-mnist")
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in DEBIAN.glob("*.gz"):
        with gzip.open(packed) as stream, (raw / packed.stem).open("wb") as out:
            shutil.copyfileobj(stream, out)
    parts = images.parts(f"torchvision:FashionMNIST[root={tmp_path}]")
    assert {name: part.count for name, part in parts.items()} == {"train": 60_000, "test": 10_000}
    direct = images.parts(f"idx:{DEBIAN}")["test"]
    assert torch.equal(parts["test"].read(9000, 10_000), direct.read(9000, 10_000))
    assert parts["test"].class_names[9] == "Ankle boot"


def test_pickles_of_others_are_refused_without_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pickled(torchvision.datasets.VisionDataset):
        def __init__(self, root: str) -> None:
            super().__init__(root)
            self.data = pickle.loads((Path(root) / "x").read_bytes())

        def __len__(self) -> int:
            return len(self.data)

    from gengauge_suites.datasets import from_torchvision

    monkeypatch.setenv("GENGAUGE_TRUST", "")
    monkeypatch.setattr(from_torchvision, "_kind", lambda name: Pickled)
    (tmp_path / "x").write_bytes(pickle.dumps([np.zeros(3)]))
    with pytest.raises(UsageError, match=r"torchvision's Other in '.*' holds a pickle.*--trust"):
        images.spec(f"torchvision:Other[root={tmp_path}]")


@pytest.mark.parametrize(
    ("id_", "said"),
    [
        ("MNIST[root={}]", r"MNIST cannot be read from '.*' \(Dataset not found.*download=true"),
        ("CIFAR10[root={}]", "Dataset not found or corrupted.*root="),
        ("EMNIST[root={}]", "has subsets; name one with subset="),
        ("EMNIST[root={},subset=letter]", "Unknown value 'letter' for argument split.*letters"),
        ("Imagenette[root={}]", "cannot be read from"),
        ("DatasetFolder[root={}]", "cannot be used: .*loader"),
        ("mnist", "unknown data set of torchvision 'mnist'; did you mean 'MNIST'"),
        ("MNIST[root={},download=true]", "--offline forbids it"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id_: str, said: str
) -> None:
    monkeypatch.setenv("GENGAUGE_OFFLINE", "1")
    with pytest.raises(UsageError, match=said) as caught:
        images.spec(f"torchvision:{id_.format(tmp_path)}")
    assert "\n" not in str(caught.value)
