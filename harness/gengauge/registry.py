"""Finds plugins lazily, keeps broken ones apart, and looks names up.

An entry point of the group ``gengauge`` names a module without heavy imports that implements
hooks. Each is loaded in its own ``try``: pluggy's own loader would let one ImportError end all.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, TypeVar

import pluggy

from gengauge import hooks, project
from gengauge.admission import refusal
from gengauge.entries import entry_points
from gengauge.errors import SpecError, UsageError, unknown
from gengauge.executor import ExecutorSpec
from gengauge.parameters import with_options
from gengauge.publisher import PublisherSpec
from gengauge.specs import (
    BenchmarkSpec,
    DatasetSpec,
    EmbedderSpec,
    MetricSpec,
    ModelSpec,
    ReportSpec,
    Spec,
)
from gengauge.tracker import TrackerSpec

S = TypeVar("S", bound=Spec)
_KINDS: dict[str, type[Spec]] = {
    "models": ModelSpec,
    "datasets": DatasetSpec,
    "embedders": EmbedderSpec,
    "metrics": MetricSpec,
    "benchmarks": BenchmarkSpec,
    "reports": ReportSpec,
    "publishers": PublisherSpec,
    "executors": ExecutorSpec,
    "trackers": TrackerSpec,
}


@dataclass
class Plugin:
    """One entry point: where it came from, what it registered, and what is wrong with it.

    One that is ``denied`` was not imported: the text says by what.
    """

    name: str
    module: str
    distribution: str
    version: str
    specs: dict[str, list[Spec]] = field(default_factory=dict)
    error: str = ""
    trace: str = ""
    denied: str = ""


class Registry:
    """All plugins of this environment and of ``--plugin``."""

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self.manager = pluggy.PluginManager(hooks.PROJECT)
        self.manager.add_hookspecs(hooks)
        self.plugins: list[Plugin] = []
        for name, module, distribution in entry_points(hooks.PROJECT):
            self._add(name, module, distribution)
        for module in extra:
            self._add(module, module, None)
        if (file := project.found()) is not None:
            self._add_project(file)

    def _add(self, name: str, module: str, distribution: Distribution | None) -> None:
        label = distribution.metadata["Name"] if distribution else "--plugin"
        version = distribution.version if distribution else ""
        plugin = Plugin(name, module, label, version)
        self.plugins.append(plugin)
        plugin.denied = refusal(name, module, label)
        if plugin.denied:
            return
        try:
            code = importlib.import_module(module)
            self._register(plugin, code)
        except (Exception, SystemExit) as error:  # a plugin may raise anything while importing
            plugin.specs = {}
            plugin.error = _reason(error)
            plugin.trace = traceback.format_exc()
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)

    def _add_project(self, file: Path) -> None:
        """Add the models that the working folder's repository names; no code of it is imported."""
        plugin = Plugin(project.NAME, os.path.relpath(file), project.NAME, "")
        plugin.denied = refusal(project.NAME, project.NAME, project.NAME)
        try:
            specs = [] if plugin.denied else project.read(file, self._all("models", ModelSpec))
            plugin.specs["models"] = [
                self._checked(s, ModelSpec, "models", plugin) for s in specs
            ]  # fmt: skip
        except (UsageError, SpecError) as error:
            plugin.error = str(error)
        self.plugins.append(plugin)

    def _register(self, plugin: Plugin, code: Any) -> None:
        self._check_hook_names(code)
        if self.manager.register(code, name=plugin.name) is None:
            raise SpecError(f"the plugin name '{plugin.name}' is blocked")
        self.manager.check_pending()
        if not self.manager.get_hookcallers(code):
            raise SpecError(
                f"module {plugin.module} implements no gengauge hook; decorate a function such as "
                "gengauge_models with @gengauge.hookimpl"
            )
        for kind, type_ in _KINDS.items():
            hook = getattr(code, f"gengauge_{kind}", None)
            if hook is not None and getattr(hook, "gengauge_impl", None) is not None:
                plugin.specs[kind] = [self._checked(s, type_, kind, plugin) for s in hook()]

    def _check_hook_names(self, code: Any) -> None:
        known = [n for n in vars(hooks) if n.startswith("gengauge_")]
        for name, value in vars(code).items():
            if getattr(value, "gengauge_impl", None) is not None and name not in known:
                raise SpecError(str(unknown("hook", name, known)))

    def _checked(self, spec: Any, type_: type[Spec], kind: str, plugin: Plugin) -> Spec:
        if not isinstance(spec, type_):
            raise SpecError(
                f"gengauge_{kind} must return {type_.__name__}s, not {type(spec).__name__}"
            )
        for other in self.plugins:
            if other is not plugin and any(s.id == spec.id for s in other.specs.get(kind, ())):
                raise SpecError(
                    f"{kind[:-1]} '{spec.id}' is already registered by "
                    f"{other.name} ({other.distribution})"
                )
        return spec

    @property
    def broken(self) -> list[Plugin]:
        """Plugins that could not be used."""
        return [p for p in self.plugins if p.error]

    def warn_broken(self) -> None:
        """Write one line on stderr for each broken plugin."""
        for plugin in self.broken:
            print(
                f"warning: plugin '{plugin.name}' ({plugin.distribution}) is broken and was left "
                f"out: {plugin.error} (see: gengauge list plugins; "
                f"its author: gengauge plugins check {plugin.module})",
                file=sys.stderr,
            )

    def _all(self, kind: str, type_: type[S]) -> dict[str, S]:
        specs = (s for p in self.plugins for s in p.specs.get(kind, ()))
        return {s.id: s for s in specs if isinstance(s, type_)}

    @cached_property
    def models(self) -> dict[str, ModelSpec]:
        """Models by id."""
        return self._all("models", ModelSpec)

    @cached_property
    def datasets(self) -> dict[str, DatasetSpec]:
        """Datasets by id."""
        return self._all("datasets", DatasetSpec)

    @cached_property
    def embedders(self) -> dict[str, EmbedderSpec]:
        """Embedders by id."""
        return self._all("embedders", EmbedderSpec)

    @cached_property
    def metrics(self) -> dict[str, MetricSpec]:
        """Metrics by id."""
        return self._all("metrics", MetricSpec)

    @cached_property
    def benchmarks(self) -> dict[str, BenchmarkSpec]:
        """Benchmarks by id."""
        return self._all("benchmarks", BenchmarkSpec)

    @cached_property
    def reports(self) -> dict[str, ReportSpec]:
        """Report formats by id."""
        return self._all("reports", ReportSpec)

    @cached_property
    def publishers(self) -> dict[str, PublisherSpec]:
        """Forms of publication by id."""
        return self._all("publishers", PublisherSpec)

    @cached_property
    def executors(self) -> dict[str, ExecutorSpec]:
        """Executors by id."""
        return self._all("executors", ExecutorSpec)

    @cached_property
    def trackers(self) -> dict[str, TrackerSpec]:
        """Trackers of experiments by id."""
        return self._all("trackers", TrackerSpec)

    @cached_property
    def suites(self) -> dict[str, list[MetricSpec]]:
        """Metrics by suite."""
        suites: dict[str, list[MetricSpec]] = {}
        for metric in self.metrics.values():
            suites.setdefault(metric.suite, []).append(metric)
        return suites

    def provider(self, kind: str, id_: str) -> Plugin:
        """Return the plugin that registered ``id_``."""
        names = (id_, id_.partition(":")[0])  # of what reads files, the path is no part
        return next(p for p in self.plugins if any(s.id in names for s in p.specs.get(kind, ())))

    def find(self, kind: str, id_: str) -> Spec:
        """Return the spec ``id_`` of ``kind`` (``models``, ...), or raise with the nearest name.

        What reads files is asked for with one: the dataset ``text:notes.txt``, the embedder
        ``local-dir:clip``, the model ``torchscript:net.pt``.
        """
        known: dict[str, Spec] = getattr(self, kind)
        name, _, path = id_.partition(":")
        spec = known.get(name)
        if isinstance(spec, DatasetSpec | EmbedderSpec | ModelSpec) and spec.takes_path:
            if not path:
                raise UsageError(f"{kind[:-1]} '{name}' reads a file of yours: write {name}:PATH")
            return named(spec, id_, path)
        for other in known.values():
            if isinstance(other, EmbedderSpec) and id_ in other.also:
                return other
        if id_ not in known:
            raise UsageError(f"{unknown(kind[:-1], id_, known)}{self._unseen()}")
        return described(known[id_])

    def _unseen(self) -> str:
        """Say which plugins were not imported: what is looked for may be in one of them."""
        denied = [f"{p.name} ({p.distribution}) is {p.denied}" for p in self.plugins if p.denied]
        return f"; not looked into: {', '.join(denied)}" if denied else ""

    def embedder(self, id_: str) -> EmbedderSpec:
        """Return the embedder that ``id_`` names, by another name or a path too."""
        spec = self.find("embedders", id_)
        assert isinstance(spec, EmbedderSpec)
        return spec


