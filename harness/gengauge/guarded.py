"""Reads what others wrote: never beyond a run's folder, never more than its size allows.

A run folder may come from anywhere. What a record says is checked (``gengauge.sound``) before
anything rests on it; here is what keeps its names and files inside the run, and inputs small.
"""

from __future__ import annotations

import gzip
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gengauge import trust
from gengauge.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIMIT = "GENGAUGE_MAX_INPUT"
ARTIFACT = 1 << 26  # bytes of a picture, a curve or a table beside a record
LINE = 1 << 26  # bytes of a record
_DEFAULT = 8 << 30
_NAME = 200  # characters
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def most() -> int:
    """Return how many bytes an input may hold, unpacked: ``$GENGAUGE_MAX_INPUT``, or 8G."""
    text = os.environ.get(LIMIT, "").strip().upper().removesuffix("B").removesuffix("I")
    if not text:
        return _DEFAULT
    number, unit = (text[:-1], text[-1]) if text[-1] in _UNITS else (text, "")
    if not number.isdecimal():
        raise UsageError(f"{LIMIT}={os.environ[LIMIT]} is not understood; write bytes, or 8G")
    return int(number) * _UNITS[unit]


def is_name(text: object) -> bool:
    """Return whether ``text`` can name a file of a folder and nothing outside of it.

    >>> is_name("ab12cd"), is_name("../ab"), is_name("/etc"), is_name("a\\0b"), is_name("..")
    (True, False, False, False, False)
    """
    return (
        isinstance(text, str)
        and 0 < len(text) <= _NAME
        and text.isprintable()
        and not text.startswith(".")
        and not any(c in text for c in '/\\:*?"<>|')
    )


def inside(path: Path) -> bool:
    """Return whether a file of a run, ``RUN/trials/KEY/NAME``, is there and within the run.

    One that a link leads out of the run is not.
    """
    try:
        if not os.path.isfile(path):  # noqa: PTH113 - asked a hundred thousand times a report
            return False
        return _plain(path) or path.resolve().is_relative_to(path.parents[2].resolve())
    except (OSError, RuntimeError, ValueError, IndexError):  # also a loop of links
        return False


def _plain(path: Path) -> bool:
    """Return whether nothing of ``trials/KEY/NAME`` is a link or leads upwards."""
    name, folder = path.name, os.fspath(path.parent)
    if ".." in (name, *folder.rsplit(os.sep, 2)[1:]):
        return False
    links = (path, folder, os.path.dirname(folder))  # noqa: PTH120
    return not any(os.path.islink(link) for link in links)  # noqa: PTH114


def artifact(path: Path) -> bytes:
    """Return a file of a run; empty where there is none to be read.

    A link that leads out of the run, a pipe, a device and what is too large are not read.
    """
    try:
        found = path.stat() if inside(path) else None
        return path.read_bytes() if found and found.st_size <= ARTIFACT else b""
    except OSError:
        return b""


def small_json(path: Path) -> Any:
    """Return what a JSON file directly in a run's folder says, None where nothing can be read."""
    try:
        usual = path.is_file() and not path.is_symlink() and path.stat().st_size <= ARTIFACT
        return parsed(path.read_bytes()) if usual else None
    except OSError:
        return None


def artifact_text(path: Path) -> str:
    """Return a text of a run, what is no UTF-8 replaced."""
    return artifact(path).decode("utf-8", errors="replace")


def artifact_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a run; empty where it holds none."""
    found = parsed(artifact(path))
    return found if isinstance(found, dict) else {}


def parsed(content: bytes | str) -> Any:
    """Return what JSON says, None where it is none.

    Halves of surrogate pairs, as names of files that are no UTF-8 have, become question marks.
    """
    try:
        found = json.loads(content, parse_constant=_refuse)
        if b"\\u" in content if isinstance(content, bytes) else "\\u" in content:
            whole = json.dumps(found, ensure_ascii=False).encode(errors="replace")
            found = json.loads(whole, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def read_input(path: Path) -> bytes:
    """Return a file of the user's, unpacked where its name ends in ``.gz``.

    ``UsageError`` where it holds more than ``most()`` bytes, however small it is packed.
    """
    return unpacked(path, most()) if path.suffix == ".gz" else _whole(path)


def _whole(path: Path) -> bytes:
    if path.stat().st_size > most():
        raise too_large(path, path.stat().st_size)
    return path.read_bytes()


def unpacked(path: Path, limit: int) -> bytes:
    """Return the content of a gzip file, of ``limit`` bytes at most; else ``UsageError``."""
    try:
        with gzip.open(path) as stream:
            content = stream.read(limit + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path} cannot be read ({error}); get it again") from error
    if len(content) > limit:
        raise too_large(path, len(content), limit)
    return content


def too_large(path: Path, size: int, limit: int | None = None) -> UsageError:
    """Return the error for a file that unpacks to ``size`` bytes or more."""
    known = f"at most {limit:,}" if limit is not None else f"at most {most():,} ({LIMIT})"
    return UsageError(f"'{path}' holds {size:,} bytes or more when unpacked, expected {known}")


def check_archive(path: Path) -> None:
    """Raise ``UsageError`` unless the members of a zip file, unpacked, stay within ``most()``.

    The sizes that a zip file states bind its reader: no member gives more than it declares.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise UsageError(f"'{path}' is no whole zip archive ({error}); get it again") from None
    if size > most():
        raise too_large(path, size)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` file by name, or that of an ``.npy`` file as ``x``.

    Before anything is unpacked the sizes that members and arrays state are checked; arrays of
    Python objects are pickles and refused without trust. ``UsageError`` says what is wrong.
    """
    import numpy as np

    if path.suffix == ".npy":
        with path.open("rb") as stream:
            return {"x": _array(stream, path.name, path, path.stat().st_size)}
    check_archive(path)
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as inner:
                    name = member.filename.removesuffix(".npy")
                    found[name] = _array(inner, member.filename, path, member.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"'{path}' is damaged ({error}); write it again") from None
    assert all(isinstance(x, np.ndarray) for x in found.values())
    return found


def _array(stream: Any, name: str, path: Path, size: int) -> NDArray[np.generic]:
    """Read an array whose header promises no more than the ``size`` bytes that hold it."""
    from numpy.lib import format as npy

    _, _, dtype = array_header(stream, name, path, size)
    if dtype.hasobject:
        trust.require(f"the array '{name}' of '{path}' is of Python objects")
    try:
        stream.seek(0)
        return npy.read_array(stream, allow_pickle=trust.trusted())
    except (ValueError, OSError, EOFError) as error:
        raise _no_array(name, path, error) from None


def array_header(
    stream: Any, name: str, path: Path, size: int
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape of an array in npy format, whether it is in Fortran's order, and its type.

    ``UsageError`` where it promises more than the ``size`` bytes that hold it.
    """
    from tokenize import TokenError

    from numpy.lib import format as npy

    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream)
        promised = dtype.itemsize * _product(shape)
        if not dtype.hasobject and (any(n < 0 for n in shape) or promised > size):
            raise ValueError(f"it promises shape {shape} of {dtype} in {size:,} bytes")
    except (ValueError, OSError, EOFError, TokenError) as error:
        raise _no_array(name, path, error) from None
    return shape, fortran, dtype


def _no_array(name: str, path: Path, error: Exception) -> UsageError:
    return UsageError(f"'{name}' in '{path}' is no array to be read: {error}")


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total
