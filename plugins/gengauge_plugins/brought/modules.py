"""Finds the Python object that a user names, and what it is built with."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gengauge import Parameter, project
from gengauge.code import code_fingerprint
from gengauge.errors import UsageError
from gengauge.provenance import content_hash
from gengauge_plugins.brought.content import stamp_at

OWN = (
    Parameter("range", "unsaid", "what stands for black and white in floats; unsaid is from 0 up "
              "to, not including, 1, each level as wide as any other",
              choices=("unsaid", "-1..1", "0..1", "levels")),
    Parameter("batch", 0, "samples a call; 0: all at once", minimum=0),
    Parameter("resize", "none", "how pictures of another size than the data's get it",
              choices=("none", "bicubic", "bilinear", "box", "nearest")),
)  # fmt: skip
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def describe(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of what ``path`` names: those it is built with, and our own.

    ``UsageError`` where there is no such object, or where it needs what cannot be given.
    """
    found = find(path)
    built = _built_with(found, path, options)
    names = {p.name for p in built}
    return {"parameters": (*built, *(p for p in OWN if p.name not in names))}


def stamp(path: str, options: Mapping[str, Any]) -> str:
    """Return a hash of the module's source, and of files that parameters name.

    What it reads by itself, such as weights under a fixed path, is not seen.
    """
    make_importable()
    texts = {k: v for k, v in options.items() if isinstance(v, str) and v and k != "path"}
    files = {k: stamp_at(p) for k, v in texts.items() if (p := Path(v).expanduser()).exists()}
    return content_hash([code_fingerprint(_halves(path)[0]), files])


def find(path: str) -> Any:
    """Return the object called ``module:object``, out of the working folder too.

    ``UsageError`` where it cannot be imported.
    """
    module, name = _halves(path)
    make_importable()
    try:
        found: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        raise UsageError(
            f"'python:{path}': module {module} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"'python:{path}': {module} has no {name}; write module:object")
        found = getattr(found, part)
    return found


def make_importable() -> None:
    """Have modules found in the working folder, and beside a ``gengauge.toml`` above it."""
    file = project.found()
    here = os.getcwd()  # noqa: PTH109  (as `python -m` does)
    for folder in (str(file.parent) if file else here, here):
        if folder not in sys.path and not (folder == here and "" in sys.path):
            sys.path.insert(0, folder)


def _halves(path: str) -> tuple[str, str]:
    module, _, name = path.partition(":")
    words = [*module.split("."), *name.split(".")]
    if not all(word.isidentifier() for word in words):
        raise UsageError(f"'python:{path}' is not understood; write python:package.module:object")
    return module, name


def is_factory(found: Any) -> bool:
    """Return whether ``found`` is called to get a model: a class, or what has no ``sample``."""
    return inspect.isclass(found) or (callable(found) and not hasattr(found, "sample"))


def _built_with(found: Any, path: str, options: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Return the settings of a factory: what of its signature has a default or a preset."""
    if not is_factory(found):
        return ()
    taken = []
    for name, p in _signature(found).items():
        default = p.default if p.default is not p.empty else options.get(name)
        if isinstance(default, bool | int | float | str) and p.kind in _NAMED and name != "name":
            taken.append(Parameter(name, default, f"of {path}"))
        elif p.default is p.empty and p.kind in (*_NAMED, p.POSITIONAL_ONLY):
            raise UsageError(
                f"'python:{path}' needs '{name}', which has no default; give it one there, or a "
                f"value in the parameters of a model in {project.NAME}"
            )
    return tuple(taken)


def _signature(found: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(found).parameters
    except (TypeError, ValueError):  # built in, and says nothing of itself
        return {}
