"""Deterministic seeds by name: every stage of every trial has its own stream.

The seed depends on names the user chose, never on list order, output path or code version, so
an edited model is compared with its former self on the same random numbers.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def named_seed(*names: str | int) -> int:
    """Return a 63-bit seed that is a hash of ``names``.

    >>> named_seed(0, "vae", "digits", "train") == named_seed(0, "vae", "digits", "train")
    True
    >>> named_seed(0, "a", "bc") == named_seed(0, "ab", "c")
    False
    """
    text = "\x1f".join(map(str, names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(*names: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a fresh generator on ``device`` seeded by ``names``."""
    import torch

    return torch.Generator(device).manual_seed(named_seed(*names))


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """Seed the global streams of random, numpy and torch inside the block; restore them after.

    Layers initialise themselves from torch's global stream, and scikit-learn falls back on
    numpy's, so both must be pinned while a model is being built.
    """
    import numpy as np
    import torch

    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=list(devices)):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


def global_state(device: torch.device) -> dict[str, Any]:
    """Return where the global streams of random, numpy, torch and ``device`` stand."""
    import numpy as np
    import torch

    version, internal, gauss = random.getstate()
    found: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    name, keys, *rest = found
    state = {
        "random": [version, torch.tensor(internal), gauss],
        "numpy": [name, torch.from_numpy(keys.astype("int64")), *rest],
        "torch": torch.get_rng_state(),
    }  # fmt: skip
    return state | ({"device": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_global_state(state: dict[str, Any], device: torch.device) -> None:
    """Put the global streams back to where ``global_state`` found them."""
    import numpy as np
    import torch

    version, internal, gauss = state["random"]
    random.setstate((version, tuple(internal.tolist()), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype("uint32"), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["device"], device)
