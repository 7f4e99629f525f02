"""Settings of suites and metrics, ``--set KEY=VALUE``: parameters, and which embedder judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gengauge.errors import UsageError, unknown
from gengauge.parameters import Value
from gengauge.registry import Registry
from gengauge.specs import EmbedderSpec, MetricSpec


@dataclass(frozen=True)
class Chosen:
    """A metric's parameters and, where a setting names it, the one embedder it is measured in."""

    parameters: Mapping[str, Value]
    judge: EmbedderSpec | None = None


def read_settings(given: Mapping[str, str], registry: Registry) -> dict[str, Chosen]:
    """Return what ``suite.name=value`` or ``metric.name=value`` changes, by metric.

    ``UsageError`` for unknown names and values, with the nearest one.
    """
    changed: dict[str, dict[str, str]] = {}
    for key, value in given.items():
        owner, _, name = key.partition(".")
        metrics = registry.suites.get(owner) or (
            [registry.metrics[owner]] if owner in registry.metrics else []
        )
        if not metrics:
            raise unknown("suite or metric", owner, [*registry.suites, *registry.metrics])
        takers = [m for m in metrics if any(p.name == name for p in m.settings)]
        if not takers:
            raise unknown(
                "setting", key, [f"{owner}.{p.name}" for m in metrics for p in m.settings]
            )
        for metric in takers:
            changed.setdefault(metric.id, {})[name] = value
    return {
        id_: _chosen(registry.metrics[id_], values, registry) for id_, values in changed.items()
    }


def _chosen(spec: MetricSpec, values: dict[str, str], registry: Registry) -> Chosen:
    named = values.pop(spec.judge.name, "") if spec.judge else ""
    return Chosen(spec.resolve(values), _judge(spec, named, registry) if named else None)


def _judge(spec: MetricSpec, named: str, registry: Registry) -> EmbedderSpec:
    """Return the embedder called ``named`` if ``spec`` can be measured in it."""
    fitting = [e for e in registry.embedders.values() if spec.fits_embedder(e)]
    choices = [name + ":PATH" * e.takes_path for e in fitting for name in (e.id, *e.also)]
    try:
        judge = registry.embedder(named)
    except UsageError:
        raise unknown(f"judge of {spec.id}", named, choices) from None
    if not spec.fits_embedder(judge):
        raise UsageError(
            f"{spec.id} cannot be judged by '{named}', which gives no {spec.uses}; use one of "
            f"{', '.join(sorted(choices))}"
        )
    return judge
