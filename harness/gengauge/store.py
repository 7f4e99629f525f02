"""Append-only records of a run and the artifacts beside them, in a folder or at a URL.

One JSON line a finished trial, written whole and synced. A trial measured again is appended
again; on reading, later lines win and scores are merged, so nothing is ever rewritten.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gengauge import guarded, journal, sound, tidy
from gengauge.errors import StorageError, UsageError
from gengauge.journal import Record, merge, score_id
from gengauge.tidy import COLUMNS, tidy_rows
from gengauge.urls import is_url, local_folder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from gengauge.mirror import Mirror
    from gengauge.segments import Segments

__all__ = ["COLUMNS", "SCHEMA_VERSION", "Record", "RunStore", "merge", "score_id", "tidy_rows"]
_NO_ROOM = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
)  # fmt: skip
_ROOM = 1 << 14  # bytes that must fit for a trial's failure to be its own
SCHEMA_VERSION = 1
_RECORDS = "records.jsonl"


class RunStore:
    """A run in a local folder, or at any URL that fsspec knows, such as ``s3://bucket/run``.

    Trials always work in ``folder``: of a URL it is a copy on this machine, which ``append`` and
    ``push`` bring there. ``writer`` names a record file of its own, for processes of several
    machines that share a folder; those of one machine, and at a URL, need none.

    ``warnings`` lists what could not be read; a damaged line never hides the others.
    """

    def __init__(self, place: Path | str, writer: str = "") -> None:
        self._place, self._writer = place, re.sub(r"[^A-Za-z0-9._-]+", "-", writer)
        self._mirror: Mirror | None = None
        self._segments: Segments | None = None
        self._complete = True
        self._kept: dict[str, frozenset[str]] = {}  # names of per-example values by trial
        if is_url(place):
            from gengauge.mirror import Mirror, copy_of
            from gengauge.segments import Segments

            self.folder = copy_of(str(place))
            self._mirror = Mirror(str(place), self.folder)
            self._segments = Segments(self._mirror)
        else:
            self.folder = local_folder(place)
        self._trials = self.folder / "trials"
        self.warnings: list[str] = []

    def __reduce__(self) -> tuple[type[RunStore], tuple[Path | str, str]]:
        return RunStore, (self._place, self._writer)

    @property
    def address(self) -> str:
        """The folder or the URL, without credentials, as messages show it."""
        return self._mirror.remote.shown if self._mirror else str(self.folder)

    @classmethod
    def open(cls, place: Path | str) -> RunStore:
        """Return the store of an existing run, or raise ``UsageError``."""
        store = cls(place)
        if not store._files():
            raise UsageError(
                f"'{store.address}' is not a run: no records.jsonl in it; "
                "give the folder or the URL that `gengauge run` wrote, such as runs/quick"
            )
        return store

    def _files(self) -> list[Path]:
        """Return the files of records, those at a URL brought here."""
        self._kept.clear()
        if self._mirror and self._segments:
            self._mirror.pull_head()
            self._segments.pull()
            self._complete = False
        return sorted(self.folder.glob("records*.jsonl")) if self.folder.is_dir() else []

    def records(self) -> list[Record]:
        """Return one record a trial, in the order they were planned, later lines merged over it."""
        told: dict[str, list[tuple[int, Record]]] = {}
        self.warnings = []
        files = self._files()
        with journal.uncollected():
            for file, path in enumerate(files):
                for _, record in journal.read(path, self.warnings):
                    told.setdefault(record["trial"], []).append((file, record))
        # trials that run side by side end in any order; a report must not show which
        return sorted(map(journal.fold, told.values()), key=lambda r: r.get("position") or 0)

    def frame(self) -> pd.DataFrame:
        """Return the tidy table: one row for each trial and metric, columns ``COLUMNS``."""
        self.warnings = []
        return tidy.frame(self._files(), self.warnings)

    def append(self, record: Record) -> None:
        """Add one record as one synced write; earlier lines are never touched.

        ``StorageError`` where it cannot be written whole; nothing of it is then left behind. At
        a URL all that the record refers to is there before it; what could not be brought there
        stays on this machine, and the next run there brings it.
        """
        line = journal.encode(record)
        with self.writing():
            if self._segments is not None:
                self._segments.append(line, record["trial"])
                return
            path = self.folder / (f"records-{self._writer}.jsonl" if self._writer else _RECORDS)
            if not journal.append(path, line):  # held up: then a file of our own
                own = f"records-held-{os.getpid()}.jsonl"
                journal.append(self.folder / own, line)

    def push(self, key: str) -> None:
        """Bring what a trial has written so far to the URL; a folder has it already."""
        if self._mirror:
            self._mirror.push(key)

    def pull(self, key: str, *, replace: bool = False) -> None:
        """Bring a trial's folder here before it is run; ``replace``: its end counts alone."""
        if self._mirror:
            (self._mirror.replace if replace else self._mirror.pull)(key)

    def push_shared(self) -> None:
        """Bring what trials share to the URL, and what earlier processes could not bring there."""
        if self._mirror and self._segments:
            self._segments.recover()
            self._mirror.push_shared()

    def fetch(self) -> None:
        """Bring here what reports show of the trials: pictures, curves and values of examples."""
        if self._mirror and not self._complete:
            self._mirror.pull_shown()
            self._complete = True

    def save(self, name: str, content: bytes) -> str:
        """Write a file beside the records, such as a report; return where it is."""
        with self.writing():
            (self.folder / name).write_bytes(content)
            self.push_shared()
        return f"{self.address}/{name}" if self._mirror else str(self.folder / name)

    def check(self) -> None:
        """Raise ``StorageError`` where nothing can be written in the run's folder any more."""
        path = self.folder / f"check.{os.getpid()}.tmp"
        try:
            with self.writing(), journal.appending(path) as handle:
                journal.write(handle, bytes(_ROOM))
        finally:
            with suppress(OSError):
                path.unlink()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the run's folder, and say which one it was where this block cannot write there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise StorageError(
                f"'{self.folder}' cannot be written: {error.strerror or error}; what was finished "
                "is kept: the same command goes on from there"
            ) from None

    def trial_folder(self, key: str) -> Path:
        """Return the folder of a trial's artifacts."""
        return self._trials / key

    def artifacts(self, key: str) -> list[str]:
        """Return the names in a trial's folder, none where a plugin has removed it."""
        folder = self.trial_folder(key)
        return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []

    def dataset_folder(self, id_: str) -> Path:
        """Return the folder of the pictures of a dataset."""
        return self.folder / "datasets" / re.sub(r"[/\\:]", "--", id_)

    def curve(self, key: str) -> list[dict[str, float]]:
        """Return a trial's learning curve, one dict a point; empty where there is none."""
        self.fetch()
        lines = guarded.artifact(self.trial_folder(key) / "curve.jsonl").splitlines()
        points = [p for line in lines if isinstance(p := guarded.parsed(line), dict)]
        return [{k: v for k, v in p.items() if isinstance(v, int | float)} for p in points]

    def per_example(self, key: str, name: str) -> NDArray[np.float64] | None:
        """Return a trial's values ``[n]`` of one score, ``metric`` or ``metric.embedder``.

        None where the score keeps none or the file cannot be read.
        """
        from safetensors import SafetensorError, safe_open

        if name not in self._kept.get(key, {name}):
            return None
        self.fetch()
        path = self.trial_folder(key) / "per_example.safetensors"
        if not guarded.inside(path):
            return None
        try:
            with safe_open(path, "numpy") as stored:
                names = self._kept[key] = frozenset(stored.keys())
                found = stored.get_tensor(name) if name in names else None
        except (OSError, SafetensorError, TypeError, ValueError):
            return None
        return None if found is None else found.astype("float64")

    def add_environment(self, id_: str, content: dict[str, Any]) -> None:
        """Write an environment under its content hash, once."""
        write_json(self.folder / "environments" / f"{id_}.json", content)

    def environments(self) -> dict[str, dict[str, Any]]:
        """Return every environment trials of this run refer to, by id."""
        paths = sorted((self.folder / "environments").glob("*.json"))
        return {p.stem: sound.environment(guarded.small_json(p)) for p in paths}

    def add_metrics(self, metrics: dict[str, dict[str, Any]]) -> None:
        """Keep what each metric means beside its numbers: a report may outlive the plugin."""
        if self._mirror or self._writer:  # others may write at this moment: a name of its own
            text = json.dumps(metrics, sort_keys=True).encode()
            name = f"metrics-{hashlib.sha256(text).hexdigest()[:12]}.json"
            write_json(self.folder / name, metrics)
        else:
            write_json(self.folder / "metrics.json", {**self.metrics(), **metrics})

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Return label, summary, reference, unit, direction, headline and order of each metric."""
        found: dict[str, dict[str, Any]] = {}
        for path in sorted(self.folder.glob("metrics*.json")):
            found.update(sound.metrics(guarded.small_json(path)))
        return found


def write_json(path: Path, content: Any) -> None:
    """Write JSON through a temporary file, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # workers may write the same
    temporary.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")
    temporary.replace(path)
