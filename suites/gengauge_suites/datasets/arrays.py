"""Points in a file of arrays of the user's, read as numbers and never as a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gengauge.data import Dataset, Split
from gengauge.errors import UsageError
from gengauge.guarded import load_arrays
from gengauge.specs import DatasetSpec
from gengauge_suites.datasets.splits import stratified

SPLITS = ("train", "validation", "test")
_SHARE = 5  # one in so many goes to validation, and one to the test
_LEAST = 10


def load(spec: DatasetSpec) -> Dataset:
    """Return the points in ``spec.arguments["path"]``, float32 ``[n, d]``.

    The file has arrays ``train``, ``validation`` and ``test``, or one, ``x``, that is split 3:1:1
    by a hash of the row number. ``UsageError`` where it is none that can be used.
    """
    path = Path(str(spec.arguments["path"])).expanduser()
    try:
        found = load_arrays(path)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}; give an .npz file") from None
    if set(SPLITS) <= found.keys():
        parts = [_points(found[name], name, path) for name in SPLITS]
    elif "x" in found:
        parts = _split(_points(found["x"], "x", path), spec)
    else:
        names = ", ".join(map(ascii, sorted(found))) or "none"
        raise UsageError(f"'{path}' holds the arrays {names}; expected x, or {', '.join(SPLITS)}")
    if len({part.shape[1] for part in parts}) != 1:
        shapes = ", ".join(str(list(part.shape)) for part in parts)
        raise UsageError(f"the splits in '{path}' have shapes {shapes}; give them equal columns")
    train, validation, test = map(Split, parts)
    return Dataset(spec.id, "points", train, validation, test, revision=spec.revision)


def _points(x: NDArray[Any], name: str, path: Path) -> torch.Tensor:
    if x.ndim != 2 or x.dtype.kind not in "fiu" or len(x) < _LEAST or not x.shape[1]:
        raise UsageError(
            f"'{name}' in '{path}' is {x.dtype} of shape {list(x.shape)}; expected numbers [n, d] "
            f"of {_LEAST} points or more"
        )
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))


def _split(x: torch.Tensor, spec: DatasetSpec) -> list[torch.Tensor]:
    size = len(x) // _SHARE
    alike = torch.zeros(len(x), dtype=torch.int64)
    # the salt is no path: a file that is moved is the same data
    validation, test, train = stratified(alike, (size, size), f"npz {spec.revision}")
    return [x[train], x[validation], x[test]]
