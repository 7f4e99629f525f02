"""Reads a collection once, block by block: its hash, and its features in every embedder, on disk.

A block is finished when its hash is written; whoever is killed goes on after the last finished
one. Examples are never all in memory.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gengauge.collection import Collection
from gengauge.errors import UsageError
from gengauge.metric import Embedder
from gengauge.provenance import content_hash
from gengauge.rows import Made, Rows, Stored, block_of, picked

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where two that read the same are not told apart
    fcntl = None  # type: ignore[assignment]

PLAIN = "identity"  # its features are the examples themselves: nothing is gained by keeping them
_LINE = 65  # bytes: a hash and the end of a line
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Intake:
    """A collection that was read once: where its features lie, and what its content is."""

    collection: Collection
    folder: Path
    sha256: str  # of the examples and of what is known of each

    def rows(self, embedder: Embedder) -> Rows | None:
        """Return the features of all examples in ``embedder``; None where they were not made."""
        return _rows(self.collection, self.folder, embedder)

    def picked(self, index: Tensor) -> Tensor:
        """Return the examples of the ascending numbers ``index`` ``[k]``, ``[k, *event]``."""
        read = self.collection.read
        shape = self.collection.event_shape
        return picked(index, lambda start, n: read(start, start + n), shape)


def known(collection: Collection, root: Path) -> str:
    """Return the hash of what was read whole before and has not changed since; empty if not."""
    path = _folder(collection, root) / "blocks.txt"
    lines = _finished(path) if collection.stamp and path.exists() else []
    return _digest(collection, lines) if len(lines) == _blocks(collection) else ""


def take_in(
    collection: Collection,
    root: Path,
    embedders: Mapping[str, Embedder],
    name: str,
    on_progress: Progress = lambda fraction: None,
) -> Intake:
    """Return ``collection``, read into a folder of ``root``, with features in ``embedders``.

    ``UsageError`` for values that are not finite or no level, with the example's number, for
    content that has changed since it was read before, and where another process reads it now.
    """
    folder = _folder(collection, root)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, name):
        if not collection.stamp:  # nothing tells that it is the same as before
            for path in folder.iterdir():
                path.unlink()
        lines = _Pass(collection, folder, embedders, name).run(on_progress)
    return Intake(collection, folder, _digest(collection, lines))


@dataclass
class _Pass:
    """One reading of a collection; ``todo`` are the embedders whose features are not whole."""

    collection: Collection
    folder: Path
    embedders: Mapping[str, Embedder]
    name: str

    def run(self, on_progress: Progress) -> list[str]:
        """Read what is not finished, and return the hash of each block."""
        path = self.folder / "blocks.txt"
        lines, total = _finished(path), _blocks(self.collection)
        at = {e.sha256: self._at(e) for e in self._kept()}
        todo = {e.sha256: e for e in self._kept() if at[e.sha256] < total}
        first = min([len(lines), *(at[key] for key in todo)])
        _cut(path, len(lines) * _LINE)
        for b in range(first, total):
            on_progress(b / total)
            self._block(b, lines, {k: e for k, e in todo.items() if at[k] <= b}, path)
        return lines

    def _kept(self) -> Iterator[Embedder]:
        return (e for e in self.embedders.values() if e.id != PLAIN)

    def _at(self, embedder: Embedder) -> int:
        """Return how many blocks of features are whole, and cut off what is half one."""
        path = _file(self.folder, embedder)
        rows = _rows(self.collection, self.folder, embedder, whole=False)
        if not isinstance(rows, Stored):
            path.unlink(missing_ok=True)
            return 0
        size = _size(self.collection)
        if rows.count == self.collection.count:
            return _blocks(self.collection)
        _cut(path, rows.count // size * size * rows.row)
        return rows.count // size

    def _block(self, b: int, lines: list[str], todo: Mapping[str, Embedder], path: Path) -> None:
        size = _size(self.collection)
        try:
            x = self.collection.read(b * size, min((b + 1) * size, self.collection.count))
        except OSError as error:  # of what is read; what cannot be written is told by the store
            named = error.filename or self.name
            raise UsageError(f"'{named}' cannot be read: {error.strerror or error}") from None
        _check(x, b * size, self.collection, self.name)
        line = hashlib.sha256(x.contiguous().numpy().reshape(-1).view("u1").data).hexdigest()
        if b < len(lines) and line != lines[b]:
            raise UsageError(
                f"'{self.name}' has changed since it was read in part: example {b * size} or one "
                "of those after it is another; give --fresh to read it anew"
            )
        for embedder in todo.values():
            self._append(embedder, x)
        if b == len(lines):
            with path.open("a") as handle:
                handle.write(line + "\n")
            lines.append(line)

    def _append(self, embedder: Embedder, x: Tensor) -> None:
        found = embed(embedder, x).contiguous()
        shape = {"width": found.shape[1], "dtype": str(found.numpy().dtype)}
        path = _file(self.folder, embedder)
        if not path.exists():
            path.with_suffix(".json").write_text(json.dumps(shape))
        with path.open("ab") as handle:
            handle.write(found.numpy().data)


def embed(embedder: Embedder, x: Tensor, block: int = 500) -> Tensor:
    """Return features ``[n, d]`` of ``x`` ``[n, *event]`` on the CPU, of the embedder's type."""
    with torch.no_grad():
        return torch.cat([embedder.features(part).cpu() for part in torch.split(x, block)])


