"""Where runs are read from: a run's folder, its URL, or a submission that somebody sent."""

from __future__ import annotations

from gengauge.bundle.opening import is_bundle, open_bundle
from gengauge.store import RunStore


def open_source(source: str) -> RunStore:
    """Return the run that ``source`` names, or raise ``UsageError``.

    A submission is checked whole before anything of it is read.
    """
    return open_bundle(source) if is_bundle(source) else RunStore.open(source)
