"""Whether a member of a submission is what its name says: pictures, numbers, texts, JSON."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

_DEEPEST = 64  # levels of lists and objects
_LONGEST = 1 << 20  # characters of a text in JSON
_PIXELS = 1 << 26
_PNG = b"\x89PNG\r\n\x1a\n"
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def parsed(content: bytes) -> Any:
    """Return what JSON says; ``ValueError`` for what is no JSON, not finite or nested too deeply.

    >>> parsed(b'{"a": NaN}')
    Traceback (most recent call last):
    ValueError: NaN is no number of JSON
    """
    try:
        found = json.loads(content, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error.msg} at character {error.pos})") from None
    _plain(found)
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _plain(content: Any) -> None:
    """Raise ``ValueError`` for numbers beyond all measure, halves of characters and great depth."""
    layer = [content]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for one in layer:
            if isinstance(one, dict):
                inner += one.values()
                inner += one.keys()
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, float):
                if not math.isfinite(one):
                    raise ValueError("a number is not finite")
            elif isinstance(one, int):
                if abs(one) >= 1 << 64:
                    raise ValueError("a whole number is beyond 64 bits")
            elif isinstance(one, str):
                _text(one)
        layer = inner
        if not layer:
            return
    raise ValueError("it is nested too deeply")


def _text(text: str) -> None:
    if len(text) > _LONGEST:
        raise ValueError(f"a text has {len(text):,} characters, expected at most {_LONGEST:,}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character (a lone surrogate)") from None


def check(kind: str, path: Path) -> None:
    """Raise ``ValueError`` unless the file holds what ``kind``, of ``layout.kind_of``, promises."""
    if kind in _CHECKS:
        _CHECKS[kind](path)


def _json(path: Path) -> None:
    if not isinstance(parsed(path.read_bytes()), dict):
        raise ValueError("it is no JSON object")


def _lines(path: Path) -> None:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            point = parsed(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if not isinstance(point, dict):
            raise ValueError(f"line {number} is no JSON object")


def _words(path: Path) -> None:
    try:
        path.read_bytes().decode()
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None


def _picture(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(24)
    if len(head) < 24 or head[:8] != _PNG or head[12:16] != b"IHDR":
        raise ValueError(f"it is no PNG picture{_said(head)}")
    width, height = struct.unpack(">II", head[16:24])
    if not 0 < width * height <= _PIXELS:
        raise ValueError(f"it is a picture of {width:,} x {height:,} pixels, beyond {_PIXELS:,}")


def _said(head: bytes) -> str:
    """Say that a file is a pickle: it is what runs a program when it is read."""
    return ": it is a pickle or an archive of pickles" if head.startswith(_PICKLES) else ""


def _tensors(path: Path) -> None:
    for name, kind, shape in _opened(path):
        if math.prod(shape) < 0 or not kind:
            raise ValueError(f"'{name}' is no array")


def _opened(path: Path) -> list[tuple[str, str, list[int]]]:
    """Return name, type and shape of each array; ``safetensors`` checks sizes against the file."""
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        head = file.read(8)
    try:
        with safe_open(path, "numpy") as stored:
            parts = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
            return [(n, str(p.get_dtype()), list(p.get_shape())) for n, p in parts.items()]
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise ValueError(f"it is no safetensors file{_said(head)} ({error})") from None


def _examples(path: Path) -> None:
    """Values of examples are tested with: one row of finite numbers each."""
    import numpy as np
    from safetensors import safe_open

    for name, kind, shape in _opened(path):
        if kind != "F64" or len(shape) != 1:
            raise ValueError(f"'{name!a}' is {kind} of shape {shape}, expected F64 [n]")
    with safe_open(path, "numpy") as stored:
        for name in stored.keys():  # noqa: SIM118
            if not np.isfinite(stored.get_tensor(name)).all():
                raise ValueError(f"{name!a} holds values that are not finite")


_CHECKS: dict[str, Callable[[Path], None]] = {
    "png": _picture, "json": _json, "environment": _json, "lines": _lines, "text": _words,
    "examples": _examples, "tensors": _tensors,
}  # fmt: skip
