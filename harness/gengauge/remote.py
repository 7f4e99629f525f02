"""Files on any file system that fsspec knows, with patience for one that falters."""

from __future__ import annotations

import errno
import importlib
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from gengauge.errors import StorageError, UsageError
from gengauge.urls import redacted

_T = TypeVar("_T")
PAUSES = (0.5, 2.0)  # seconds before it is tried again, beside the patience of the library
_LOCAL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_FOR_GOOD = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ParamValidation")
# extras of this distribution, by protocol
_EXTRAS = {"s3": "s3", "s3a": "s3", "http": "http", "https": "http"}


class Remote:
    """A folder at ``url``; names of files are relative to it, with ``/`` between parts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.shown = redacted(url)

    @cached_property
    def _place(self) -> tuple[Any, str]:
        protocol = self.url.partition("://")[0].rpartition("::")[2]
        try:
            fsspec = importlib.import_module("fsspec")
            system, root = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            extra = _EXTRAS.get(protocol)
            how = f"pip install 'gengauge[{extra}]'" if extra else redacted(str(error))
            raise UsageError(
                f"'{self.shown}' cannot be opened: {protocol}:// needs {how}"
            ) from None
        except Exception as error:
            raise UsageError(
                f"'{self.shown}' cannot be opened: {redacted(str(error))}; "
                "give a folder, or a URL such as s3://bucket/run"
            ) from None
        return system, str(root).rstrip("/")

    def find(self, below: str = "", deep: bool = True) -> dict[str, tuple[str, int]]:
        """Return the version and the size of each file below a folder, by name.

        A name that would lead out of the folder is left out.
        """
        system, root = self._place
        top = f"{root}/{below}".rstrip("/")

        def look() -> dict[str, tuple[str, int]]:
            system.invalidate_cache()
            try:
                found = system.find(top, maxdepth=None if deep else 1, detail=True)
            except FileNotFoundError:
                return {}
            names = {name[len(root) :].lstrip("/"): about for name, about in found.items()}
            return {n: (_version(a), int(a["size"] or 0)) for n, a in names.items() if _tame(n)}

        return self._patiently(look)

    def get(self, files: Iterable[tuple[str, Path]]) -> None:
        """Bring files here, each whole or not at all."""
        system, root = self._place
        wanted = dict(files)
        for path in wanted.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        parts = [p.with_name(f"{p.name}.{time.time_ns()}.tmp") for p in wanted.values()]
        remote = [f"{root}/{name}" for name in wanted]
        if not wanted:
            return
        try:
            self._patiently(lambda: system.get(remote, list(map(str, parts))))
            for part, path in zip(parts, wanted.values(), strict=True):
                part.replace(path)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)

    def content(self, limit: int) -> bytes:
        """Return the file that lies at the URL itself; ``UsageError`` beyond ``limit`` bytes."""
        system, path = self._place

        def read() -> bytes:
            with system.open(path, "rb") as stream:
                found: bytes = stream.read(limit + 1)
                return found

        try:
            found = self._patiently(read)
        except StorageError as error:
            reason = str(error).split("; ")[0]
            raise UsageError(reason) from None
        if len(found) > limit:
            raise UsageError(f"'{self.shown}' holds more than the {limit:,} bytes that are read")
        return found

    def put(self, files: Iterable[tuple[Path, str]]) -> None:
        """Bring files there; those that vanish on the way are left out."""
        system, root = self._place
        wanted = list(files)

        def send() -> None:
            here = [(str(path), f"{root}/{name}") for path, name in wanted if path.is_file()]
            if here:
                system.put([path for path, _ in here], [name for _, name in here])

        self._patiently(send)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole."""
        system, root = self._place
        self._patiently(lambda: system.pipe_file(f"{root}/{name}", content))

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that is not there is as good as removed."""
        system, root = self._place

        def away() -> None:
            for name in names:
                try:
                    system.rm_file(f"{root}/{name}")
                except FileNotFoundError:
                    continue

        self._patiently(away)

    def _patiently(self, what: Callable[[], _T]) -> _T:
        """Do it, again after a while where it may have been a passing fault; ``StorageError``."""
        for pause in (*PAUSES, None):
            try:
                return what()
            except Exception as error:
                if isinstance(error, OSError) and error.errno in _LOCAL:
                    raise  # of the disk here
                if pause is None or _for_good(error):
                    raise self._failed(error) from None
                time.sleep(pause)
        raise AssertionError

    def _failed(self, error: Exception) -> StorageError:
        reason = redacted(str(error)).strip().splitlines()
        what = f"{type(error).__name__}: {reason[0]}" if reason else type(error).__name__
        return StorageError(
            f"'{self.shown}' cannot be reached: {what}; what was measured is kept on this machine: "
            "the same command goes on from there"
        )


def _for_good(error: Exception) -> bool:
    kind = type(error).__name__
    lasting = PermissionError | FileNotFoundError | ValueError | TypeError | NotImplementedError
    return isinstance(error, lasting) or kind.startswith(_FOR_GOOD)


def _version(about: dict[str, Any]) -> str:
    """Return what changes when a file does, as far as its file system tells."""
    keys = ("ETag", "etag", "LastModified", "last_modified", "mtime", "modified", "created")
    return next((str(about[k]) for k in keys if about.get(k)), "")


def _tame(name: str) -> bool:
    return bool(name) and not {"", ".", ".."} & set(name.split("/")) and "\\" not in name
