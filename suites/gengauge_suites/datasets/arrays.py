"""Points in a file of arrays of the user's, read as numbers and never as a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gengauge.collection import LEAST, SPLITS, WHOLE, Collection
from gengauge.errors import UsageError
from gengauge.guarded import load_arrays


def open_arrays(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the points in ``path``, float32 ``[n, d]``.

    The file has arrays ``train``, ``validation`` and ``test``, or one, ``x``. ``UsageError`` where
    it is none that can be used.
    """
    found = load_arrays(path)
    if set(SPLITS) <= found.keys():
        return {name: _points(found[name], name, path) for name in SPLITS}
    if "x" in found:
        return {WHOLE: _points(found["x"], "x", path)}
    names = ", ".join(map(ascii, sorted(found))) or "none"
    raise UsageError(f"'{path}' holds the arrays {names}; expected x, or {', '.join(SPLITS)}")


def _points(x: NDArray[Any], name: str, path: Path) -> Collection:
    if x.ndim != 2 or x.dtype.kind not in "fiu" or len(x) < LEAST or not x.shape[1]:
        raise UsageError(
            f"'{name}' in '{path}' is {x.dtype} of shape {list(x.shape)}; expected numbers [n, d] "
            f"of {LEAST} points or more"
        )
    rows = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
    return Collection("points", len(rows), rows.shape[1:], lambda start, stop: rows[start:stop])
