"""``gengauge show``: one thing whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gengauge.cli.output import Names, cell, console, open_registry, plugin_option, trust_option
from gengauge.cli.weights import offline_option
from gengauge.errors import UsageError, unknown
from gengauge.executor import ExecutorSpec
from gengauge.parameters import Parameter
from gengauge.publisher import PublisherSpec
from gengauge.registry import Registry
from gengauge.specs import DatasetSpec, EmbedderSpec, MetricSpec, ModelSpec
from gengauge.tracker import TrackerSpec

KINDS = (
    "models", "datasets", "metrics", "embedders", "benchmarks", "reports", "publishers",
    "executors", "trackers",
)  # fmt: skip


_TAKERS = (  # of parameters
    ModelSpec, DatasetSpec, MetricSpec, ExecutorSpec, PublisherSpec, TrackerSpec,
)  # fmt: skip


@click.command("show")
@click.argument("id_", metavar="ID")
@click.option(
    "--format", "format_", type=Names("format", ["table", "json"]), default="table",
    help="How to write it.",
)  # fmt: skip
@plugin_option
@trust_option
@offline_option
def command(id_: str, format_: str, plugins: tuple[str, ...]) -> None:
    """Show a model, dataset, metric, suite, benchmark, report, executor, plugin or what else.

    Data of yours are opened: `gengauge show csv:PATH` says columns, splits, fingerprint and copies.
    `record-schema` and `row-schema` print the JSON Schema of a record and of a tidy row.
    """
    if id_ in ("record-schema", "row-schema"):
        from gengauge import schema

        click.echo(json.dumps(getattr(schema, id_.replace("-", "_").upper()), indent=2))
        return
    found = _find(id_, open_registry(plugins))
    if format_ == "json":
        click.echo(json.dumps(found if len(found) > 1 else found[0], indent=2))
        return
    for item in found:
        _print(item)


def _find(id_: str, registry: Registry) -> list[dict[str, Any]]:
    """Return everything called ``id_``: a name may stand for a dataset and its embedder."""
    own = registry.datasets.get(id_.partition(":")[0])
    if ":" in id_ and own is not None and own.takes_path:
        return [_opened(id_, registry)]
    found = [
        _describe(kind, getattr(registry, kind)[id_], registry)
        for kind in KINDS
        if id_ in getattr(registry, kind)
    ]
    found += _brought(id_, registry)
    if id_ in registry.suites:
        found.append({"id": id_, "is": "suite", "metrics": [m.id for m in registry.suites[id_]]})
    for plugin in (p for p in registry.plugins if p.name == id_):
        found.append(
            {"id": id_, "is": "plugin", "module": plugin.module, "error": plugin.trace or None}
        )
    if not found:
        names = {n for kind in KINDS for n in getattr(registry, kind)}
        names |= {p.name for p in registry.plugins} | set(registry.suites)
        raise _of_file(id_, registry) or unknown("id", id_, names)
    return found


def _of_file(path: str, registry: Registry) -> UsageError | None:
    """Return the error for a file that was named without what reads it."""
    if not Path(path).exists():
        return None
    readers = [
        s.id for s in registry.datasets.values()
        if any(path.endswith(e) for e in s.suffixes) or (Path(path).is_dir() and "/" in s.suffixes)
    ]  # fmt: skip
    known = readers or [s.id for s in registry.datasets.values() if s.takes_path]
    return UsageError(f"'{path}' is a path; say how it is read: {f':{path}, '.join(known)}:{path}")


def _opened(id_: str, registry: Registry) -> dict[str, Any]:
    """Return what data of the user's are, once they are read."""
    from gengauge.loading import load_dataset

    spec = registry.find("datasets", id_)
    assert isinstance(spec, DatasetSpec)
    data = load_dataset(spec)
    parts = {part: getattr(data, part) for part in ("train", "validation", "test")}
    usual = {p.name: p.default for p in spec.parameters}
    captioned = [part for part, split in parts.items() if split.captions is not None]
    return {
        "id": id_, "is": "dataset", "modality": data.modality, "levels": data.levels,
        "shape": list(data.event_shape), "columns": dict(data.columns),
        "classes": list(data.class_names), "captions in": captioned,
        "examples": {part: len(split) for part, split in parts.items()},
        "copies": dict(data.copies), "fingerprint": data.fingerprint,
        "options": {k: v for k, v in spec.arguments.items() if k not in usual or v != usual[k]},
        **_fits(spec, registry),
    }  # fmt: skip


def _brought(id_: str, registry: Registry) -> list[dict[str, Any]]:
    """Return what is known of the model that ``id_`` brings, ``onnx:net.onnx``."""
    name, colon, _ = id_.partition(":")
    mine = colon and name in registry.models
    return [_describe("models", registry.find("models", id_), registry)] if mine else []


def _describe(kind: str, spec: Any, registry: Registry) -> dict[str, Any]:
    plugin = registry.provider(kind, spec.id)
    shown: dict[str, Any] = {"id": spec.id, "is": kind[:-1]}
    for name, value in vars(spec).items():
        if name not in ("id", "parameters", "judge", "arguments"):
            shown[name] = list(value) if isinstance(value, tuple) else value
    shown["from"] = f"{plugin.distribution} {plugin.version}".strip()
    if isinstance(spec, EmbedderSpec):
        shown["weights"] = [asdict(file) for file in spec.weights]
    if isinstance(spec, ModelSpec | ExecutorSpec | PublisherSpec | TrackerSpec):
        shown["missing"] = spec.lacks
    if isinstance(spec, _TAKERS):
        taken = spec.settings if isinstance(spec, MetricSpec) else spec.parameters
        shown["parameters"] = [_parameter(p) for p in taken]
    shown.update(_fits(spec, registry))
    return shown


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name, "type": type(parameter.default).__name__,
        "default": parameter.default, "choices": list(parameter.choices), "doc": parameter.doc,
    }  # fmt: skip


def _fits(spec: Any, registry: Registry) -> Mapping[str, Any]:
    if isinstance(spec, ModelSpec):
        datasets = [d for d in registry.datasets.values() if not spec.fits(d)]
        metrics = [m.id for m in registry.metrics.values() if any(m.fits(d) for d in datasets)]
        return {"datasets": [d.id for d in datasets], "scored on": metrics}
    if isinstance(spec, DatasetSpec):
        models = [m.id for m in registry.models.values() if not m.fits(spec)]
        return {
            "models": models,
            "metrics": [m.id for m in registry.metrics.values() if m.fits(spec)],
        }
    return {}


def _print(item: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in item.items():
        if name == "parameters":
            for p in value:
                choices = f" (one of {', '.join(map(str, p['choices']))})" if p["choices"] else ""
                doc = f"{p['doc']}{choices}"
                table.add_row(f"  {p['name']}", Text(f"{p['type']} = {p['default']}   {doc}"))
        elif name == "weights":
            for file in value:
                for key in ("name", "size", "sha256", "url", "licence"):
                    table.add_row(f"weights {key}", Text(cell(file[key])))
        elif isinstance(value, dict):
            for key, inner in value.items():
                table.add_row(f"{name} {key}", Text(cell(inner)))
        elif value not in (None, "", [], False):
            table.add_row(name.replace("_", " "), Text(cell(value)))
    console().print(table)
    console().print()
