"""Append-only records of a run and the artifacts beside them.

One JSON line a finished trial, written whole and synced. A trial measured again is appended
again; on reading, later lines win and scores are merged, so nothing is ever rewritten.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gengauge import guarded, sound
from gengauge.errors import StorageError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_NO_ROOM = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
)  # fmt: skip
_ROOM = 1 << 14  # bytes that must fit for a trial's failure to be its own
SCHEMA_VERSION = 1
Record = dict[str, Any]
COLUMNS = (
    "model", "family", "dataset", "suite", "metric", "embedder", "seed", "status", "kind", "unit",
    "direction", "value", "low", "high", "standard_error", "n_samples", "n_reference",
    "comparability_key", "reason", "trial", "caveat",
)  # fmt: skip


class RunStore:
    """The folder of one run.

    ``warnings`` lists what could not be read; a damaged line never hides the others.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.warnings: list[str] = []

    @classmethod
    def open(cls, folder: Path | str) -> RunStore:
        """Return the store of an existing run, or raise ``UsageError``."""
        store = cls(folder)
        if not store._files():
            raise UsageError(
                f"'{folder}' is not a run: no records.jsonl in it; "
                "give the folder that `gengauge run` wrote, such as runs/quick"
            )
        return store

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("records*.jsonl")) if self.folder.is_dir() else []

    def records(self) -> list[Record]:
        """Return one record a trial, in the order they were planned, later lines merged over it."""
        merged: dict[str, Record] = {}
        self.warnings = []
        for path in self._files():
            for record in self._read(path):
                key = record["trial"]
                merged[key] = merge(merged[key], record) if key in merged else record
        # trials that run side by side end in any order; a report must not show which
        return sorted(merged.values(), key=lambda record: record.get("position") or 0)

    def _read(self, path: Path) -> list[Record]:
        records: list[Record] = []
        lines = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            record = guarded.parsed(line) if len(line) < guarded.LINE else None
            if record is None:
                cut = number == len(lines)
                what = "cut off (an interrupted write)" if cut else "damaged"
                self.warnings.append(f"{path}: line {number} is {what} and was left out")
            elif problem := sound.wrong(record):
                self.warnings.append(
                    f"{path}: line {number} is damaged ({problem}) and was left out"
                )
            else:
                records.append(record)
        return records

    def append(self, record: Record) -> None:
        """Add one record as one synced write; earlier lines are never touched.

        ``StorageError`` where it cannot be written whole; nothing of it is then left behind.
        """
        path = self.folder / "records.jsonl"
        line = json.dumps(record, allow_nan=False, sort_keys=True).encode() + b"\n"
        with self.writing(), _appending(path) as handle:
            size = os.fstat(handle).st_size
            if size and not _ends_with_newline(path):
                line = b"\n" + line  # the last write was cut off: start a line of our own
            try:
                _write(handle, line)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(handle, size)
                raise

    def check(self) -> None:
        """Raise ``StorageError`` where nothing can be written in the run's folder any more."""
        path = self.folder / f"check.{os.getpid()}.tmp"
        try:
            with self.writing(), _appending(path) as handle:
                _write(handle, bytes(_ROOM))
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
        return self.folder / "trials" / key

    def artifacts(self, key: str) -> list[str]:
        """Return the names in a trial's folder, none where a plugin has removed it."""
        folder = self.trial_folder(key)
        return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []

    def dataset_folder(self, id_: str) -> Path:
        """Return the folder of the pictures of a dataset."""
        return self.folder / "datasets" / re.sub(r"[/\\:]", "--", id_)

    def curve(self, key: str) -> list[dict[str, float]]:
        """Return a trial's learning curve, one dict a point; empty where there is none."""
        lines = guarded.artifact(self.trial_folder(key) / "curve.jsonl").splitlines()
        points = [p for line in lines if isinstance(p := guarded.parsed(line), dict)]
        return [{k: v for k, v in p.items() if isinstance(v, int | float)} for p in points]

    def per_example(self, key: str, name: str) -> NDArray[np.float64] | None:
        """Return a trial's values ``[n]`` of one score, ``metric`` or ``metric.embedder``.

        None where the score keeps none or the file cannot be read.
        """
        from safetensors import SafetensorError, safe_open

        path = self.trial_folder(key) / "per_example.safetensors"
        if not guarded.inside(path):
            return None
        try:
            with safe_open(path, "numpy") as stored:
                found = stored.get_tensor(name) if name in stored.keys() else None  # noqa: SIM118
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
        write_json(self.folder / "metrics.json", {**self.metrics(), **metrics})

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Return label, summary, reference, unit, direction, headline and order of each metric."""
        return sound.metrics(guarded.small_json(self.folder / "metrics.json"))

    def frame(self) -> pd.DataFrame:
        """Return the tidy table: one row for each trial and metric, columns ``COLUMNS``."""
        import pandas as pd

        rows = [row for record in self.records() for row in tidy_rows(record)]
        return pd.DataFrame(rows, columns=list(COLUMNS))


@contextmanager
def _appending(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)


def _write(handle: int, content: bytes) -> None:
    """Write all of ``content``, of which a full disk may take a part and not say so."""
    while content:
        content = content[os.write(handle, content) :]
    os.fsync(handle)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) == b"\n"


def write_json(path: Path, content: Any) -> None:
    """Write JSON through a temporary file, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # workers may write the same
    temporary.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")
    temporary.replace(path)


def score_id(score: dict[str, Any]) -> tuple[str, ...]:
    """Return what tells one score of a trial from another."""
    embedder = (score.get("embedder") or {}).get("id", "")
    return (score["suite"], score["metric"], embedder, score.get("split") or "")


def merge(old: Record, new: Record) -> Record:
    """Return ``new`` with the scores of ``old`` that it did not measure again.

    A failed attempt never hides an earlier success. What failed, or was trained again into
    another model, is replaced whole.
    """
    if new["status"] != "ok":
        return new if old["status"] != "ok" else old
    same = old["model"].get("checkpoint_sha256") == new["model"].get("checkpoint_sha256")
    if old["status"] != "ok" or not same:
        return new
    scores = {score_id(s): s for s in [*old["scores"], *new["scores"]]}
    return {**new, "scores": list(scores.values()), "started_at": old.get("started_at")}


def tidy_rows(record: Record) -> list[dict[str, Any]]:
    """Return the flat rows of one record; a trial without scores gives one row with its reason."""
    base = {
        "model": record["model"]["id"],
        "family": record["model"]["family"],
        "dataset": record["dataset"]["id"],
        "seed": (record.get("seeds") or {}).get("seed"),
        "status": record["status"],
        "trial": record["trial"],
    }
    if not record["scores"]:
        error = record.get("error") or {}
        return [{**base, "reason": f"{error.get('type')}: {error.get('message')}"}]
    return [
        {
            **base,
            **{k: v for k, v in score.items() if k in COLUMNS},
            "embedder": (score.get("embedder") or {}).get("id"),
            "reason": score.get("unscored_reason"),
        }
        for score in record["scores"]
    ]
