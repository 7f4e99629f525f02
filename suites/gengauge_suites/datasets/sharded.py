"""The files that a path of the user's names: one, shards of one, or parts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gengauge.collection import SPLITS, WHOLE
from gengauge.errors import UsageError

PARTS = {"train": "train", "training": "train", "validation": "validation", "valid": "validation",
          "val": "validation", "dev": "validation", "test": "test"}  # fmt: skip
_NAMED = re.compile(rf"({'|'.join(sorted(PARTS, key=len, reverse=True))})(?![a-zA-Z0-9]).*", re.I)


def files_of(path: Path, endings: tuple[str, ...]) -> dict[str, list[Path]]:
    """Return the files that ``path`` names, by part: all, or train, validation and test.

    A folder or a pattern with ``*`` is one table in shards, or parts where the names of the files
    begin so. ``UsageError`` where there are none, or where a link leads out of the folder.
    """
    if "*" in path.name and not path.exists():
        folder, found = path.parent, sorted(p for p in path.parent.glob(path.name))
    elif path.is_dir():
        folder, found = path, sorted(p for p in path.iterdir() if p.name.endswith(endings))
    else:
        return {WHOLE: [path]}
    if not found:
        raise UsageError(f"'{path}' holds no file that ends in {', '.join(endings)}")
    for file in found:
        if not file.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"'{file}' is a link that leads out of '{folder}'; copy the file there"
            )
    named = {file: PARTS[m[1].lower()] for file in found if (m := _NAMED.fullmatch(file.name))}
    odd = next((file for file in found if file not in named), None)
    if named and odd:
        raise UsageError(
            f"'{odd}' is neither train, validation nor test, and '{next(iter(named)).name}' beside "
            "it is; name all files so, or none"
        )
    if not named:
        return {WHOLE: found}
    return {
        part: [f for f in found if named[f] == part] for part in SPLITS if part in named.values()
    }


def stamp_of(files: Mapping[str, Sequence[Path]]) -> str:
    """Return what tells these files from others, without reading them."""
    known = [(file.name, file.stat()) for part in files.values() for file in part]
    return " ".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in known)
