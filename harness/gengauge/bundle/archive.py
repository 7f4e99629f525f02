"""Takes a zip archive of a stranger apart: every check stands before a byte is unpacked.

Python's ``zipfile`` reads the whole list of members when it opens an archive, whatever its
length, and follows hints that contradict each other. So the end of the file is read here first,
and an archive must be of the plain form that ``packed`` writes.
"""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from gengauge.bundle.layout import DIRECTORY, MANIFEST, MEMBERS, kind_of, most, shown, whole

_END = struct.Struct("<4s4H2LH")  # end of central directory: signature, ..., size, offset, comment
_BLOCK = 1 << 20
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error,
    UnicodeDecodeError, ValueError,
)  # fmt: skip


class Refusal(ValueError):
    """What does not hold, and in which member."""

    def __init__(self, member: str, what: str) -> None:
        super().__init__(f"{shown(member)}: {what}" if member else what)


class Archive:
    """A zip file whose members have been looked at, by name."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.members = _members(archive.infolist())

    def read(self, name: str) -> bytes:
        """Return a member whole."""
        content = io.BytesIO()
        self.unpack(name, content)
        return content.getvalue()

    def unpack(self, name: str, target: IO[bytes]) -> str:
        """Write a member to ``target``; return its SHA-256.

        No more is unpacked than the member states, which was looked at when this was opened.
        """
        digest, left = hashlib.sha256(), self.members[name].file_size
        try:
            with self._archive.open(self.members[name]) as stream:
                while block := stream.read(_BLOCK):
                    left -= len(block)
                    digest.update(block)
                    target.write(block)
        except _DAMAGE as error:
            raise Refusal(name, f"it is damaged ({error})") from None
        if left:
            raise Refusal(name, "it does not hold as much as it states")
        return digest.hexdigest()


@contextmanager
def opened(file: IO[bytes], size: int) -> Iterator[Archive]:
    """Yield the archive in a file of ``size`` bytes, or raise ``Refusal``."""
    _check_end(file, size)
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise Refusal("", f"it is no whole zip archive ({error}); get it again") from None
    with archive:
        yield Archive(archive)


def _check_end(file: IO[bytes], size: int) -> None:
    """Refuse what is no zip archive to its last byte, or lists more members than it may."""
    tail = _END.size + 20  # the locator of a 64-bit directory would stand before the end
    file.seek(max(0, size - tail))
    last = file.read(tail)
    end = last[-_END.size :]
    if len(end) < _END.size or not end.startswith(b"PK\x05\x06"):
        raise Refusal("", "it is no whole zip archive (it may be cut off); get it again")
    _, disk, first, here, members, directory, offset, comment = _END.unpack(end)
    if members > MEMBERS or directory > DIRECTORY:
        raise Refusal("", f"it lists more members than a bundle may have ({MEMBERS:,})")
    plain = (disk, first, comment) == (0, 0, 0) and here == members
    if not plain or last[:4] == b"PK\x06\x07" or offset + directory + _END.size != size:
        raise Refusal("", "it is no plain zip archive such as `gengauge submit` writes")


def _members(found: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name; each name, kind and size is checked."""
    if len(found) > MEMBERS:
        raise Refusal("", f"it has {len(found):,} members, expected at most {MEMBERS:,}")
    members: dict[str, zipfile.ZipInfo] = {}
    folded: set[str] = set()
    for info in found:
        name = info.orig_filename
        if problem := _wrong(info):
            raise Refusal(name, problem)
        if name in members:
            raise Refusal(name, "two members have this name")
        if name.casefold() in folded:
            raise Refusal(name, "another member's name differs in upper and lower case alone")
        members[name] = info
        folded.add(name.casefold())
    total = sum(info.file_size for info in found)
    if total > whole():
        raise Refusal("", f"it unpacks to {total:,} bytes, expected at most {whole():,}")
    if MANIFEST not in members:
        raise Refusal(MANIFEST, "it is missing: this is no bundle of `gengauge submit`")
    return members


def _wrong(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "it is a link, and a bundle holds files alone"
    if name.endswith("/") or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
        return "it is no plain file"
    parts = name.replace("\\", "/").split("/")
    if not parts[0] or ".." in parts or name[1:2] == ":":
        return "its name leads out of the bundle"
    kind = kind_of(name)
    if not kind or info.filename != name:
        return "a bundle has no such member" + _pickled(name)
    if info.flag_bits & 1:
        return "it is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is packed in a way that a bundle does not use"
    if info.file_size > most(kind):
        return f"it unpacks to {info.file_size:,} bytes, expected at most {most(kind):,}"
    return ""


def _pickled(name: str) -> str:
    pickles = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz")
    return ": weights, and pickles above all, are not submitted" if name.endswith(pickles) else ""