def named(spec: DatasetSpec | EmbedderSpec | ModelSpec, id_: str, path: str) -> Spec:
    """Return what reads files, reading ``path``, under the name it was asked for by.

    A data set's own options follow in brackets; what only the file knows is looked up in it.
    """
    if isinstance(spec, ModelSpec):
        return described(replace(spec, id=id_, arguments={**spec.arguments, "path": path}))
    if isinstance(spec, EmbedderSpec):
        return replace(spec, id=id_, arguments={**spec.arguments, "path": path})
    path, given = with_options(path) if spec.parameters else (path, {})
    options = {**spec.arguments, **spec.resolve(given), "path": path}
    found = load_target(spec.describes)(path, options) if spec.describes else {}
    return replace(spec, id=id_, **{"arguments": options, **found})


def described(spec: Spec) -> Spec:
    """Return a model of the user's with what only its file knows, and anything else as it is."""
    if not isinstance(spec, ModelSpec) or not spec.describes or "path" not in spec.arguments:
        return spec
    options = {**spec.arguments, **spec.presets}
    try:
        found = load_target(spec.describes)(str(spec.arguments["path"]), options)
    except OSError as error:
        raise UsageError(f"'{error.filename}' cannot be read: {error.strerror}") from None
    return replace(spec, **found).preset()


def load_target(target: str) -> Any:
    """Import ``package.module:Name`` and return the object."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text if len(text) <= 300 else text[:299] + '…'}"
