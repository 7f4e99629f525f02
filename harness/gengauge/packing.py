"""Nested states of training in one file: tensors as safetensors, the rest as JSON, no pickle."""

from __future__ import annotations

import json
import math
import os
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

_CONTENT, _SUM = "content", "crc32"


class DamagedError(ValueError):
    """A file that is not what was written: cut off, changed, or of another form."""


def pack(tree: Any) -> tuple[dict[str, Tensor], Any]:
    """Return copies of the tensors in ``tree``, on the CPU, and the rest as JSON can hold it.

    Dicts with strings or numbers as keys, lists, tuples, tensors, strings, numbers, booleans and
    None come back from ``unpack`` as they were; ``TypeError`` for anything else.

    >>> tensors, content = pack({"state": {0: torch.ones(2)}, "best": math.inf, "betas": (0, 0.9)})
    >>> unpack(tensors, json.loads(json.dumps(content)))
    {'state': {0: tensor([1., 1.])}, 'best': inf, 'betas': (0, 0.9)}
    """
    tensors: dict[str, Tensor] = {}

    def put(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = str(len(tensors))
            tensors[name] = value.detach().to("cpu", copy=True).contiguous()
            return {"tensor": name}
        if isinstance(value, dict):
            return {"dict": [[put(k), put(v)] for k, v in value.items()]}
        if isinstance(value, list | tuple):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {kind: [put(v) for v in value]}
        if isinstance(value, float) and not math.isfinite(value):
            return {"float": repr(value)}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(
            f"a {type(value).__name__} cannot be kept in a checkpoint; keep tensors, numbers, "
            "strings, and dicts and lists of those"
        )

    content = put(tree)
    return tensors, content


def unpack(tensors: dict[str, Tensor], content: Any) -> Any:
    """Return the tree that ``pack`` took apart; ``DamagedError`` where it is no such thing."""

    def get(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        [(kind, inside)] = value.items()
        if kind == "tensor":
            return tensors[inside]
        if kind == "dict":
            return {get(k): get(v) for k, v in inside}
        if kind == "float":
            return float(inside)
        found = [get(v) for v in inside]
        return tuple(found) if kind == "tuple" else found

    try:
        return get(content)
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedError(f"no packed state: {error}") from None


def write(path: Path, tensors: dict[str, Tensor], content: Any) -> None:
    """Write what ``pack`` gave, whole or not at all, on the disk when this returns; ``OSError``."""
    text = json.dumps(content, allow_nan=False)
    about = {_CONTENT: text, _SUM: str(_sum(tensors, text))}
    left = memoryview(save(tensors, about))
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        while left:  # a full disk takes a part and does not say so
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    temporary.replace(path)


def read(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Return what ``write`` wrote; ``DamagedError`` for any other file, ``OSError`` for none."""
    path.stat()  # the one error that is not damage
    try:
        with safe_open(path, "pt") as stored:
            about = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        text = about[_CONTENT]
        if about[_SUM] != str(_sum(tensors, text)):
            raise DamagedError("its sum is not that of what it holds")
        return tensors, json.loads(text)
    except (SafetensorError, KeyError, OSError, RecursionError, json.JSONDecodeError) as error:
        raise DamagedError(str(error)) from None


def _sum(tensors: dict[str, Tensor], text: str) -> int:
    found = zlib.crc32(text.encode())
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, found)
    return found
