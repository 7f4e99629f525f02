"""Where a side is read from: a run's folder or URL, a file of records, a baseline file."""

from __future__ import annotations

import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlparse

from gengauge.bundle import is_bundle
from gengauge.errors import BaselineError, UsageError
from gengauge.gate.cells import Side, side_of
from gengauge.gate.snapshot import is_snapshot, read_snapshot
from gengauge.gather import gather
from gengauge.guarded import most
from gengauge.remote import Remote
from gengauge.sources import open_source
from gengauge.store import RunStore
from gengauge.urls import is_url, redacted

_FILE = (".json", ".jsonl")  # what a URL that names a file ends with


def open_side(source: str, *, baseline: bool = False) -> Side:
    """Return what ``source`` holds.

    Raises ``BaselineError`` where a baseline is not there, ``UsageError`` for a candidate.
    """
    try:
        if is_url(source) and urlparse(source).path.endswith(_FILE):
            with tempfile.TemporaryDirectory(prefix="gengauge-") as folder:
                path = Path(folder) / Path(urlparse(source).path).name
                path.write_bytes(Remote(source).content(most()))
                return _local(path, redacted(source))
        return _local(Path(source), redacted(source), source)
    except UsageError as error:
        if baseline:
            raise BaselineError(f"there is no baseline: {error}") from None
        raise


def _local(path: Path, name: str, source: str = "") -> Side:
    if is_snapshot(path):
        return read_snapshot(path, name)
    records = path.is_file() and not is_bundle(path)
    store = _Records(path) if records else open_source(source)
    side = side_of(gather([store]), name)
    side.gates = _gates(store)
    return side


class _Records(RunStore):
    """A file of records, wherever it was copied to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self._path = path

    def _files(self) -> list[Path]:
        return [self._path]


def _gates(store: RunStore) -> dict[str, str]:
    """Return the gates of the benchmark that a run resolved, none where that cannot be read."""
    from gengauge.benchmark import parse_benchmark

    path = store.folder / "benchmark.toml"
    with suppress(OSError, UsageError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return dict(parse_benchmark(path.read_text(encoding="utf-8"), str(path)).gates)
    return {}
