"""Lines of records in append-only files: read one by one, merged by trial, written whole.

Several processes may append to one file: each line goes in under a lock that the system lifts
when its holder dies. On reading, later lines win and scores are merged, so nothing is rewritten.
"""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from gengauge import guarded, sound

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where a file has one writer
    fcntl = None  # type: ignore[assignment]

Record = dict[str, Any]
_PATIENCE = 10.0  # seconds for a lock that is held while one line is written
_BUFFER = 1 << 20
_LOOK = 0.005  # seconds between two tries


def encode(record: Record) -> bytes:
    """Return a record as one line; ``ValueError`` for a number that is not finite."""
    line = json.dumps(record, allow_nan=False, sort_keys=True).encode()
    return (_whole(record) if b"\\ud" in line else line) + b"\n"


def _whole(record: Record) -> bytes:
    """Return JSON in which a half of a surrogate pair, as a file's name may hold, is a ``?``."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True).encode(errors="replace")


def parse(line: bytes) -> Any:
    """Return what a line says, None where it is no JSON or longer than any record."""
    try:
        return orjson.loads(line) if len(line) < guarded.LINE else None
    except orjson.JSONDecodeError:
        return guarded.parsed(line)  # takes what another program may have written


def read(path: Path, warnings: list[str]) -> Iterator[tuple[int, Record]]:
    """Yield each record of a file with the offset of its line, never holding more than one.

    A line that is none adds to ``warnings`` and hides no other.
    """
    offset = 0
    with path.open("rb", buffering=_BUFFER) as handle:
        for number, line in enumerate(handle, start=1):
            if not line.isspace():
                record = parse(line)
                if record is None:
                    cut = not line.endswith(b"\n")
                    what = "cut off (an interrupted write)" if cut else "damaged"
                    warnings.append(f"{path}: line {number} is {what} and was left out")
                elif problem := sound.wrong(record):
                    warnings.append(
                        f"{path}: line {number} is damaged ({problem}) and was left out"
                    )
                else:
                    yield offset, record
            offset += len(line)


def read_at(path: Path, offset: int) -> Record:
    """Return the record of the line that starts at ``offset``."""
    with path.open("rb") as handle:
        handle.seek(offset)
        record: Record = parse(handle.readline())
        return record


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


def fold(told: Iterable[tuple[int, Record]]) -> Record:
    """Return what is known of one trial from its records, each with the number of its file.

    Within a file lines are in order; between files the time says which record is the later.
    """
    told = list(told)
    if len({file for file, _ in told}) > 1:
        told.sort(key=lambda one: str(one[1].get("started_at") or ""))
    merged = told[0][1]
    for _, record in told[1:]:
        merged = merge(merged, record)
    return merged


def append(path: Path, line: bytes) -> bool:
    """Add a line as one synced write; what does not fit whole leaves nothing of itself.

    False where another process has held the file's lock too long, and nothing was written.
    """
    with appending(path) as handle:
        if not locked(handle, _PATIENCE):
            return False
        size = os.fstat(handle).st_size
        if size and not _ends_with_newline(path):
            line = b"\n" + line  # the last write was cut off: start a line of our own
        try:
            write(handle, line)
        except OSError:
            with suppress(OSError):  # under the lock: no line of another's can stand behind it
                os.ftruncate(handle, size)
            raise
    return True


def locked(handle: int, patience: float = 0.0) -> bool:
    """Lock an open file for this process until it is closed; True where there are no locks."""
    deadline = time.monotonic() + patience
    while fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK)
        except OSError:
            break  # a file system without locks: writers elsewhere have files of their own
        else:
            break
    return True


@contextmanager
def appending(path: Path) -> Iterator[int]:
    """Open a file to add to it, as a descriptor."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)


def write(handle: int, content: bytes) -> None:
    """Write all of ``content``, of which a full disk may take a part and not say so."""
    while content:
        content = content[os.write(handle, content) :]
    os.fsync(handle)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) == b"\n"


@contextmanager
def uncollected() -> Iterator[None]:
    """Hold the cycle collector back: it would walk again and again over records without cycles."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
