"""What lies in a folder of pictures, found by names alone, in the order people count in."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
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
    for path, entry in _entries(root):
        if entry.is_symlink():
            check_link(Path(entry.path), home)
        if _sort_in(tree, entry, path) and stamped:
            known = entry.stat()
            digest.update(os.fsencode(path) + f"\0{known.st_size} {known.st_mtime_ns}\0".encode())
    tree.stamp = digest.hexdigest()[:16] if stamped else ""
    return tree


def _entries(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield files and links beneath ``root`` in natural order, one folder in memory at a time."""
    stack = [_listed(root, "")]
    while stack:
        for path, entry in stack[-1]:
            if entry.is_dir(follow_symlinks=False):
                stack.append(_listed(root, f"{path}/"))
                break
            yield path, entry
        else:
            stack.pop()


def _listed(root: Path, inside: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(root / inside) as entries:
        found = [e for e in entries if not e.name.startswith(".") and e.name != _SKIPPED]
    found.sort(key=lambda entry: natural(entry.name))
    return ((f"{inside}{entry.name}", entry) for entry in found)


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


def _sort_in(tree: Tree, entry: os.DirEntry[str], path: str) -> bool:
    """Take a file in where it belongs; return whether what it holds will be read."""
    name = entry.name.lower()
    stem, dot, ending = name.rpartition(".")
    suffix = f".{ending}" if dot else ""
    if not entry.is_file():  # a pipe or a device: opening it would wait for ever
        tree.others.append(path)
    elif suffix in SUFFIXES:
        tree.pictures.append(path)
        return True
    elif name in METADATA:
        tree.metadata.append(path)
        return True
    elif suffix not in _BESIDE and not _LEFT & {name, stem}:
        with open(entry.path, "rb") as stream:  # noqa: PTH123
            known = bool(_MAGIC.match(stream.read(12)))
        (tree.pictures if known else tree.others).append(path)
        return known
    return False


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
    """Return a path as text of one line; what cannot be shown is replaced.

    >>> shown("a\\nb/c d")
    'a�b/c d'
    """
    text = os.fsencode(path).decode("utf-8", errors="replace")
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
