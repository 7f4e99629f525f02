"""A benchmark file: which datasets, models, suites, seeds and budgets, read without torch."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gengauge.errors import UsageError, unknown
from gengauge.registry import Registry, load_target

_KEYS = (
    "name", "version", "datasets", "models", "variants", "suites", "seeds", "budget", "samples",
    "stages", "limit",
)  # fmt: skip
_WITHIN: dict[str, Callable[[Any], bool]] = {
    "stages": lambda share: 0 < share <= 1,
    "limit": lambda examples: examples >= 4,
}


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark file says, before names are looked up.

    ``models`` empty means every model that fits, and ``variants`` are more of them with settings
    of their own; ``suites`` empty means every suite. ``stages`` are shares of each model's
    budget, such as 0.1 and 1: it is trained with each of them, to show it on the way. ``limit`` is
    how many examples of each split are used at most; 0: all.
    """

    name: str
    datasets: tuple[str, ...]
    version: int = 1
    models: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    budget: str = ""
    samples: int = 2000
    budgets: Mapping[str, str] = field(default_factory=dict)
    gates: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    embedders: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    stages: tuple[float, ...] = ()
    limit: int = 0

    def to_toml(self) -> str:
        """Return the file that describes this benchmark."""
        lines = ["[benchmark]", f"name = {_toml(self.name)}", f"version = {self.version}"]
        for key in ("datasets", "models", "variants", "suites", "seeds", "stages", "embedders"):
            if getattr(self, key):
                lines.append(f"{key} = {_toml(list(getattr(self, key)))}")
        lines += [f"budget = {_toml(self.budget)}"] if self.budget else []
        lines.append(f"samples = {self.samples}")
        lines += [f"limit = {self.limit}"] if self.limit else []
        for model, budget in self.budgets.items():
            lines += ["", f"[models.{_toml(model)}]", f"budget = {_toml(budget)}"]
        for metric, gate in self.gates.items():
            lines += ["", f"[metrics.{_toml(metric)}]", f"gate = {_toml(gate)}"]
        if self.settings:
            lines += [
                "",
                "[settings]",
                *(f"{_toml(k)} = {_toml(v)}" for k, v in self.settings.items()),
            ]
        return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
    return str(value)


def read_benchmark(name: str, registry: Registry) -> Benchmark:
    """Return the benchmark of a registered name or of a TOML file."""
    path = Path(name)
    if name.endswith(".toml") or path.is_file():
        if not path.is_file():
            raise UsageError(
                f"benchmark file '{name}' does not exist; give another path, or a name out of "
                "`gengauge list benchmarks`"
            )
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"benchmark file '{name}' is not text in UTF-8") from None
        return parse_benchmark(text, name)
    spec = registry.find("benchmarks", name)
    return parse_benchmark(load_target(spec.target).read_text(), name)


def parse_benchmark(text: str, source: str) -> Benchmark:
    """Read a benchmark file's text; unknown keys and wrong types raise ``UsageError``."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"benchmark file '{source}' is not valid TOML: {error}") from None
    _only(source, content, ("benchmark", "models", "metrics", "settings"))
    table = content.get("benchmark")
    if not isinstance(table, dict) or "name" not in table or "datasets" not in table:
        raise UsageError(f"benchmark file '{source}' needs [benchmark] with name and datasets")
    _only(f"{source}: [benchmark]", table, (*_KEYS, "embedders"))
    values = {key: _typed(source, key, value) for key, value in table.items()}
    for section, key in (("models", "budget"), ("metrics", "gate")):
        for id_, options in content.get(section, {}).items():
            _only(f"{source}: [{section}.{id_}]", options, (key,))
    values["budgets"] = {m: o["budget"] for m, o in content.get("models", {}).items() if o}
    values["gates"] = {m: o["gate"] for m, o in content.get("metrics", {}).items() if o}
    values["settings"] = {k: str(v) for k, v in content.get("settings", {}).items()}
    return Benchmark(**values)


def _only(where: str, table: Mapping[str, Any], allowed: Iterable[str]) -> None:
    for key in table:
        if key not in allowed:
            raise UsageError(f"{where}: {unknown('key', key, allowed)}")


def _typed(source: str, key: str, value: Any) -> Any:
    kinds: dict[str, tuple[str, Any]] = {
        "name": ("text", str), "budget": ("text", str), "version": ("a whole number", int),
        "samples": ("a whole number", int), "limit": ("a whole number of at least 4", int),
        "seeds": ("a list of whole numbers", int),
        "stages": ("a list of shares above 0 and up to 1", (int, float)),
    }  # fmt: skip
    wanted, kind = kinds.get(key, ("a list of text", str))
    listed = "list" in wanted
    items = value if listed and isinstance(value, list) else [value]
    fits = _WITHIN.get(key, lambda item: True)
    right = not listed or isinstance(value, list)
    right &= all(isinstance(i, kind) and not isinstance(i, bool) and fits(i) for i in items)
    if not right:
        raise UsageError(f"{source}: key '{key}' takes {wanted}, not {value!r}")
    return tuple(items) if listed else value


def with_options(benchmark: Benchmark, **options: Any) -> Benchmark:
    """Return ``benchmark`` with the options that were given (not None, not empty) put in."""
    return replace(benchmark, **{k: v for k, v in options.items() if v not in (None, (), {})})
