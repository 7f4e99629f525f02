"""Calls a report format by its id."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from gengauge.registry import Registry, load_target
from gengauge.store import RunStore


def render(registry: Registry, format_: str, stores: list[RunStore], **options: Any) -> bytes:
    """Return ``stores`` in a registered format; the terminal's width and colours are options."""
    spec = registry.find("reports", format_)
    if format_ == "terminal":
        options = {"width": _width(), "color": _color(), **options}
    content: bytes = load_target(spec.target)(stores, **options)
    return content


def format_of(path: Path | None, registry: Registry) -> str:
    """Return the format that a file's name asks for; of several, the one named as it ends."""
    ending = path.suffix if path else ""
    found = [id_ for id_, spec in registry.reports.items() if ending and spec.suffix == ending]
    return next((id_ for id_ in found if ending == f".{id_}"), found[0] if found else "terminal")


def _width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def _color() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()
