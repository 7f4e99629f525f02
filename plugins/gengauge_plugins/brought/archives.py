"""Files of graphs, looked at without running anything of them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gengauge import guarded, trust
from gengauge.errors import UsageError
from gengauge_plugins.brought.content import sha256, stamp_of

_PICKLE = b"\x80"  # how pickles of protocol 2 and above begin, torch's oldest files among them
# of a tensor that lies beside: the entry "location" of its external data, and the file's name
_BESIDE = re.compile(rb"\n\x08location\x12(.)", re.DOTALL)
_LONGEST = 127  # characters of a name that one byte can tell the length of


def describe_torch(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Raise ``UsageError`` unless ``path`` is an archive of torch's that may be run here."""
    kind_of(file_of(path))
    return {}


def describe_onnx(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Raise ``UsageError`` unless ``path`` is an ONNX file with all of its weights."""
    file = file_of(path)
    if zipfile.is_zipfile(file):
        raise UsageError(f"'{path}' is a zip archive, no ONNX file; torchscript:PATH reads torch's")
    files_of(file)
    return {}


def stamp(path: str, options: Mapping[str, Any]) -> str:
    """Return a hash of the graph's file, and of those beside it that hold its weights."""
    file = file_of(path)
    return sha256(file)[:16] if zipfile.is_zipfile(file) else stamp_of(file.parent, files_of(file))


def file_of(path: str) -> Path:
    """Return the file; ``UsageError`` where there is none."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise UsageError(f"there is no file '{path}'; give the path of a graph")
    if file.stat().st_size > guarded.most():
        raise guarded.too_large(file, file.stat().st_size)
    return file


def kind_of(file: Path) -> str:
    """Return ``script`` or ``export`` for torch's archives, programs both, where they are trusted.

    TorchScript may write files, and what ``torch.export`` saves is read with the help of pickle
    and eval: ``UntrustedError`` without trust, ``UsageError`` for what holds no graph.
    """
    if not zipfile.is_zipfile(file):
        with file.open("rb") as stream:
            if stream.read(1) == _PICKLE:
                trust.require(f"'{file}' is a pickle")
        raise _no_graph(str(file))
    guarded.check_archive(file)
    with zipfile.ZipFile(file) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    if "archive_format" in names or any(n.startswith("models/") for n in names):
        kind, what = "export", "holds a program of torch.export"
    elif "constants.pkl" in names:
        kind, what = "script", "is a TorchScript archive, a program beside its weights"
    else:
        kind, what = "", "is a pickle that torch.save wrote"
    trust.require(f"'{file}' {what}")
    if not kind:
        raise _no_graph(str(file))
    return kind


def _no_graph(path: str) -> UsageError:
    return UsageError(
        f"'{path}' holds weights or an object, and no graph that could be run; save it with "
        "torch.jit.save, torch.export.save or as ONNX, or name the code that loads it with "
        "python:module:object"
    )


def files_of(file: Path) -> list[Path]:
    """Return an ONNX file and those beside it that its weights lie in.

    ``UsageError`` for one that is missing or lies elsewhere.
    """
    import mmap

    if not file.stat().st_size:
        raise UsageError(f"'{file}' is empty; export it again")
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        ends = [(m.end(), m[1][0]) for m in _BESIDE.finditer(whole)]
        names = {whole[end : end + size].decode("utf-8", "replace") for end, size in ends}
    found = [file]
    for name in sorted(n for n in names if 0 < len(n) <= _LONGEST):
        beside = file.parent / name
        if not guarded.is_name(name):
            raise UsageError(f"'{file}' keeps weights in {name!r}, which is not beside it; refused")
        if not beside.is_file():
            raise UsageError(f"'{file}' keeps weights in '{name}', which is missing; put it beside")
        found.append(beside)
    return found
