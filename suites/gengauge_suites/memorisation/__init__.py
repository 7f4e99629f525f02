"""The memorisation suite: whether samples are new, and varied."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.hooks import hookimpl
from gengauge.specs import MetricSpec


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the memorisation metrics."""
    return ()
