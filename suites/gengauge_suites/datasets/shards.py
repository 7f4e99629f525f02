"""Shards in webdataset's form: tar files in which what belongs together stands together.

The form: https://github.com/webdataset/webdataset. Its own library streams and unpickles what a
shard holds; here headers are read once, nothing is unpacked to a disk, and any block is at hand.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gengauge.collection import SPLITS, WHOLE, Collection
from gengauge.errors import UsageError
from gengauge_suites.datasets.beside import class_names, numbered
from gengauge_suites.datasets.folder import CALLED, readable
from gengauge_suites.datasets.picture import Rule
from gengauge_suites.datasets.pictures import LEVELS, decoded, described, gathered, stamped
from gengauge_suites.datasets.shard import Sample, samples
from gengauge_suites.datasets.tree import check_link, natural

_BRACES = re.compile(r"\{(?:(\d{1,9})\.\.(\d{1,9})|([^{}]*,[^{}]*))\}")
_MOST = 100_000  # shards


def open_shards(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the pictures in the shards of ``path`` by split, uint8 ``[n, C, H, W]``."""
    rule = Rule.of(options)
    shards = _shards(path)
    found = {part: _listed(files) for part, files in shards.items()}
    labels = {part: _known(items, "label") for part, items in found.items()}
    every = [value for values in labels.values() for value in values or ()]
    names = class_names(every) if every else ()
    parts = {}
    for part, items in found.items():
        sizes = [(file.stat().st_size, file.stat().st_mtime_ns) for file in shards[part]]
        known: dict[str, Any] = {"stamp": stamped(path, repr(sizes), options)}
        if (values := labels[part]) is not None:
            known.update(labels=numbered(values, names), class_names=names)
        if (captions := _known(items, "caption")) is not None:
            known["captions"] = tuple(map(str, captions))
        parts[part] = _collection(items, rule, known)
    return parts


def describe_shards(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first sample of the first shard says of the data set."""
    with readable(path):
        files = next(iter(_shards(Path(path).expanduser()).values()))
        first = next(iter(samples(files[0])), None)
        if first is None:
            raise UsageError(f"'{files[0]}' holds no samples; expected names such as 0001.png")
        shape = _collection([first], Rule.of(options), {}).event_shape
    return described(shape, first.label is not None, first.caption is not None, LEVELS)


def _collection(items: Sequence[Sample], rule: Rule, known: Mapping[str, Any]) -> Collection:
    @contextmanager
    def opened(i: int) -> Iterator[IO[bytes]]:
        with items[i].shard.open("rb") as stream:
            stream.seek(items[i].start)
            yield io.BytesIO(stream.read(items[i].size))

    def name(i: int) -> str:
        return str(items[i])

    return gathered(len(items), name, decoded(name, opened, rule), **known)


def _listed(files: Sequence[Path]) -> list[Sample]:
    found = [sample for file in files for sample in samples(file)]
    if not found:
        raise UsageError(f"'{files[0]}' holds no samples; expected names such as 0001.png")
    return found


def _known(items: Sequence[Sample], what: str) -> list[Any] | None:
    """Return the label or caption of each sample, None where no sample has one."""
    values = [getattr(item, what) for item in items]
    lacking = [item for item, value in zip(items, values, strict=True) if value is None]
    if len(lacking) == len(values):
        return None
    if lacking:
        raise UsageError(f"'{lacking[0]}' has no {what}, and others have; give one to each")
    return values


def _shards(path: Path) -> dict[str, list[Path]]:
    """Return the shards of a folder or a pattern, by the splits that their names speak of."""
    if path.is_dir():
        files = sorted(path.glob("*.tar"), key=lambda file: natural(file.name))
        for link in filter(Path.is_symlink, files):
            check_link(link, path.resolve())
    else:
        files = [Path(text) for text in _expanded(str(path))]
    if not files:
        raise UsageError(f"'{path}' holds no .tar file; give shards, or a folder of them")
    parts: dict[str, list[Path]] = {}
    for file in files:
        words = re.split(r"[^a-z0-9]+", file.name.lower())
        parts.setdefault(next((CALLED[w] for w in words if w in CALLED), ""), []).append(file)
    if len(parts) == 1:
        return {WHOLE: files}
    if "" in parts:
        raise UsageError(
            f"'{parts[''][0]}' speaks of no split, and other shards do; name all for train, "
            "validation or test, or none"
        )
    if "test" not in parts and "validation" in parts:
        parts["test"] = parts.pop("validation")
    return {part: parts[part] for part in SPLITS if part in parts}


def _expanded(text: str) -> list[str]:
    """Return the names that a pattern with braces stands for.

    >>> _expanded("a-{08..10}.tar"), _expanded("{train,test}.tar")
    (['a-08.tar', 'a-09.tar', 'a-10.tar'], ['train.tar', 'test.tar'])
    """
    pieces: list[list[str]] = []
    at, count = 0, 1
    for match in _BRACES.finditer(text):
        first, last, words = match.groups()
        count *= 1 if words is not None else max(int(last) - int(first) + 1, 0)
        if not 0 < count <= _MOST:
            raise UsageError(f"'{text}' stands for {count:,} shards; expected 1 to {_MOST:,}")
        numbers = range(int(first), int(last) + 1) if words is None else ()
        pieces += [
            [text[at : match.start()]],
            words.split(",") if words is not None else [f"{n:0{len(first)}}" for n in numbers],
        ]
        at = match.end()
    return ["".join(choice) for choice in itertools.product(*pieces, [text[at:]])]
