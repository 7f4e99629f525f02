"""What a trial may take, and how much it takes: looked at from outside, whatever it does."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from gengauge.budget import Budget
from gengauge.errors import UsageError
from gengauge.isolation.census import Person, shared_fairly

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_ALL = 0.9  # share of the machine's memory that one trial may have where nothing is said
_EXACT = 16  # processes that are looked at exactly
_THREADS, _PROCESSES = 2000, 250  # of one trial: more is a bomb, and no training


@dataclass(frozen=True)
class Limits:
    """Seconds a trial may run, and bytes that it and its children may hold at once.

    >>> Limits.parse("30m", "8G")
    Limits(seconds=1800.0, memory=8589934592)
    """

    seconds: float = float("inf")
    memory: int = 0  # 0: nine tenths of the machine's

    @classmethod
    def parse(cls, timeout: str | None, memory: str | None) -> Limits:
        """Read ``30m`` and ``8G``, each None for no limit; ``UsageError`` for anything else."""
        return cls(_seconds(timeout), _bytes(memory))

    def broken(self, family: dict[int, Person], seconds: float) -> tuple[str, str] | None:
        """Return the status and the reason to end a trial, None while there is none.

        Memory is each process's own and its part of what it shares (PSS where Linux tells it).
        """
        if len(family) > _PROCESSES:
            return "failed", f"it started more than {_PROCESSES} processes"
        if sum(p.threads for p in family.values()) > _THREADS:
            return "failed", f"it started more than {_THREADS} threads"
        if seconds > self.seconds:
            return "timeout", f"it ran for more than {self.seconds:g} seconds"
        allowed = self.memory or int(_ALL * machine_memory())
        held = _held(family, allowed)
        if held > allowed:
            return "out_of_memory", f"it held {held / 2**30:.2f} GiB, allowed {allowed / 2**30:.2f}"
        return None


@cache
def machine_memory() -> int:
    """Return the bytes that this machine, or the container it is, can give."""
    given: list[int] = [psutil.virtual_memory().total]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # "max": no limit
            given.append(int((Path("/sys/fs/cgroup") / name).read_text()))
    return min(given)


def _held(family: dict[int, Person], allowed: int) -> int:
    """Return the bytes held: what is resident, an upper bound, or exactly where that is too much.

    To look exactly takes milliseconds a process, and seconds amid a storm of forks: of more than
    ``_EXACT`` the smallest is taken for what all have in common.
    """
    resident = [p.resident for p in family.values()]
    if sum(resident) <= allowed:
        return sum(resident)
    if len(family) <= _EXACT:
        return sum(shared_fairly(pid, person.resident) for pid, person in family.items())
    common = min(resident)
    return common + sum(r - common for r in resident)


def _seconds(text: str | None) -> float:
    if text is None:
        return float("inf")
    with suppress(UsageError):
        budget = Budget.parse(text)
        if budget.unit == "seconds":
            return budget.amount
    raise UsageError(f"--timeout '{text}' is not understood; write a time, such as 90s, 30m or 2h")


def _bytes(text: str | None) -> int:
    if text is None:
        return 0
    match = _SIZE.fullmatch(text)
    found = int(float(match[1]) * 1024 ** _POWERS[match[2].upper()]) if match else 0
    if found < 2**20:
        raise UsageError(f"--memory '{text}' is not understood; write a size, such as 512M or 8G")
    return found
