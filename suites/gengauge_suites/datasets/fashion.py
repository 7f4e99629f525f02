"""Fashion-MNIST, read from the publisher's four files wherever they already lie."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from platformdirs import user_data_path
from torch import Tensor

from gengauge import guarded
from gengauge.data import Dataset, Split
from gengauge.errors import UsageError
from gengauge.specs import DatasetSpec
from gengauge.splits import stratified
from gengauge_suites.datasets.idx import values_in

HELD_OUT = 5000  # for validation, out of the publisher's 60,000 training pictures
FOLDER = "GENGAUGE_FASHION_MNIST"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
CLASSES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
# Bytes and SHA-256 of the unpacked content: gzip of another level or date is as good.
FILES = {
    "train-images-idx3-ubyte": (
        47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte": (
        60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte": (
        7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte": (
        10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}  # fmt: skip


def load(spec: DatasetSpec) -> Dataset:
    """Return uint8 ``[n, 1, 28, 28]``: 55,000 to train, 5,000 to validate, 10,000 to test.

    Raises ``UsageError`` if a file is missing or is not the publisher's.
    """
    folder = find()
    x, labels = _pictures(folder, "train"), _labels(folder, "train")
    validation, train = stratified(labels, (HELD_OUT,), f"fashion-mnist {spec.revision}")
    return Dataset(
        id=spec.id,
        modality="image",
        train=Split(x[train], labels[train]),
        validation=Split(x[validation], labels[validation]),
        test=Split(_pictures(folder, "t10k"), _labels(folder, "t10k")),
        levels=256,
        class_names=CLASSES,
        revision=spec.revision,
    )


def places() -> list[Path]:
    """Return the folders that are searched: the one of the environment alone if it is named."""
    if named := os.environ.get(FOLDER):
        return [Path(named).expanduser()]
    return [user_data_path("gengauge") / "fashion-mnist", DEBIAN]


def find() -> Path:
    """Return the first folder that has the four files, or raise ``UsageError`` with the remedy."""
    searched = places()
    for folder in searched:
        if all(_path(folder, name) for name in FILES):
            return folder
    missing = [name for name in FILES if not _path(searched[0], name)]
    wanted = "; ".join(f"{n} ({FILES[n][0]:,} bytes, sha256 {FILES[n][1]})" for n in missing)
    raise UsageError(
        f"fashion-mnist is not complete in {' or '.join(map(str, searched))}. Missing in the "
        f"first: {wanted}; sizes and hashes are of the unpacked content, and .gz is read as it is. "
        "Get them from https://github.com/zalandoresearch/fashion-mnist (data/fashion) and put "
        f"them there, or name their folder in {FOLDER}, or: apt-get install dataset-fashion-mnist"
    )


def _path(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def _pictures(folder: Path, part: str) -> Tensor:
    return _content(folder, f"{part}-images-idx3-ubyte")[:, None]


def _labels(folder: Path, part: str) -> Tensor:
    return _content(folder, f"{part}-labels-idx1-ubyte").to(torch.int64)


def _content(folder: Path, name: str) -> Tensor:
    """Return the values of the publisher's file, of which its hash vouches."""
    path = _path(folder, name)
    assert path is not None
    size, sha256 = FILES[name]
    try:
        packed = path.suffix == ".gz"
        data = guarded.unpacked(path, size) if packed else guarded.read_input(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error}); get it again") from error
    if len(data) != size:
        raise UsageError(
            f"{path}: expected {size:,} bytes of unpacked content, found {len(data):,}; "
            "get it again"
        )
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise UsageError(
            f"{path} is not Fashion-MNIST's: expected sha256 {sha256} of its unpacked content, "
            f"found {found}; get it again"
        )
    return torch.from_numpy(values_in(data, path).copy())
