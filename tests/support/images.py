"""Small folders of pictures, made in a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gengauge.collection import Collection
from gengauge.data import Dataset
from gengauge.loading import load_dataset, open_parts
from gengauge.registry import Registry
from gengauge.specs import DatasetSpec

REGISTRY = Registry()


def values(i: int, *shape: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The pixels of picture ``i``."""
    return np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, i: int, *shape: int, **options: Any) -> Path:
    """Write picture ``i`` of ``shape`` ``[H, W]`` or ``[H, W, C]``, 8 x 8 in colour by default."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values(i, *(shape or (8, 8, 3)))).save(path, **options)
    return path


def fill(folder: Path, names: Mapping[str, int] | list[str]) -> Path:
    """Write a picture for each name."""
    numbered = names if isinstance(names, Mapping) else {n: i for i, n in enumerate(names)}
    for name, i in numbered.items():
        save(folder / name, i)
    return folder


def idx(x: np.ndarray[Any, Any], kind: int = 8) -> bytes:
    """The bytes of an IDX file."""
    head = bytes([0, 0, kind, x.ndim])
    return head + b"".join(n.to_bytes(4, "big") for n in x.shape) + x.tobytes()


def spec(id_: str) -> DatasetSpec:
    """The description of a data set of the user's."""
    found = REGISTRY.find("datasets", id_)
    assert isinstance(found, DatasetSpec)
    return found


def parts(id_: str) -> dict[str, Collection]:
    """Its parts, not yet read."""
    return open_parts(spec(id_))


def data(id_: str) -> Dataset:
    """All of it, split."""
    return load_dataset(spec(id_))
