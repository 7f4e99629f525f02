"""Points and pictures in a file of arrays of the user's, read as numbers and never as a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gengauge.collection import SPLITS, WHOLE, Collection
from gengauge.errors import UsageError
from gengauge_suites.datasets.array_file import Stored, stored
from gengauge_suites.datasets.beside import (
    CAPTIONS,
    LABELS,
    class_names,
    found_beside,
    numbered,
    read_rows,
)
from gengauge_suites.datasets.folder import readable
from gengauge_suites.datasets.grids import Grid
from gengauge_suites.datasets.pictures import described, stamped

NAMES = ("x", "samples", "images", "arr_0")  # the last: guided-diffusion's, and savez of one
_SPLIT = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
_HELD = ("{}", "x_{}", "{}_x", "{}_images", "{}_samples")
_OF_SPLIT = {"labels": ("{}_labels", "labels_{}", "y_{}", "{}_y"),
             "captions": ("{}_captions", "captions_{}")}  # fmt: skip
_OF_ALL = {"labels": ("labels", "y", "arr_1"), "captions": ("captions",)}


def open_arrays(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the points in ``path``, float32 ``[n, d]``, or pictures, uint8 ``[n, C, H, W]``.

    They are under one of ``NAMES``, under ``key=``, or by split: train and test, with validation
    or without. ``UsageError`` where the file is none that can be used.
    """
    found = _found(path, options)
    file = path.stat()
    stamp = stamped(path, f"{file.st_size} {file.st_mtime_ns}", options)
    labels = {part: values for part, one in found.items() if (values := one.labels()) is not None}
    every = [value for values in labels.values() for value in values]
    names = class_names(every) if every else ()
    parts = {}
    for part, one in found.items():
        known: dict[str, Any] = {"stamp": stamp, "captions": one.captions()}
        if part in labels:
            known.update(labels=numbered(labels[part], names), class_names=names)
        parts[part] = one.collection(options, known)
    return parts


def describe_arrays(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the headers in the file say of the data set."""
    with readable(path):
        found = _found(Path(path).expanduser(), options)
    one = next(iter(found.values()))
    known = {"labelled": one.has("labels"), "captioned": one.has("captions")}
    if len(one.x.shape) == 2:
        return {"modality": "points", "levels": None, **known}
    grid = Grid.of(one.x, options)
    return described(grid.shape, known["labelled"], known["captioned"], grid.levels)


@dataclass(frozen=True)
class _Part:
    """The array of a split, and what lies beside it: arrays of the file, or files of their own."""

    x: Stored
    beside: Mapping[str, Stored | Path]

    def has(self, what: str) -> bool:
        return what in self.beside

    def labels(self) -> list[Any] | None:
        return self._known("labels", LABELS, "iubUS")

    def captions(self) -> tuple[str, ...] | None:
        values = self._known("captions", CAPTIONS, "US")
        return None if values is None else tuple(map(str, values))

    def _known(self, what: str, columns: tuple[str, ...], kinds: str) -> list[Any] | None:
        source, n = self.beside.get(what), self.x.shape[0]
        if source is None:
            return None
        if isinstance(source, Path):
            rows = read_rows(source)
            return rows.by_row(n, rows.wanted(columns))
        values = source.whole() if source.shape else np.empty(0)
        if values.shape == (n, 1):
            values = values[:, 0]
        if values.shape != (n,) or values.dtype.kind not in kinds + "O":
            kind = "whole numbers or texts" if what == "labels" else "texts"
            raise UsageError(f"{source}; expected {what} [{n}], {kind}, one for each example")
        listed = values.tolist()
        return [v.decode(errors="replace") if isinstance(v, bytes) else v for v in listed]

    def collection(self, options: Mapping[str, Any], known: Mapping[str, Any]) -> Collection:
        x = self.x
        if len(x.shape) == 2:
            _check_points(x, options)
            return Collection(
                "points", x.shape[0], x.shape[1:], lambda a, b: _points(x, a, b), **known
            )
        grid = Grid.of(x, options)
        return Collection("image", x.shape[0], grid.shape, grid.read, grid.levels, **known)


def _found(path: Path, options: Mapping[str, Any]) -> dict[str, _Part]:
    """Return the arrays that hold examples, by split, each with what lies beside it."""
    arrays = stored(path)
    files = {what: found_beside(str(options[what]), path.parent)
             for what in ("labels", "captions") if options[what]}  # fmt: skip
    splits = {split: held for split in SPLITS if (held := _of_split(arrays, split)) is not None}
    if not options["key"] and {"train", "test"} <= splits.keys():
        if files:
            raise UsageError(
                f"'{path}' has splits, and {' and '.join(files)} beside it for one array; put "
                "arrays train_labels or train_captions into it"
            )
        return splits
    x = _whole(path, arrays, str(options["key"]))
    beside: dict[str, Stored | Path] = {
        what: arrays[name] for what, names in _OF_ALL.items()
        for name in reversed(names) if name in arrays and arrays[name] is not x
    }  # fmt: skip
    if x.name != "arr_0" and beside.get("labels") is arrays.get("arr_1", x):
        del beside["labels"]
    return {WHOLE: _Part(x, {**beside, **files})}


def _of_split(arrays: Mapping[str, Stored], split: str) -> _Part | None:
    for called in _SPLIT[split]:
        held = next((arrays[n] for f in _HELD if (n := f.format(called)) in arrays), None)
        if held is not None:
            beside = {
                what: arrays[name] for what, forms in _OF_SPLIT.items()
                for form in forms if (name := form.format(called)) in arrays
            }  # fmt: skip
            return _Part(_checked(held), beside)
    return None


def _whole(path: Path, arrays: Mapping[str, Stored], key: str) -> Stored:
    there = [name for name in NAMES if name in arrays] if not key else [key]
    if len(there) == 1 and there[0] in arrays:
        return _checked(arrays[there[0]])
    names = ", ".join(map(ascii, sorted(arrays))) or "none"
    remedy = f"expected {', '.join(NAMES)}, or train and test; or name one with key="
    if key or len(there) > 1:
        remedy = "name the one to read with key="
    raise UsageError(f"'{path}' holds the arrays {names}; {remedy}")


def _checked(x: Stored) -> Stored:
    if len(x.shape) not in (2, 3, 4) or 0 in x.shape or x.dtype.kind not in "fiubO":
        raise UsageError(f"{x}; expected numbers: points [n, d], or pictures [n, C, H, W], "
                         "[n, H, W, C] or [n, H, W]")  # fmt: skip
    return x


def _check_points(x: Stored, options: Mapping[str, Any]) -> None:
    if options["levels"]:
        raise UsageError(f"{x}; levels= is for pictures, [n, C, H, W]: points have none")


def _points(x: Stored, start: int, stop: int) -> Tensor:
    rows = np.ascontiguousarray(x.rows(start, stop))
    if rows.dtype.kind not in "fiub":
        raise UsageError(f"{x}; expected numbers")
    with np.errstate(over="ignore"):
        found = rows.astype(np.float32)
    wrong = ~np.isfinite(found).all(1)
    if wrong.any():
        at = start + int(wrong.argmax())
        raise UsageError(f"row {at:,} of '{x.name}' in '{x.path}' is not finite; take it out")
    return torch.from_numpy(found)
