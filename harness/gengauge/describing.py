"""What every description of a plugin's offer rests on: ids, targets, and what may be missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec

from gengauge.errors import SpecError

MODALITIES = ("image", "points", "text", "table")
DIRECTIONS = ("higher", "lower")
KINDS = ("exact", "lower_bound", "upper_bound", "estimate")
CONDITIONS = ("class", "caption", "prefix")
GIVES = ("features", "classes", "attributes", "text", "spatial")
_ID = re.compile(r"[a-z0-9][A-Za-z0-9_./+-]*(:.+)?")  # a path follows the colon
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def check(condition: bool, message: str) -> None:
    """Raise ``SpecError`` with ``message`` unless ``condition`` holds."""
    if not condition:
        raise SpecError(message)


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # a parent is missing, or something hides the module
        return False


def lacking(requires: tuple[str, ...], extras: tuple[str, ...]) -> str:
    """Return which modules are missing here and what to do; empty if none."""
    missing = [module for module in requires if not _there(module)]
    if not missing:
        return ""
    return f"needs {' and '.join(missing)}: pip install 'gengauge[{','.join(extras)}]'"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every registered thing has: an id, one line on what it is, and where its code lies."""

    id: str
    summary: str
    target: str
    reference: str = ""  # paper or source, title and address

    def __post_init__(self) -> None:
        kind = type(self).__name__
        check(
            isinstance(self.id, str) and bool(_ID.fullmatch(self.id)),
            f"{kind}: id {self.id!r} must match {_ID.pattern}",
        )
        check(
            isinstance(self.target, str) and bool(_TARGET.fullmatch(self.target)),
            f"{kind} '{self.id}': target {self.target!r} must look like 'package.module:Name'",
        )
        check(bool(self.summary), f"{kind} '{self.id}': summary is empty")


def check_modalities(id_: str, modalities: tuple[str, ...]) -> None:
    """Raise ``SpecError`` unless ``modalities`` are a tuple of known ones."""
    check(
        isinstance(modalities, tuple) and bool(modalities), f"'{id_}': modalities must be a tuple"
    )
    for modality in modalities:
        check(modality in MODALITIES, f"'{id_}': modality {modality!r} must be one of {MODALITIES}")
