"""``gengauge list``: what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from gengauge.cli.output import Names, format_option, open_registry, plugin_option, write_rows
from gengauge.registry import Plugin, Registry

Row = dict[str, Any]


def _models(registry: Registry) -> Iterable[Row]:
    for s in registry.models.values():
        yield {
            "id": s.id + ":PATH" * s.takes_path, "family": s.family, "data": list(s.modalities),
            "capabilities": list(s.capabilities), "budget": s.budget or None,
            "missing": s.lacks or None, "summary": s.summary,
        }  # fmt: skip


def _datasets(registry: Registry) -> Iterable[Row]:
    for s in registry.datasets.values():
        yield {
            "id": s.id + ":PATH" * s.takes_path, "modality": s.modality, "levels": s.levels,
            "labels": s.labelled, "density known": s.has_truth,
            "embedders": list(s.embedders), "summary": s.summary,
        }  # fmt: skip


def _metrics(registry: Registry) -> Iterable[Row]:
    for s in registry.metrics.values():
        yield {
            "id": s.id, "suite": s.suite, "unit": s.unit, "better": s.direction,
            "data": list(s.modalities), "embedder": s.embedded, "version": s.version,
            "summary": s.summary,
        }  # fmt: skip


def _suites(registry: Registry) -> Iterable[Row]:
    for name, metrics in registry.suites.items():
        yield {"id": name, "metrics": [m.id for m in metrics]}


def _plugins(registry: Registry) -> Iterable[Row]:
    for p in registry.plugins:
        offers = [f"{len(specs)} {kind}" for kind, specs in p.specs.items() if specs]
        yield {
            "id": p.name, "status": _status(p), "module": p.module,
            "distribution": p.distribution, "version": p.version, "offers": offers,
            "reason": p.error or p.denied or None,
        }  # fmt: skip


def _status(plugin: Plugin) -> str:
    return "denied" if plugin.denied else "broken" if plugin.error else "ok"


def _plain(kind: str) -> Callable[[Registry], Iterable[Row]]:
    def rows(registry: Registry) -> Iterable[Row]:
        for s in getattr(registry, kind).values():
            yield {"id": s.id + ":PATH" * getattr(s, "takes_path", False), "summary": s.summary}

    return rows


def _reports(registry: Registry) -> Iterable[Row]:
    for s in registry.reports.values():
        yield {"id": s.id, "verb": f"report --format {s.id}", "summary": s.summary}
    for p in registry.publishers.values():
        yield {"id": p.id, "verb": f"publish --to {p.id}", "summary": p.summary}


def _chosen(kind: str) -> Callable[[Registry], Iterable[Row]]:
    """What is chosen by name with parameters of its own, and may lack packages."""
    return lambda registry: (
        {
            "id": s.id, "parameters": [p.name for p in s.parameters],
            "missing": s.lacks or None, "summary": s.summary,
        }
        for s in getattr(registry, kind).values()
    )  # fmt: skip


KINDS: dict[str, Callable[[Registry], Iterable[Row]]] = {
    "models": _models,
    "datasets": _datasets,
    "metrics": _metrics,
    "suites": _suites,
    "benchmarks": _plain("benchmarks"),
    "plugins": _plugins,
    "reports": _reports,
    "embedders": _plain("embedders"),
    "executors": _chosen("executors"),
    "trackers": _chosen("trackers"),
}


@click.command("list")
@click.argument("kind", type=Names("listing", list(KINDS)))
@click.option("--family", help="Models of this family only.")
@format_option
@plugin_option
def command(kind: str, family: str | None, format_: str, plugins: tuple[str, ...]) -> None:
    """List what there is to choose from."""
    registry = open_registry(plugins, whole=kind != "plugins")
    rows = list(KINDS[kind](registry))
    if family is not None:
        rows = _of_family(rows, kind, family)
    write_rows(rows, format_)


def _of_family(rows: list[Row], kind: str, family: str) -> list[Row]:
    from gengauge.errors import UsageError, unknown

    if kind != "models":
        raise UsageError(f"--family goes with models, not with {kind}")
    known = {row["family"] for row in rows}
    if family not in known:
        raise unknown("family", family, known)
    return [row for row in rows if row["family"] == family]
