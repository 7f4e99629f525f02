"""Where a side is read from: a run's folder or URL, a file of records, a baseline file."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path

from gengauge.bundle import is_bundle
from gengauge.errors import BaselineError, UsageError
from gengauge.gate.cells import Side, side_of
from gengauge.gate.snapshot import is_snapshot, read_snapshot
from gengauge.gather import gather
from gengauge.sources import open_source
from gengauge.store import RunStore
from gengauge.urls import redacted


def open_side(source: str, *, baseline: bool = False) -> Side:
    """Return what ``source`` holds.

    Raises ``BaselineError`` where a baseline is not there, ``UsageError`` for a candidate.
    """
    path = Path(source)
    if is_snapshot(path):
        return read_snapshot(path)
    try:
        records = path.is_file() and not is_bundle(path)
        store = _Records(path) if records else open_source(source)
    except UsageError as error:
        if baseline:
            raise BaselineError(f"there is no baseline: {error}") from None
        raise
    side = side_of(gather([store]), redacted(source))
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
