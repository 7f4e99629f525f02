"""Arrays in a file of the user's, npy, npz or safetensors: read block by block where they lie."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gengauge import guarded, trust
from gengauge.errors import UsageError

Array = NDArray[Any]
_NPY, _ZIP = b"\x93NUMPY", b"PK"
_LOCAL = 30  # bytes of a member's own header in a zip file, before its name and what is extra
_CHUNK = 1 << 20
_TYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "u2", "I16": "i2", "U32": "u4", "I32": "i4",
    "U64": "u8", "I64": "i8", "F16": "f2", "BF16": "f4", "F32": "f4", "F64": "f8",
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """An array of a file: what its header says, and its rows from one to another (exclusive)."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: Callable[[int, int], Array]

    def __str__(self) -> str:
        return f"'{self.name}' in '{self.path}' is {self.dtype} of shape {list(self.shape)}"

    def whole(self) -> Array:
        """Return all of it."""
        return self.rows(0, self.shape[0] if self.shape else 0)


def stored(path: Path) -> dict[str, Stored]:
    """Return the arrays of a file by name, that of ``.npy`` as ``x``; only headers are read.

    ``OSError`` and ``UsageError`` say what keeps it from being read. Values that lie unpacked are
    mapped into memory, packed ones are unpacked when they are asked for, no more than
    ``gengauge.guarded.most()`` of them; pickles are refused without trust.
    """
    with path.open("rb") as stream:
        magic = stream.read(len(_NPY))
        stream.seek(0)
        if magic == _NPY:
            return {"x": _npy(path, stream)}
    if magic.startswith(_ZIP) or path.suffix == ".npz":
        return _npz(path)
    if path.suffix == ".safetensors":
        return _safetensors(path)
    raise UsageError(f"'{path}' is no .npy, .npz or .safetensors; give such a file of arrays")


def _npy(path: Path, stream: IO[bytes]) -> Stored:
    size = path.stat().st_size
    shape, fortran, dtype = guarded.array_header(stream, path.name, path, size)
    start = stream.tell()
    if dtype.hasobject:
        return _lazy(path, "x", shape, dtype, lambda: guarded.load_arrays(path)["x"])
    if start + dtype.itemsize * int(np.prod(shape, dtype=object)) > size:
        raise UsageError(f"'{path}' is cut off: its header promises {list(shape)}; write it again")
    return _lazy(path, "x", shape, dtype, lambda: _mapped(path, start, shape, dtype, fortran))


def _npz(path: Path) -> dict[str, Stored]:
    found: dict[str, Stored] = {}
    with _whole(path), zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
        packed = sum(m.file_size for m in members if m.compress_type != zipfile.ZIP_STORED)
        if packed > guarded.most():
            raise guarded.too_large(path, packed)
        for member in members:
            with archive.open(member) as inner:
                shape, fortran, dtype = guarded.array_header(
                    inner, member.filename, path, member.file_size
                )
                start = inner.tell()
            name = member.filename.removesuffix(".npy")
            load = _member(path, member, start, shape, dtype, fortran)
            found[name] = _lazy(path, name, shape, dtype, load)
    return found


def _member(
    path: Path, member: zipfile.ZipInfo, start: int, shape: tuple[int, ...], dtype: np.dtype[Any],
    fortran: bool,
) -> Callable[[], Array]:  # fmt: skip
    """Return what reads a member whole, or maps it where it is not packed."""

    def load() -> Array:
        with _whole(path), zipfile.ZipFile(path) as archive:
            if dtype.hasobject:
                trust.require(f"the array '{member.filename}' of '{path}' is of Python objects")
            if member.compress_type != zipfile.ZIP_STORED or dtype.hasobject:
                with archive.open(member) as inner:
                    return np.lib.format.read_array(inner, allow_pickle=trust.trusted())
            with archive.open(member) as inner:
                while inner.read(_CHUNK):  # to its end, where zipfile compares the checksum
                    pass
        with path.open("rb") as stream:
            stream.seek(member.header_offset)
            local = stream.read(_LOCAL)
        named, extra = (int.from_bytes(local[i : i + 2], "little") for i in (26, 28))
        begin = member.header_offset + _LOCAL + named + extra + start
        return _mapped(path, begin, shape, dtype, fortran)

    return load


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turn what zipfile raises for a damaged archive into a ``UsageError``."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
            ValueError) as error:  # fmt: skip
        raise UsageError(f"'{path}' is no whole zip archive ({error}); write it again") from None


def _mapped(
    path: Path, start: int, shape: tuple[int, ...], dtype: np.dtype[Any], fortran: bool
) -> Array:
    if 0 in shape or not dtype.itemsize:  # there is nothing to map
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


def _lazy(
    path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], load: Callable[[], Array]
) -> Stored:
    once = cache(load)

    def rows(start: int, stop: int) -> Array:
        found = once()
        if isinstance(found, np.memmap) and found.ndim and found.flags.c_contiguous:
            return _read(found, start, min(stop, len(found)))
        return found[start:stop]

    return Stored(path, name, shape, dtype, rows)


def _read(mapped: np.memmap[Any, Any], start: int, stop: int) -> Array:
    """Return rows of a mapped array by reading them: pages that are touched count as memory."""
    values = int(np.prod(mapped.shape[1:], dtype=object))
    at = mapped.offset + start * values * mapped.dtype.itemsize
    found = np.fromfile(str(mapped.filename), mapped.dtype, (stop - start) * values, offset=at)
    if len(found) != (stop - start) * values:
        raise UsageError(f"'{mapped.filename}' was cut off while it was read; write it again")
    return found.reshape(stop - start, *mapped.shape[1:])


def _safetensors(path: Path) -> dict[str, Stored]:
    from safetensors import SafetensorError, safe_open

    try:
        file: Any = safe_open(path, framework="pt")
    except SafetensorError as error:
        raise UsageError(
            f"'{path}' is no whole safetensors file ({error}); write it again"
        ) from None
    found: dict[str, Stored] = {}
    for name in file.keys():  # noqa: SIM118 - it is no mapping
        part = file.get_slice(name)
        dtype = np.dtype(_TYPES.get(part.get_dtype(), "V1"))

        def rows(start: int, stop: int, part: Any = part, dtype: Any = dtype) -> Array:
            tensor = part[start:stop]
            values: Array = (tensor.float() if dtype.kind == "f" else tensor).numpy()
            return values

        found[name] = Stored(path, name, tuple(part.get_shape()), dtype, rows)
    return found
