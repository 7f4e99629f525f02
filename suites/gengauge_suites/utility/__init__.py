"""The utility suite: what a model is good for beside sampling."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.hooks import hookimpl
from gengauge.specs import MetricSpec


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the utility metrics."""
    return ()
