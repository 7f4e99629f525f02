"""IDX files, in which MNIST and its relatives come, packed with gzip or not.

The format: LeCun, Cortes & Burges, The MNIST database, http://yann.lecun.com/exdb/mnist: two zero
bytes, the type of the values, the number of axes, the axes' lengths in 32 bits each, the values.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gengauge import guarded
from gengauge.collection import SPLITS, WHOLE, Collection
from gengauge.errors import UsageError
from gengauge_suites.datasets.folder import readable
from gengauge_suites.datasets.pictures import LEVELS, described, stamped
from gengauge_suites.datasets.tree import check_link

_UBYTE = 8  # the type of bytes
_LONGEST = 4 + 4 * 255
_NAME = re.compile(r"(?P<stem>.*?)(?P<what>images|labels)[.-]idx[13]-ubyte(\.gz)?")
_PARTS = {"train": "train", "val": "validation", "t10k": "test", "test": "test"}


def open_idx(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the pictures in ``path``, a file or a folder of files, uint8 ``[n, 1, H, W]``."""
    parts: dict[str, Collection] = {}
    found = _found(path)
    labels = {part: beside.tensor() for part, (_, beside) in found.items() if beside}
    top = max((int(x.max()) for x in labels.values() if len(x)), default=0)
    for part, (pictures, _) in found.items():
        n, height, width = pictures.shape
        known: dict[str, Any] = {"stamp": stamped(pictures.path, pictures.stamp, options)}
        if part in labels:
            if labels[part].shape != (n,):
                raise UsageError(
                    f"'{pictures.path}' has {n:,} pictures, and its labels are "
                    f"{list(labels[part].shape)}; there must be one each"
                )
            known.update(
                labels=labels[part].to(torch.int64), class_names=tuple(map(str, range(top + 1)))
            )
        parts[part] = Collection("image", n, (1, height, width), _read(pictures), LEVELS, **known)
    return parts


def describe_idx(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the names of the files and their headers say of the data set."""
    with readable(path):
        pictures, labels = next(iter(_found(Path(path).expanduser()).values()))
        return described((1, *pictures.shape[1:]), labels is not None, False, LEVELS)


def _read(pictures: Idx) -> Any:
    def read(start: int, stop: int) -> Tensor:
        return torch.from_numpy(np.array(pictures.values[start:stop]))[:, None]

    return read


@dataclass(frozen=True)
class Idx:
    """An IDX file of bytes: its header is read when it is asked for, and so are its values."""

    path: Path

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its axes."""
        try:
            with gzip.open(self.path) if self._packed else self.path.open("rb") as stream:
                return shape_of(stream.read(_LONGEST), self.path)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UsageError(f"'{self.path}' cannot be read ({error}); get it again") from None

    @cached_property
    def values(self) -> NDArray[np.uint8]:
        """All of its values; a file that is not packed is mapped and not read."""
        if self._packed:
            return values_in(guarded.read_input(self.path), self.path)
        shape, size = self.shape, self.path.stat().st_size
        _check_size(size, shape, self.path)
        return np.memmap(self.path, np.uint8, "r", _start(shape), shape)

    def tensor(self) -> Tensor:
        """Return all of it in memory."""
        return torch.from_numpy(np.array(self.values))

    @property
    def stamp(self) -> str:
        """What tells this file from another."""
        known = self.path.stat()
        return f"{known.st_size} {known.st_mtime_ns}"

    @property
    def _packed(self) -> bool:
        return self.path.suffix == ".gz"


def shape_of(content: bytes, path: Path) -> tuple[int, ...]:
    """Return the lengths of the axes of an IDX file that begins with ``content``."""
    if len(content) < 4 or content[:2] != b"\0\0" or len(content) < 4 + 4 * content[3]:
        raise UsageError(f"'{path}' is no IDX file: its header is {content[:4].hex(' ')}")
    if content[2] != _UBYTE:
        raise UsageError(f"'{path}' holds values of type {content[2]:#04x}; expected bytes, 0x08")
    return tuple(int(n) for n in np.frombuffer(content, ">u4", content[3], 4))


def values_in(content: bytes, path: Path) -> NDArray[np.uint8]:
    """Return the values of a whole IDX file, read-only."""
    shape = shape_of(content, path)
    _check_size(len(content), shape, path)
    return np.frombuffer(content, np.uint8, offset=_start(shape)).reshape(shape)


def _start(shape: tuple[int, ...]) -> int:
    return 4 + 4 * len(shape)


def _check_size(size: int, shape: tuple[int, ...], path: Path) -> None:
    expected = _start(shape) + int(np.prod(shape, dtype=object))
    if size != expected:
        raise UsageError(
            f"'{path}' holds {size:,} bytes, and its header promises {expected:,}; get it again"
        )


def _found(path: Path) -> dict[str, tuple[Idx, Idx | None]]:
    """Return pictures and labels by split: those of a folder, or a file with those beside it."""
    if not path.is_dir():
        pictures = Idx(path)
        if len(pictures.shape) != 3:
            raise UsageError(f"'{path}' is of shape {list(pictures.shape)}; expected [n, H, W]")
        name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
        beside = [path.parent / name, path.parent / f"{name}.gz"]
        return {WHOLE: (pictures, next((Idx(p) for p in beside if p.is_file()), None))}
    found: dict[str, dict[str, dict[str, Path]]] = {}
    for file in sorted(path.iterdir(), reverse=True):  # what is not packed comes last, and is taken
        match = _NAME.fullmatch(file.name)
        part = match and next((_PARTS[p] for p in _PARTS if p in match["stem"]), None)
        if match and part:
            if file.is_symlink():
                check_link(file, path.resolve())
            found.setdefault(part, {}).setdefault(match["what"], {})[match["stem"]] = file
    parts = {part: found[part] for part in SPLITS if "images" in found.get(part, {})}
    if not parts:
        raise UsageError(
            f"'{path}' holds no IDX files; expected names such as train-images-idx3-ubyte(.gz)"
        )
    return {part: _one(path, held) for part, held in parts.items()}


def _one(path: Path, held: Mapping[str, Mapping[str, Path]]) -> tuple[Idx, Idx | None]:
    stem, *others = held["images"]
    if others:
        names = " and ".join(f"'{file.name}'" for file in list(held["images"].values())[:2])
        raise UsageError(f"'{path}' holds {names} for one split; give a folder for each set")
    labels = held.get("labels", {}).get(stem)
    _, pictures = _found(held["images"][stem]).popitem()
    return pictures[0], Idx(labels) if labels else None
