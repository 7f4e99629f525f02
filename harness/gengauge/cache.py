"""Results that outlive a run: features of reference data, under a hash of all they depend on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gengauge.places import cache_folder

_FORMAT = "1"


def cached(parts: tuple[str, ...], compute: Callable[[], Tensor]) -> Tensor:
    """Return ``compute()``, or what it gave when the same ``parts`` were asked for before.

    ``parts`` must hold content hashes of everything the result depends on, never names alone:
    other data under an old name must not get the old result. A file that cannot be read is made
    again, and a folder that cannot be written only costs time.
    """
    key = hashlib.sha256("\x1f".join((_FORMAT, *parts)).encode()).hexdigest()
    path = cache_folder() / "features" / f"{key[:32]}.safetensors"
    try:
        return load_file(path)["value"]
    except (OSError, SafetensorError, KeyError):
        value = compute()
    half_made = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"value": value.contiguous()}, half_made)
        half_made.replace(path)
    except OSError:
        with suppress(OSError):
            half_made.unlink()
    return value
