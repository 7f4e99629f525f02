"""Records at a URL: each process writes files of its own, so that many may at once.

An object cannot be appended to, it is written anew: so a file is closed at some size and the
next begun. Of two copies of one file the longer is the later, for it has one writer.
"""

from __future__ import annotations

import os
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gengauge import journal
from gengauge.mirror import NOTES, Mirror, is_records

LONGEST = 1 << 20  # bytes of a file that is written anew for each record
_NAME = re.compile(r"records-(.+)-\d{4,}\.jsonl")


def writer_name() -> str:
    """Return a name that no other process has."""
    host = re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname())[:40].strip("-") or "host"
    return f"{host}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


class Segments:
    """The record files of a mirrored run, those of this process among them."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror, self._folder = mirror, mirror.folder
        self._writer, self._number, self._owner = "", 0, 0
        self._lock: int | None = None

    def append(self, line: bytes, key: str) -> None:
        """Add a line here, then, after all that it refers to, there."""
        path = self._mine()
        journal.append(path, line)
        self._mirror.push(key)
        self._mirror.push_shared()
        self._send(path)

    def pull(self) -> None:
        """Bring what others have written; what was removed there is removed here."""
        here = {p.name: p.stat().st_size for p in self._files()}
        sent = {name for name in here if self._sent(name) > 0}  # before anybody sends another
        found = self._mirror.remote.find(deep=False)
        there = {name: size for name, (_, size) in found.items() if is_records(name)}
        longer = [n for n, size in there.items() if size > here.get(n, -1)]
        self._mirror.remote.get((name, self._folder / name) for name in longer)
        for name in longer:
            self._note(name, there[name])
        for name in sent - set(there):
            (self._folder / name).unlink(missing_ok=True)
            self._noted(name).unlink(missing_ok=True)

    def recover(self) -> None:
        """Bring there what processes of this machine could not before they ended."""
        for path in self._files():
            if path.stat().st_size > self._sent(path.name):
                with self._alone(path.name) as free:
                    if free:
                        self._send_all(path)

    def _send_all(self, path: Path) -> None:
        """Send a file of records after all that its new lines refer to."""
        sent = max(0, self._sent(path.name))
        keys = [record["trial"] for offset, record in journal.read(path, []) if offset >= sent]
        for key in dict.fromkeys(keys):
            self._mirror.push(key)
        self._mirror.push_shared()
        self._send(path)

    def _send(self, path: Path) -> None:
        content = path.read_bytes()
        self._mirror.remote.write(path.name, content)
        self._note(path.name, len(content))

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("records*.jsonl"))

    def _mine(self) -> Path:
        """Return the file this process writes to, the next one when it is long."""
        if self._owner != os.getpid():  # also after a fork
            self._writer, self._number, self._owner = writer_name(), 0, os.getpid()
            lock = self._folder / NOTES / f"{self._writer}.lock"
            lock.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(lock, os.O_WRONLY | os.O_CREAT, 0o644)
            journal.locked(self._lock)  # until this process ends
        path = self._named()
        if path.exists() and path.stat().st_size >= LONGEST:
            self._number += 1
            path = self._named()
        return path

    def _named(self) -> Path:
        return self._folder / f"records-{self._writer}-{self._number:04d}.jsonl"

    @contextmanager
    def _alone(self, name: str) -> Iterator[bool]:
        """Say whether the process that wrote a file is this one or has ended."""
        match = _NAME.fullmatch(name)
        writer = match[1] if match else name
        if writer == self._writer and self._owner == os.getpid():
            yield True
            return
        with journal.appending(self._folder / NOTES / f"{writer}.lock") as handle:
            yield journal.locked(handle)

    def _noted(self, name: str) -> Path:
        return self._folder / NOTES / f"{name}.sent"

    def _sent(self, name: str) -> int:
        """Return how many bytes of a file are known to lie there, -1 if it never did."""
        with suppress(OSError, ValueError):
            return int(self._noted(name).read_text())
        return -1

    def _note(self, name: str, size: int) -> None:
        path = self._noted(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        half.write_text(str(size))
        half.replace(path)
