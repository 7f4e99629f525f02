"""A folder of pictures of the user's, with classes, captions and splits as the field lays them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gengauge.collection import SPLITS, WHOLE, Collection
from gengauge.errors import UsageError
from gengauge_suites.datasets.beside import (
    CAPTIONS,
    LABELS,
    class_names,
    found_beside,
    numbered,
    read_rows,
)
from gengauge_suites.datasets.picture import Rule
from gengauge_suites.datasets.pictures import LEVELS, decoded, described, gathered, stamped
from gengauge_suites.datasets.tree import Tree, check, natural, scan, shown

CALLED = {
    "train": "train", "validation": "validation", "val": "validation", "valid": "validation",
    "test": "test",
}  # fmt: skip


def open_folder(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the pictures in ``path`` by split, uint8 ``[n, C, H, W]``."""
    folder, rule = _Folder.at(path, options, stamp=True), Rule.of(options)
    parts: dict[str, Collection] = {}
    for part, paths in folder.parts.items():
        known: dict[str, Any] = {"stamp": stamped(path, folder.tree.stamp, options)}
        if folder.labels:
            names = folder.class_names
            labels = numbered([folder.labels[p] for p in paths], names)
            known.update(labels=labels, class_names=names)
        if folder.captions:
            known["captions"] = tuple(str(folder.captions[p]) for p in paths)
        parts[part] = folder.collection(paths, rule, known)
    return parts


def describe_folder(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the names of the files, and the first picture, say of the data set."""
    with readable(path):
        folder = _Folder.at(Path(path).expanduser(), options)
        first = next(iter(folder.parts.values()))[:1]
        shape = folder.collection(first, Rule.of(options), {}).event_shape
    return described(shape, bool(folder.labels), bool(folder.captions), LEVELS)


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Turn what the system refuses in this block into a ``UsageError``."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"'{error.filename or path}' cannot be read: {error.strerror}") from None


@dataclass(frozen=True)
class _Folder:
    """Which pictures belong to which split, and what is known of each, by its path."""

    tree: Tree
    parts: dict[str, list[str]]
    labels: dict[str, Any]
    captions: dict[str, Any]
    class_names: tuple[str, ...]

    @classmethod
    def at(cls, path: Path, options: Mapping[str, Any], stamp: bool = False) -> _Folder:
        if path.is_file():
            raise UsageError(f"'{path}' is a file; give the folder that it lies in")
        tree = scan(path, stamp)
        check(tree, options["others"] == "skip")
        base, parts = _parts(tree)
        captions = _known(tree, CAPTIONS, str(options["captions"]))
        labels = _known(tree, LABELS, str(options["labels"]))
        names = class_names(list(labels.values())) if labels else ()
        if not labels and options["classes"]:
            labels = _folders(parts, base)
            names = tuple(sorted(set(labels.values()), key=natural))
        return cls(tree, parts, labels, captions, names)

    def collection(self, paths: Sequence[str], rule: Rule, known: Mapping[str, Any]) -> Collection:
        root = self.tree.root

        def name(i: int) -> str:
            return shown(str(root / paths[i]))

        get = decoded(name, lambda i: (root / paths[i]).open("rb"), rule)
        return gathered(len(paths), name, get, **known)


def _parts(tree: Tree) -> tuple[int, dict[str, list[str]]]:
    """Return how many folders lead to a split, and its pictures in the order of splits.

    Folders called train and test (or validation) are splits, and a folder that is alone and called
    so is no class. Without a test split validation is what is measured on.
    """
    tops: dict[str, list[str]] = {}
    for path in tree.pictures:
        tops.setdefault(path.partition("/")[0] if "/" in path else "", []).append(path)
    splits = {CALLED[top]: top for top in tops if top in CALLED}
    if len(tops) == len(splits) == 1:
        return 1, {WHOLE: tree.pictures}
    if "train" not in splits or len(splits) < 2:
        return 0, {WHOLE: tree.pictures}
    others = [top for top in tops if top not in splits.values()]
    if others:
        what = f"'{shown(others[0])}/'" if others[0] else f"'{shown(tops[''][0])}'"
        raise UsageError(
            f"'{tree.root}' has {what} beside {', '.join(f'{top}/' for top in splits.values())}; "
            "pictures must lie in the splits"
        )
    if "test" not in splits:
        splits["test"] = splits.pop("validation")
    return 1, {split: tops[splits[split]] for split in SPLITS if split in splits}


def _folders(parts: Mapping[str, Sequence[str]], base: int) -> dict[str, str]:
    """Return the name of each picture's first folder within its split, its class.

    There are none where pictures lie beside the folders, or where there is one folder alone.
    """
    found: dict[str, str] = {}
    for paths in parts.values():
        for path in paths:
            folders = path.split("/")[base:-1]
            if not folders:
                return {}
            found[path] = shown(folders[0])
    return found if len(set(found.values())) > 1 else {}


def _known(tree: Tree, names: Sequence[str], asked: str) -> dict[str, Any]:
    """Return what the file that was ``asked`` for says of each picture, or the metadata do."""
    if asked:
        rows = read_rows(found_beside(asked, tree.root))
        return dict(
            zip(tree.pictures, rows.by_name(tree.pictures, rows.wanted(names)), strict=True)
        )
    found: dict[str, Any] = {}
    for path in tree.metadata:
        rows = read_rows(tree.root / path)
        values = rows.column(names)
        if values is None:
            continue
        folder = path.rpartition("/")[0] + "/" if "/" in path else ""
        beneath = [p for p in tree.pictures if p.startswith(folder)]
        found.update(zip(beneath, rows.by_name(beneath, values, folder), strict=True))
    if found and len(found) < len(tree.pictures):
        lacking = next(p for p in tree.pictures if p not in found)
        raise UsageError(f"no metadata.csv or metadata.jsonl names '{shown(lacking)}'; add a row")
    return found
