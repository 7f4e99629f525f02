"""What a trial says and prints, read without ever waiting for it."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

_BLOCK, _BLOCKS = 1 << 16, 64  # bytes a read, reads a turn: one trial must not hold up the others
_HEAD, _TAIL = 1 << 20, 1 << 16  # bytes that are kept of both ends of what is printed
_LONGEST = 1 << 28  # bytes of one piece of news


class _Stream(ABC):
    """The reading end of a pipe; ``open`` until every writer has closed it."""

    def __init__(self) -> None:
        self.descriptor, self.theirs = os.pipe()
        os.set_blocking(self.descriptor, False)
        self.open = True

    def read(self, to_the_end: bool = False) -> None:
        """Take in what is there, a few megabytes at most, or all that was ever written."""
        turns = 0
        while self.open and (to_the_end or turns < _BLOCKS):
            turns += 1
            try:
                block = os.read(self.descriptor, _BLOCK)
            except BlockingIOError:
                return
            if not block:
                self.close()
            else:
                self.take(block)

    @abstractmethod
    def take(self, block: bytes) -> None:
        """Keep a block."""

    def handed_over(self) -> None:
        """Close the writing end here: the trial has it now."""
        os.close(self.theirs)

    def close(self) -> None:
        """Stop listening."""
        if self.open:
            os.close(self.descriptor)
        self.open = False


class News(_Stream):
    """Lines of JSON objects; what is none, or too long, is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = bytearray()
        self.heard: deque[dict[str, Any]] = deque()

    def take(self, block: bytes) -> None:
        """Keep what the whole lines say."""
        self._rest += block
        if b"\n" in block:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
            self.heard += [told for line in lines if (told := _object(line))]
        elif len(self._rest) > _LONGEST:
            self._rest.clear()


def _object(line: bytes) -> dict[str, Any] | None:
    with suppress(ValueError, RecursionError):
        told = json.loads(line, parse_constant=_no_number) if line else None
        return told if isinstance(told, dict) else None
    return None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


class Log(_Stream):
    """What is printed, written to a file that keeps its beginning and its end.

    The file comes into being with the first byte; what lies between is counted and dropped.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._kept = self._dropped = 0
        self._tail = bytearray()
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def take(self, block: bytes) -> None:
        """Write a block, or keep it for the end."""
        head = block[: _HEAD - self._kept]
        if head:
            self._write(head)
        self._kept += len(head)
        self._tail += block[len(head) :]
        if len(self._tail) > 8 * _TAIL:
            self._shorten()

    def finish(self, last: str = "") -> None:
        """Write the end, and a line of our own after it."""
        self._shorten()
        if self._dropped:
            self._write(f"\n... {self._dropped} bytes are left out here ...\n".encode())
        if self._tail or last:
            self._write(bytes(self._tail) + last.encode())
        self._tail.clear()

    def _shorten(self) -> None:
        too_many = max(0, len(self._tail) - _TAIL)
        self._dropped += too_many
        del self._tail[:too_many]

    def _write(self, content: bytes) -> None:
        with suppress(OSError), self._path.open("ab") as file:  # a full disk stops no reading
            file.write(content)


def last_lines(path: Path, count: int = 20) -> str:
    """Return the end of a file, empty where there is none."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    return ""
