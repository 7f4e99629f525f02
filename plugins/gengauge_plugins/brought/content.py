"""Tells a file's content from any other; each file is read once for as long as it stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from gengauge.provenance import content_hash


def stamp_of(root: Path, files: Iterable[Path]) -> str:
    """Return a hash over names, as seen from ``root``, and bytes of ``files``."""
    return content_hash({str(p.relative_to(root)): sha256(p) for p in files})


def stamp_at(path: Path) -> str:
    """Return a hash over a file, or over all files in a folder."""
    if path.is_file():
        return sha256(path)[:16]
    return stamp_of(path, (p for p in sorted(path.rglob("*")) if p.is_file()))


def sha256(path: Path) -> str:
    """Return a file's SHA-256."""
    found = path.stat()
    return _sha256(path.resolve(), found.st_size, found.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
