"""Models that a repository names in its ``gengauge.toml``, read without importing any code."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gengauge.describing import CONDITIONS, MODALITIES
from gengauge.errors import UsageError, unknown
from gengauge.specs import ModelSpec

NAME = "gengauge.toml"
_ROOTS = (".git", ".hg", ".svn")  # what a repository's root holds
_TEXTS = ("use", "summary", "family", "budget", "assumes", "reference")
_LISTS = {"modalities": MODALITIES, "conditions": CONDITIONS}
_KEYS = (*_TEXTS, *_LISTS, "parameters")
_MOST = 1 << 20  # bytes


def found() -> Path | None:
    """Return the ``gengauge.toml`` of the working folder or of what it lies in.

    It is looked for up to the repository's root and no further; outside of one, in the working
    folder alone: what lies above may be somebody else's.
    """
    here = Path.cwd()
    roots = (f for f in (here, *here.parents) if any((f / name).exists() for name in _ROOTS))
    root = next(roots, here)
    for folder in (here, *here.parents):
        if (folder / NAME).is_file():
            return folder / NAME
        if folder == root:
            break
    return None


def read(file: Path, known: Mapping[str, ModelSpec]) -> list[ModelSpec]:
    """Return the models that ``file`` names; ``UsageError`` for what is not understood.

    ``known`` are the models there are without it, which it may set and rename.
    """
    try:
        if file.stat().st_size > _MOST:
            raise UsageError(f"{NAME} is larger than {_MOST:,} bytes")
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{NAME} cannot be read: {error}") from None
    _only(NAME, content, ("models",))
    models = content.get("models", {})
    if not isinstance(models, dict):
        raise UsageError(f"{NAME}: 'models' takes tables, [models.NAME], not {models!r}")
    return [_model(id_, table, file.parent, known) for id_, table in models.items()]


def _model(id_: str, table: Any, root: Path, known: Mapping[str, ModelSpec]) -> ModelSpec:
    where = f"{NAME}: [models.{id_}]"
    if not isinstance(table, dict):
        raise UsageError(f"{where} takes a table with the key use, not {table!r}")
    _only(where, table, _KEYS)
    if ":" in id_ or "[" in id_:
        raise UsageError(f"{where}: a name takes no colon and no bracket; call it otherwise")
    if id_ in known:
        raise UsageError(f"{where}: a model of gengauge's or a plugin's is called so; rename it")
    for key in _TEXTS:
        if not isinstance(table.get(key, ""), str):
            raise UsageError(f"{where}: key '{key}' takes text, not {table[key]!r}")
    spec = _used(where, str(table.get("use", "")), root, known)
    own: dict[str, Any] = {key: table[key] for key in _TEXTS[1:] if key in table}
    own |= _listed(where, table)
    summary = own.pop("summary", f"{table['use']}, as {NAME} names it")
    presets = _presets(where, table.get("parameters", {}))
    made = replace(spec, id=id_, summary=summary, presets=presets, **own)
    try:
        return made if made.describes else made.preset()
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _used(where: str, use: str, root: Path, known: Mapping[str, ModelSpec]) -> ModelSpec:
    """Return the description of what a model is made of, its path as seen from here."""
    if not use:
        raise UsageError(f'{where} needs the key use, such as use = "diffusers:checkpoints/ddpm"')
    name, _, path = use.partition(":")
    if name not in known:
        raise UsageError(f"{where}: {unknown('model', name, known)}")
    spec = known[name]
    if spec.takes_path != bool(path):
        expected = f"{name}:PATH" if spec.takes_path else f"{name} alone"
        raise UsageError(f"{where}: use = '{use}' is not understood; write {expected}")
    if not path:
        return spec
    there = root / path
    path = os.path.relpath(there) if there.exists() else path
    return replace(spec, takes_path=False, arguments={**spec.arguments, "path": path})


def _presets(where: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise UsageError(f"{where}: 'parameters' takes a table, not {given!r}")
    for name, value in given.items():
        if not isinstance(value, bool | int | float | str):
            raise UsageError(
                f"{where}: parameter '{name}' takes a number, a text or a truth value, not "
                f"{value!r}"
            )
    return given


def _listed(where: str, table: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for key, allowed in _LISTS.items():
        if key not in table:
            continue
        values = table[key]
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise UsageError(f"{where}: key '{key}' takes a list of text, not {values!r}")
        for value in values:
            if value not in allowed:
                raise UsageError(f"{where}: {unknown(f'value of {key}', value, allowed)}")
        yield key, tuple(values)


def _only(where: str, table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for key in table:
        if key not in allowed:
            raise UsageError(f"{where}: {unknown('key', key, allowed)}")
