"""Folders of diffusers' ``save_pretrained``, looked at without torch and without weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gengauge.errors import UsageError
from gengauge.guarded import ARTIFACT, is_name
from gengauge.places import offline
from gengauge.trust import refuse_pickles
from gengauge_plugins.brought.content import stamp_of

INDEX = "model_index.json"
_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")  # of a hub's repository


def describe(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Raise ``UsageError`` unless ``path`` is a pipeline that can be loaded here."""
    folder = folder_of(path)
    check(folder)
    return {}


def stamp(path: str, options: Mapping[str, Any]) -> str:
    """Return a hash of the pipeline's files: those of its parts, whatever else lies beside them."""
    folder = folder_of(path)
    files = [folder / INDEX]
    for name in parts(index_of(folder)):
        files += [p for p in sorted((folder / name).rglob("*")) if p.is_file()]
    return stamp_of(folder, files)


def folder_of(path: str) -> Path:
    """Return the local folder of a pipeline: the path itself, or the hub's copy of an id.

    An id is ``owner/name`` or ``owner/name@revision``. ``UsageError`` says what is missing.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UsageError(
            f"'{path}' is a file; give the folder that a pipeline's save_pretrained wrote"
        )
    name, _, revision = path.partition("@")
    if name.count("/") != 1 or not all(is_name(word) for word in name.split("/")):
        raise UsageError(
            f"there is no folder '{path}'; give one that a pipeline's save_pretrained wrote, or an "
            "id of the Hugging Face hub, owner/name"
        )
    return _snapshot(name, revision or "main")


@cache
def _snapshot(name: str, revision: str) -> Path:
    """Return the hub's copy of a repository; what is in its cache whole is used as it is."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def fetch(local: bool) -> Path:
        return Path(huggingface_hub.snapshot_download(
            name, revision=revision, local_files_only=local, allow_patterns=list(_FILES),
        ))  # fmt: skip

    try:
        cached = fetch(local=True)
    except LocalEntryNotFoundError:
        lacking = "no copy of it"
    else:
        lacking = _lacking(cached)
        if not lacking:
            return cached
    if offline():
        raise UsageError(
            f"'{name}' is no folder here, and the hub's cache has {lacking}; --offline forbids the "
            "network: run once without it, or give a folder"
        )
    try:
        return fetch(local=False)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise UsageError(
            f"'{name}' is no folder here, and the hub gave no copy of it: {said}; give a folder, "
            "or see that the id is right"
        ) from None


def _lacking(folder: Path) -> str:
    """Return what of a cached pipeline is missing; empty if nothing."""
    if not (folder / INDEX).is_file():
        return f"no {INDEX} of it"
    missing = [name for name in parts(index_of(folder)) if not (folder / name).is_dir()]
    return f"no {missing[0]} of it" if missing else ""


def index_of(folder: Path) -> dict[str, Any]:
    """Return what ``model_index.json`` says; ``UsageError`` where there is none to be read."""
    path = folder / INDEX
    if not path.is_file():
        raise UsageError(
            f"'{folder}' holds no {INDEX}; give a folder that a pipeline's save_pretrained wrote"
        )
    try:
        if path.stat().st_size > ARTIFACT:
            raise ValueError(f"it is larger than {ARTIFACT:,} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"'{path}' cannot be read: {error}; save the pipeline again") from None
    if not isinstance(found, dict):
        raise UsageError(f"'{path}' holds no table of a pipeline's parts; save it again")
    return found


def parts(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return library and class of each part that a pipeline was saved with."""
    named = {k: v for k, v in index.items() if isinstance(v, list) and len(v) == 2}
    return {
        k: (str(v[0]), str(v[1])) for k, v in named.items() if v[0] is not None and k[:1] != "_"
    }


def check(folder: Path) -> None:
    """Raise ``UsageError`` for a folder that brings code, pickles, or not all of its parts."""
    index = index_of(folder)
    kind = index.get("_class_name")
    if not isinstance(kind, str):
        raise UsageError(
            f"'{folder}' brings code of its own for {kind}; gengauge runs pipelines that diffusers "
            "has, and no code out of a checkpoint: wrap it with python:module:object"
        )
    for name, (library, class_) in parts(index).items():
        part = folder / name
        if not is_name(name) or not part.is_dir():
            raise UsageError(f"'{folder}' has no folder {name!r} of its {class_}; save it again")
        if any((place / f"{library}.py").exists() for place in (folder, part)):
            raise UsageError(
                f"'{folder}' brings code of its own, {library}.py, for its {name}; gengauge runs "
                "no code out of a checkpoint: wrap it with python:module:object"
            )
        refuse_pickles(part)