def _check(x: Tensor, first: int, collection: Collection, name: str) -> None:
    flat = x.flatten(1)
    bad = torch.zeros(len(x), dtype=torch.bool)
    why = ""
    if flat.is_floating_point():
        bad, why = ~torch.isfinite(flat).all(1), "a value that is not finite (NaN or infinity)"
    elif collection.levels is not None:
        low, high = flat.amin(1).long(), flat.amax(1).long()  # in uint8 a 256 would be 0
        bad = (low < 0) | (high >= collection.levels)
        why = f"a value that is none of the {collection.levels} levels 0 to {collection.levels - 1}"
    if bool(bad.any()):
        row = first + int(bad.nonzero()[0])
        raise UsageError(f"example {row} of '{name}' holds {why}; mend or remove it")


def _size(collection: Collection) -> int:
    """Return how many examples make a block: what the hash is made of, whoever reads it."""
    return block_of(8 * math.prod(collection.event_shape))


def _blocks(collection: Collection) -> int:
    return -(-collection.count // _size(collection))


def _folder(collection: Collection, root: Path) -> Path:
    about = [collection.stamp, collection.modality, collection.count, *collection.event_shape]
    return root / content_hash(about)


def _digest(collection: Collection, lines: list[str]) -> str:
    about = [
        str(tuple(collection.event_shape)), str(collection.levels), str(collection.count),
        *(collection.captions or ()),
    ]  # fmt: skip
    digest = hashlib.sha256("\0".join([*about, *lines]).encode())
    for known_of_each in (collection.labels, collection.characters):
        if known_of_each is not None:
            digest.update(known_of_each.contiguous().numpy().view("u1").data)
    return digest.hexdigest()


def _finished(path: Path) -> list[str]:
    """Return the hashes of finished blocks; a line that was cut off is none."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return lines[: next((i for i, s in enumerate(lines) if len(s) != _LINE - 1), len(lines))]


def _cut(path: Path, size: int) -> None:
    if path.exists() and path.stat().st_size > size:
        os.truncate(path, size)


def _file(folder: Path, embedder: Embedder) -> Path:
    return folder / f"{content_hash([embedder.id, embedder.sha256])}.rows"


def _rows(
    collection: Collection, folder: Path, embedder: Embedder, *, whole: bool = True
) -> Rows | None:
    if embedder.id == PLAIN:
        make = lambda start, stop: embedder.features(collection.read(start, stop))  # noqa: E731
        width = math.prod(collection.event_shape)
        return Made(width, collection.count, block_of(8 * width), make)
    path = _file(folder, embedder)
    try:
        shape = json.loads(path.with_suffix(".json").read_text())
        found = Stored(path, int(shape["width"]), str(shape["dtype"]), 0)
        count = path.stat().st_size // found.row
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if whole and count != collection.count:
        return None
    return Stored(path, found.width, found.dtype, count)


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Hold the folder: two that append to the same features would spoil them."""
    with (folder.parent / f"{folder.name}.lock").open("w") as handle:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError(
                    f"'{name}' is being read by another gengauge for the same run; wait for it, "
                    "or give -o another folder"
                ) from None
        yield
