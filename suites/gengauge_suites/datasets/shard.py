"""One tar file of samples: where each picture lies in it, and what stands beside it."""

from __future__ import annotations

import itertools
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gengauge.errors import UsageError
from gengauge_suites.datasets.beside import CAPTIONS, LABELS
from gengauge_suites.datasets.tree import shown

_NAME = re.compile(r"((?:.*/|)[^./][^.]*)\.([^/]*)", re.DOTALL)  # webdataset's: up to the first dot
_PICTURES = ("png", "jpg", "jpeg", "webp")
_TEXT = 1 << 20  # bytes of what is no picture


@dataclass(frozen=True)
class Sample:
    """A picture in a shard: where its bytes are, its label and its caption."""

    shard: Path
    name: str
    start: int
    size: int
    label: str | int | None = None
    caption: str | None = None

    def __str__(self) -> str:
        return shown(f"{self.shard}/{self.name}")


def samples(shard: Path) -> Iterator[Sample]:
    """Yield the samples of a shard in its order; ``UsageError`` where it is none.

    Names in it are no paths: nothing is written, and links are refused.
    """
    with shard.open("rb") as stream:
        members = _members(shard, stream)
        for key, group in itertools.groupby(members, lambda one: one[0]):
            listed = [(end, member) for _, end, member in group]
            files = dict(listed)
            if len(files) < len(listed):
                raise UsageError(
                    f"'{shown(f'{shard}/{key}')}' has two files of one ending; leave one"
                )
            yield _sample(shard, stream, key, files)


def _members(shard: Path, stream: IO[bytes]) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    """Yield the key, the ending and the header of each file."""
    size = stream.seek(0, 2)
    stream.seek(0)
    archive: Any
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # which would be kept, a million of them
                _check(shard, member, size)
                match = _NAME.fullmatch(member.name)
                if match and not member.isdir():
                    yield match[1], match[2].lower(), member
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE).strip(b"\0"):  # tarfile ends there without a word
                raise tarfile.ReadError("it ends in what is no header")
    except (tarfile.TarError, EOFError, ValueError, RecursionError) as error:
        raise UsageError(
            f"'{shard}' is no whole tar file ({error}); get it again, and unpack it if it is packed"
        ) from None


def _check(shard: Path, member: tarfile.TarInfo, size: int) -> None:
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise UsageError(f"'{shard}' holds {member.name!r}, a link or no plain file; leave it out")
    if member.offset_data + member.size > size:
        raise UsageError(f"'{shard}' is cut off in {member.name!r}; get it again")


def _sample(shard: Path, stream: IO[bytes], key: str, files: dict[str, tarfile.TarInfo]) -> Sample:
    pictures = [end for end in files if end in _PICTURES]
    if len(pictures) != 1:
        name, found = shown(f"{shard}/{key}"), shown(", ".join(sorted(files)))
        raise UsageError(f"'{name}' has the files {found}; expected one picture, png, jpg or webp")
    known: dict[str, Any] = {}
    for end in ("json", "txt", "cls"):  # what stands for itself counts more
        if end in files:
            known.update(_told(shard, end, files[end], stream))
    member = files[pictures[0]]
    return Sample(shard, f"{key}.{pictures[0]}", member.offset_data, member.size, **known)


def _told(shard: Path, end: str, member: tarfile.TarInfo, stream: IO[bytes]) -> dict[str, Any]:
    """Return what a file beside a picture says of it."""
    name = shown(f"{shard}/{member.name}")
    if member.size > _TEXT:
        raise UsageError(f"'{name}' holds {member.size:,} bytes, expected at most {_TEXT:,}")
    stream.seek(member.offset_data)
    content = stream.read(member.size)
    try:
        text = content.decode()
        if end == "txt":
            return {"caption": text.strip()}
        if end == "cls":
            return {"label": int(text)}
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"'{name}' cannot be read ({error}); mend it") from None
    if not isinstance(found, dict):
        return {}
    told = {}
    for what, names in (("caption", CAPTIONS), ("label", LABELS)):
        value = next((found[name] for name in names if name in found), None)
        if isinstance(value, str) or (what == "label" and type(value) is int):
            told[what] = value
    return told
