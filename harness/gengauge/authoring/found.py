"""Finds the plugin that an author names: by module, entry point, distribution or path."""

from __future__ import annotations

import importlib
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from gengauge.errors import UsageError
from gengauge.hooks import PROJECT
from gengauge.registry import Plugin, Registry

_LINE = re.compile(r'File "(.+?)", line (\d+)')


@dataclass(frozen=True)
class Found:
    """The plugins that were meant, and the registry they are part of."""

    registry: Registry
    plugins: tuple[Plugin, ...]


def find(text: str) -> Found:
    """Return the plugins that ``text`` names; ``UsageError`` where there are none that work.

    A folder with a pyproject.toml stands for its entry points, a package's folder or a file for
    the module that it is. What is not installed is imported from where it lies.
    """
    modules = _in_files(text) if _is_path(text) else (text,)
    known = Registry()
    there = [p for p in known.plugins if _is(p, modules)]
    if not there:
        known = Registry(modules)
        there = [p for p in known.plugins if p.module in modules]
    for plugin in there:
        _require_working(plugin)
    return Found(known, tuple(there))


def _is(plugin: Plugin, names: tuple[str, ...]) -> bool:
    plain = {name.lower().replace("_", "-") for name in names}
    distribution = plugin.distribution.lower().replace("_", "-")
    return plugin.module in names or plugin.name in names or distribution in plain


def _require_working(plugin: Plugin) -> None:
    who = f"plugin '{plugin.module}'"
    if plugin.denied:
        raise UsageError(f"{who} is {plugin.denied}")
    if plugin.error.startswith("ModuleNotFoundError") and f"'{plugin.module}'" in plugin.error:
        raise UsageError(
            f"{who} is no module that can be imported here and no installed distribution; give "
            "one of these, or the path of a project or file (./my-plugin)"
        )
    if plugin.error:
        raise UsageError(f"{who} cannot be used: {plugin.error}{_place(plugin)}; mend it")


def _place(plugin: Plugin) -> str:
    """Return the line of the plugin's own code where importing it went wrong, or nothing."""
    ours = str(Path(__file__).parents[1])
    lines = [m for m in _LINE.findall(plugin.trace) if not m[0].startswith((ours, "<"))]
    return f" ({Path(lines[-1][0]).name}:{lines[-1][1]})" if lines else ""


def _is_path(text: str) -> bool:
    return os.sep in text or text.endswith(".py") or text in (".", "..") or _is_project(Path(text))


def _is_project(path: Path) -> bool:
    return (path / "pyproject.toml").is_file()


def _in_files(text: str) -> tuple[str, ...]:
    """Return the modules at a path, which can be imported from now on."""
    path = Path(text).expanduser().resolve()
    if not path.exists():
        raise UsageError(f"'{text}' does not exist; give a module, a project's folder or a file")
    if _is_project(path):
        modules = _entry_points(path / "pyproject.toml")
        roots = [path / "src"] * (path / "src").is_dir() + [path]
    elif path.is_dir() and (path / "__init__.py").is_file():
        modules, roots = (path.name,), [path.parent]
    elif path.suffix == ".py":
        modules, roots = (path.stem,), [path.parent]
    else:
        raise UsageError(
            f"'{text}' is no plugin: expected a folder with a pyproject.toml or an __init__.py, "
            "or a file that ends in .py"
        )
    for root in reversed(roots):
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    for module in modules:
        _require_importable_name(module)
    return modules


def _entry_points(file: Path) -> tuple[str, ...]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"'{file}' is not valid TOML: {error}") from None
    points = content.get("project", {}).get("entry-points", {}).get(PROJECT, {})
    if not points:
        raise UsageError(
            f"'{file}' registers no plugin; add [project.entry-points.{PROJECT}] with a line "
            'my-plugin = "my_module"'
        )
    return tuple(str(module) for module in points.values())


def _require_importable_name(module: str) -> None:
    if not all(part.isidentifier() for part in module.split(".")):
        raise UsageError(f"'{module}' is not the name of a module; write package.module")
