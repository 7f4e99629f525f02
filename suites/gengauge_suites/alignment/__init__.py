"""The alignment suite: how well samples do what they were asked for."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.hooks import hookimpl
from gengauge.specs import MetricSpec


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the alignment metrics."""
    return ()
