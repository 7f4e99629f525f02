"""Publishes runs into a folder that is whole or not there: made beside it, then put there."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gengauge.errors import UsageError
from gengauge.parameters import Value
from gengauge.publisher import PublisherSpec
from gengauge.registry import Registry, load_target
from gengauge.store import RunStore

MARKER = ".gengauge-published"


def publish(
    registry: Registry,
    to: str,
    stores: list[RunStore],
    folder: Path,
    given: Mapping[str, Value],
) -> Path:
    """Write ``stores`` into ``folder`` in a registered form; return the file to begin with.

    What ``folder`` held before stays there until all is written, and where anything fails.
    ``UsageError`` where it holds what the same publisher has not written.
    """
    spec = registry.find("publishers", to)
    assert isinstance(spec, PublisherSpec)
    if spec.lacks:
        raise UsageError(f"publisher '{to}' {spec.lacks}")
    parameters = spec.resolve(given)
    with _replaced(folder.resolve(), to) as fresh:
        first: Path = load_target(spec.target)(stores, fresh, **parameters)
        beginning = first.relative_to(fresh)
        (fresh / MARKER).write_text(f"{to}\n", encoding="utf-8")
    return folder / beginning


@contextmanager
def _replaced(folder: Path, to: str) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``folder`` where the block succeeds."""
    _check(folder, to)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    fresh, old = scratch / "new", scratch / "old"
    try:
        fresh.mkdir()  # unlike the one around it open to whom the umask lets in
        yield fresh
        _check(folder, to)  # it may have taken minutes
        _exchange(folder, fresh, old)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _exchange(folder: Path, fresh: Path, old: Path) -> None:
    """Put ``fresh`` in the place of ``folder``; bring back what was there if that fails."""
    there = folder.exists()
    try:
        if there:
            folder.rename(old)
        try:
            fresh.rename(folder)
        except OSError:
            if there:
                old.rename(folder)
            raise
    except OSError as error:
        raise UsageError(
            f"cannot put what was written in place of '{folder}': {error.strerror or error}; "
            "give -o a folder that can be renamed, no mount point"
        ) from None


def _check(folder: Path, to: str) -> None:
    """Raise ``UsageError`` unless ``folder`` is absent, empty or written by this publisher."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"'{folder}' is a file, expected a folder to publish into")
    if not os.access(folder.parent, os.W_OK):
        raise UsageError(f"cannot write beside '{folder}': {os.strerror(errno.EACCES)}")
    marker = folder / MARKER
    by = marker.read_text("utf-8", "replace").strip() if marker.is_file() else ""
    if by != to and any(folder.iterdir()):
        what = f"what `publish --to {by}` wrote" if by else "files that no `publish` wrote"
        raise UsageError(f"'{folder}' holds {what}; it is left alone: give -o another folder")
