"""What lies in a folder of pictures, found by names alone, in the order people count in."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from gengauge.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
METADATA = ("metadata.csv", "metadata.jsonl")
_BESIDE = (".csv", ".html", ".json", ".jsonl", ".md", ".toml", ".txt", ".yaml", ".yml")
_LEFT = {"desktop.ini", "license", "licence", "readme", "thumbs.db"}
_SKIPPED = "__MACOSX"  # what a Mac leaves beside each file of an archive
_MAGIC = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF.{4}WEBP", re.DOTALL)
_NUMBERS = re.compile(r"([0-9]+)")
_SHOWN = 3


@dataclass
class Tree:
    """Pictures, metadata and other files beneath ``root``, as paths from there with ``/``."""

    root: Path
    pictures: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    stamp: str = ""


def natural(path: str) -> tuple[list[str | int], str]:
    """Return what paths are ordered by: folder by folder, numbers by their size.

    >>> sorted(["b/1", "a10", "a9", "b"], key=natural)
    ['a9', 'a10', 'b', 'b/1']
    """
    parts: list[str | int] = [*_NUMBERS.split(path.replace("/", "\0"))]
    parts[1::2] = map(int, parts[1::2])
    return parts, path


def scan(root: Path, stamped: bool = False) -> Tree:
    """Return what lies in ``root``; nothing is opened whose name tells what it is.

    Hidden files and folders are left out. A link to a folder, and one that leads out or nowhere,
    is refused: no file is read twice, and none that does not lie here. ``OSError`` where a folder
    cannot be read. With ``stamped`` sizes and times of change are looked up too.
    """
    tree, digest = Tree(root), hashlib.sha256()
    home = root.resolve()
    found: dict[str, os.stat_result | None] = {}
    folders = [""]
    while folders:
        inside = folders.pop()
        with os.scandir(root / inside) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == _SKIPPED:
                    continue
                path = f"{inside}{entry.name}"
                if entry.is_symlink():
                    check_link(Path(entry.path), home)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(f"{path}/")
                    continue
                _sort_in(tree, entry, path)
                found[path] = entry.stat() if stamped else None
    tree.pictures.sort(key=natural)
    for path in tree.pictures + sorted(tree.metadata) if stamped else ():
        known = found[path]
        assert known is not None
        digest.update(os.fsencode(path) + f"\0{known.st_size} {known.st_mtime_ns}\0".encode())
    tree.stamp = digest.hexdigest()[:16] if stamped else ""
    return tree


def check_link(link: Path, home: Path) -> None:
    """Raise ``UsageError`` unless ``link`` leads to a file within ``home``."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle
        raise UsageError(f"'{link}' is a link that leads nowhere; take it away") from None
    if target.is_dir():
        raise UsageError(
            f"'{link}' is a link to a folder; give that folder itself, or copy what is in it"
        )
    if not target.is_relative_to(home):
        raise UsageError(
            f"'{link}' is a link that leads out of the folder, to '{target}'; copy the file there"
        )


def _sort_in(tree: Tree, entry: os.DirEntry[str], path: str) -> None:
    name = entry.name.lower()
    stem, dot, ending = name.rpartition(".")
    suffix = f".{ending}" if dot else ""
    if not entry.is_file():  # a pipe or a device: opening it would wait for ever
        tree.others.append(path)
    elif suffix in SUFFIXES:
        tree.pictures.append(path)
    elif name in METADATA:
        tree.metadata.append(path)
    elif suffix in _BESIDE or _LEFT & {name, stem}:
        return
    else:
        with open(entry.path, "rb") as stream:  # noqa: PTH123
            known = _MAGIC.match(stream.read(12))
        (tree.pictures if known else tree.others).append(path)


def check(tree: Tree, skip: bool) -> None:
    """Raise ``UsageError`` for a folder without pictures, or with what else it should not hold."""
    if tree.others and not skip:
        names = ", ".join(f"'{shown(name)}'" for name in sorted(tree.others)[:_SHOWN])
        raise UsageError(
            f"'{tree.root}' holds {len(tree.others):,} files that are no PNG, JPEG or WebP "
            f"({names}{' ...' if len(tree.others) > _SHOWN else ''}); take them away, convert "
            "them, or give others=skip"
        )
    if not tree.pictures:
        raise UsageError(f"'{tree.root}' holds no PNG, JPEG or WebP picture; give a folder of them")


def shown(path: str) -> str:
    """Return a path as text, bytes that are no UTF-8 replaced."""
    return os.fsencode(path).decode("utf-8", errors="replace")
