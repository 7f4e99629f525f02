"""Writes the project of a new plugin: all of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from gengauge.authoring.names import Names, metric_id
from gengauge.errors import UsageError

KINDS = ("model", "dataset", "metric", "report")
_SUFFIX = ".j2"


def write(names: Names, kind: str, parent: Path) -> Path:
    """Write a project of one ``kind`` into a new folder in ``parent``; return the folder.

    It is written beside its place and renamed into it. ``UsageError`` where the folder is there.
    """
    folder = parent / names.project
    if os.path.lexists(folder):
        raise UsageError(f"'{folder}' exists and is left alone; give another name, or -o DIR")
    if parent.exists() and not parent.is_dir():
        raise UsageError(f"'{parent}' is a file; give -o a folder")
    parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{names.project}.", dir=parent))
    try:
        fresh = scratch / names.project
        for path, text in project(names, kind).items():
            place = fresh / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        if os.path.lexists(folder):  # a rename would replace an empty folder
            raise UsageError(f"'{folder}' exists and is left alone; give another name, or -o DIR")
        fresh.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def project(names: Names, kind: str) -> dict[str, str]:
    """Return the text of each file of the project, by its path.

    >>> from gengauge.authoring.names import chosen
    >>> sorted(project(chosen("swirl"), "metric"))
    ['.github/workflows/test.yml', '.gitignore', 'README.md', 'gengauge_swirl/__init__.py',
     'gengauge_swirl/metric.py', 'gengauge_swirl/py.typed', 'pyproject.toml', 'tests/test_laws.py']
    """
    engine = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    known = {
        "project": names.project, "package": names.package, "id": names.id, "type": names.type,
        "kind": kind, "metric": metric_id(names),
    }  # fmt: skip
    found = {}
    for folder in ("common", kind):
        for path, source in _templates(files("gengauge.authoring") / "templates" / folder):
            place = path.removesuffix(_SUFFIX).replace("PACKAGE", names.package)
            found[place] = engine.from_string(source).render(known)
    return found


def _templates(folder: Traversable, inside: str = "") -> list[tuple[str, str]]:
    """Return path and text of every file beneath ``folder``; dots of names are written DOT."""
    found = []
    for entry in folder.iterdir():
        path = f"{inside}{entry.name.replace('DOT-', '.')}"
        if entry.is_dir():
            found += _templates(entry, f"{path}/")
        elif entry.name.endswith(_SUFFIX):
            found.append((path, entry.read_text("utf-8")))
    return found
