"""Where published runs are read from: a run's folder, its URL, or a file that somebody sent."""

from __future__ import annotations

from pathlib import Path

from gengauge.errors import UsageError
from gengauge.store import RunStore


def open_source(source: str) -> RunStore:
    """Return the run that ``source`` names, or raise ``UsageError``."""
    if Path(source).is_file():
        raise UsageError(
            f"'{source}' is a file, expected the folder or the URL of a run, such as runs/quick"
        )
    return RunStore.open(source)
