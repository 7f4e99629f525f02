"""Counts the faults that were tried, and finds what a run has left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_NAMES = ("faults", "survived", "lost")


def survived(record_property: Any, tried: int, lost: int) -> None:
    """Note faults that a run has survived, and the records it has lost; none is allowed."""
    for name, value in zip(_NAMES, (tried, tried, lost), strict=True):
        record_property(name, value)
    assert lost == 0


def summary(reports: Iterable[Any]) -> str:
    """Return one line over all tests that tried faults, an empty string when none did."""
    totals = dict.fromkeys(_NAMES, 0)
    seen = False
    for report in reports:
        told = dict(getattr(report, "user_properties", ()))
        if getattr(report, "when", "") == "call" and set(_NAMES) <= set(told):
            seen = True
            totals = {name: totals[name] + told[name] for name in _NAMES}
    line = f"faults tried {totals['faults']}, survived {totals['survived']}"
    return f"{line}, records lost {totals['lost']}" if seen else ""


def left_behind(mark: str, patience: float = 5.0) -> list[str]:
    """Return the processes with ``FAULT_MARK=mark`` in their environment that do not go away."""
    deadline = time.monotonic() + patience
    while (found := _marked(f"FAULT_MARK={mark}".encode())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _marked(mark: bytes) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.append(f"{folder.name}: {(folder / 'cmdline').read_bytes()!r}")
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
    return found
