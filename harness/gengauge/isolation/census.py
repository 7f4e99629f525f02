"""Who is there and what they take, read in one pass for all trials."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Person:
    """A process: its parent's id, its threads, and the bytes it holds in memory."""

    parent: int
    threads: int
    resident: int


@dataclass(frozen=True)
class Census:
    """All processes of the machine at one moment, by id."""

    people: dict[int, Person] = field(default_factory=dict)
    children: dict[int, list[int]] = field(default_factory=dict)

    def family(self, pid: int) -> dict[int, Person]:
        """Return a process and all that descend from it."""
        found, left = {}, [pid]
        while left:
            if (one := left.pop()) in self.people and one not in found:
                found[one] = self.people[one]
                left += self.children.get(one, [])
        return found


def census() -> Census:
    """Count the processes of the machine.

    >>> os.getpid() in census().family(os.getppid())
    True
    """
    people = dict(_from_proc() if Path("/proc/self/stat").exists() else _from_psutil())
    children: dict[int, list[int]] = {}
    for pid, person in people.items():
        children.setdefault(person.parent, []).append(pid)
    return Census(people, children)


def _from_proc() -> Iterable[tuple[int, Person]]:
    """Read what Linux says of each process in one line, see proc(5)."""
    page = os.sysconf("SC_PAGE_SIZE")
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    rest = file.read().rpartition(b")")[2].split()  # the name may hold anything
                yield int(name), Person(int(rest[1]), int(rest[17]), int(rest[21]) * page)


def _from_psutil() -> Iterable[tuple[int, Person]]:
    for process in psutil.process_iter(["ppid", "num_threads", "memory_info"]):
        said = process.info
        if said["ppid"] is not None:
            held = said["memory_info"].rss if said["memory_info"] else 0
            yield process.pid, Person(said["ppid"], said["num_threads"] or 1, held)


def shared_fairly(pid: int, resident: int) -> int:
    """Return the bytes of a process with its part of what it shares, or all that it holds."""
    with suppress(psutil.Error, OSError, AttributeError):
        return int(psutil.Process(pid).memory_full_info().pss)
    return resident
