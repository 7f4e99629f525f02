"""Captions and labels that lie beside examples, in a csv or jsonl file."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge.errors import UsageError
from gengauge.guarded import read_input

CAPTIONS = ("caption", "text", "captions")
LABELS = ("label", "class", "labels")
FILE = "file_name"  # the column of Hugging Face's imagefolder
MOST = 100_000  # classes
_SHOWN = 3
_DIGITS = 18  # of a number that need not be looked at


@dataclass(frozen=True)
class Rows:
    """The rows of a file: values by the name of their column."""

    path: Path
    rows: list[Mapping[str, Any]]

    def column(self, names: Sequence[str]) -> list[Any] | None:
        """Return the values of the first column of ``names`` that there is, or None.

        ``UsageError`` where a row lacks it, or has another thing there than a text or a number.
        """
        name = next((n for n in names if any(n in row for row in self.rows)), None)
        if name is None:
            return None
        values = [row.get(name) for row in self.rows]
        for i, value in enumerate(values, start=1):
            if not isinstance(value, str | int) or isinstance(value, bool):
                raise UsageError(
                    f"'{self.path}' has {value!r} as the {name} of row {i}; expected a text or a "
                    "whole number"
                )
        return values

    def wanted(self, names: Sequence[str]) -> list[Any]:
        """Return ``column(names)``; ``UsageError`` where there is none."""
        values = self.column(names)
        if values is None:
            found = ", ".join(map(repr, self.rows[0])) if self.rows else "no row"
            raise UsageError(f"'{self.path}' has {found}; expected a column {' or '.join(names)}")
        return values

    def by_name(self, names: Sequence[str], values: Sequence[Any], folder: str = "") -> list[Any]:
        """Return the value of each of ``names``, which the column file_name must say, once each.

        ``folder`` is what goes before the names in the file.
        """
        files = self.wanted((FILE,))
        known = dict(zip((f"{folder}{file}" for file in map(str, files)), values, strict=True))
        if len(known) < len(files):
            twice = Counter(files).most_common(1)[0][0]
            raise UsageError(f"'{self.path}' names {twice!r} more than once; leave one row for it")
        there = set(names)
        missing = [name for name in names if name not in known]
        spare = [name for name in known if name not in there]
        for what, which in (("does not name", missing), ("names what is not there:", spare)):
            if which:
                raise UsageError(
                    f"'{self.path}' {what} {_listed(which)}; there must be one row for each file"
                )
        return [known[name] for name in names]

    def by_row(self, count: int, values: Sequence[Any]) -> list[Any]:
        """Return ``values``, of which there must be ``count``."""
        if len(values) != count:
            raise UsageError(
                f"'{self.path}' has {len(values):,} rows for {count:,} examples; there must be "
                "one for each, in their order"
            )
        return list(values)


def _listed(names: Sequence[str]) -> str:
    few = ", ".join(repr(name) for name in names[:_SHOWN])
    return few if len(names) <= _SHOWN else f"{few} and {len(names) - _SHOWN:,} others"


def read_rows(path: Path) -> Rows:
    """Return the rows of a ``.csv`` file with a header, or of ``.jsonl``, an object a line."""
    if path.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"'{path}': captions and labels are read from .csv or .jsonl")
    try:
        text = read_input(path).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"'{path}' is not in UTF-8 (byte {error.start}); convert it") from None
    try:
        rows = _objects(text) if path.suffix == ".jsonl" else _table(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise UsageError(f"'{path}' cannot be read ({error}); mend it") from None
    return Rows(path, rows)


def _table(text: str) -> list[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows: list[Mapping[str, Any]] = []
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"line {reader.line_num} has not as many values as the first")
        rows.append(row)
    return rows


def _objects(text: str) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no JSON object")
            rows.append(row)
    return rows


def found_beside(text: str, folder: Path) -> Path:
    """Return the path of a file that an option names: as it is, or in the data's own folder."""
    path = Path(text).expanduser()
    inside = folder / text
    return inside if not path.exists() and inside.exists() else path


def class_names(values: Sequence[Any], ordered: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the classes that labels speak of: numbers are their own, texts go by their order.

    >>> class_names(["2", "0"]), class_names(["dog", "cat"])
    (('0', '1', '2'), ('cat', 'dog'))
    """
    texts = set(map(str, values))
    if not all(text.isascii() and text.isdecimal() for text in texts):
        return tuple(ordered) or tuple(sorted(texts))
    long = max(texts, key=len)
    top = MOST if len(long) > _DIGITS else max(int(text) for text in texts)
    if top >= MOST:
        raise UsageError(f"a label is {long[:20]}; labels are 0 to {MOST - 1:,}, or names")
    return tuple(map(str, range(top + 1)))


def numbered(values: Sequence[Any], names: Sequence[str]) -> Tensor:
    """Return labels ``[n]`` int64, numbers of ``names``."""
    number = {name: i for i, name in enumerate(names)}
    whole = (str(int(v)) if str(v) not in number else str(v) for v in values)
    return torch.tensor([number[v] for v in whole], dtype=torch.int64)
