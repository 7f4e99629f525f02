"""Reads CSV files row by row: packed or not, in any encoding, each fault with its line."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gengauge.errors import UsageError, unknown
from gengauge.guarded import most, too_large
from gengauge_suites.datasets.tabular.block import ROWS, Block, listed

LONGEST = 1 << 24  # characters of a line
_WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}
_COMMA = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True)
class Reader:
    """How a CSV file is written: the separator, whether it has a header, the encoding."""

    sep: str = ""
    header: str = "auto"
    encoding: str = "utf-8"
    dropped: tuple[str, ...] = ()
    comma: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Reader:
        """Return the reader that the user's options ask for."""
        sep = str(options["sep"])
        sep = _WORDS.get(sep, sep)
        if len(sep) > 1:
            raise unknown("separator", sep, _WORDS)
        try:
            "".encode(str(options["encoding"]))
        except LookupError:
            raise UsageError(
                f"unknown encoding '{options['encoding']}'; write utf-8, latin-1, cp1252 ..."
            ) from None
        return cls(
            sep, str(options["header"]), str(options["encoding"]), listed(str(options["drop"])),
            options["decimal"] == "comma",
        )  # fmt: skip

    def blocks(self, path: Path) -> Iterator[Block]:
        """Yield the rows of ``path``; ``UsageError`` with file and line for what is wrong."""
        try:
            yield from self._blocks(path)
        except _BROKEN as error:
            raise UsageError(f"'{path}' is damaged ({error}); get it again") from None
        except UnicodeError:
            raise self._undecoded(path) from None

    def _blocks(self, path: Path) -> Iterator[Block]:
        names: list[str] = []
        rows: list[list[str]] = []
        lines: list[int] = []
        first = 1
        for line, row in self._rows(path):
            if not names:
                names, data = self._names(path, row)
                if not data:
                    continue
            if len(row) != len(names):
                raise _ragged(path, line, row, names)
            rows.append(row)
            lines.append(line)
            if len(rows) == ROWS:
                yield self._block(path, first, names, rows, lines)
                first, rows, lines = first + ROWS, [], []
        if not names:
            raise UsageError(f"'{path}' is empty; expected a header and rows")
        yield self._block(path, first, names, rows, lines)

    def _block(
        self, path: Path, first: int, names: list[str], rows: list[list[str]], lines: list[int]
    ) -> Block:
        if self.comma:
            rows = [[_pointed(cell) for cell in row] for row in rows]
        columns = zip(*rows, strict=True) if rows else ((),) * len(names)
        return Block(str(path), first, dict(zip(names, columns, strict=True)), lines=lines)

    def _rows(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that are not blank, each with the line that it begins on."""
        with _open(path) as raw:
            text = io.TextIOWrapper(raw, _unmarked(self.encoding), newline="")
            reader = csv.reader(_lines(path, text), delimiter=self._sep(path), strict=True)
            while True:
                line = reader.line_num + 1
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    raise UsageError(
                        f"'{path}', line {line}: {error}; close every quote, and double those "
                        "within a field"
                    ) from None
                if row:
                    yield line, row

    def _sep(self, path: Path) -> str:
        tabbed = path.name.removesuffix(".gz").endswith(".tsv")
        return self.sep or ("\t" if tabbed else ",")

    def _names(self, path: Path, row: list[str]) -> tuple[list[str], bool]:
        """Return the names of the columns, and whether the first line is a row itself."""
        numbers = [str(i + 1) for i in range(len(row))]
        if self.header == "false":
            return numbers, True
        names = [name.strip() or number for name, number in zip(row, numbers, strict=True)]
        for name, number in zip(row, numbers, strict=True):
            if not name.strip() and number not in self.dropped:
                raise UsageError(
                    f"'{path}': column {number} has no name; name it, or write drop={number} if it "
                    "numbers the rows"
                )
        if self.header == "auto" and all(map(_is_number, row)) and not _counts(row):
            raise UsageError(
                f"'{path}' begins with a line of numbers: write header=false if that is data, "
                "header=true if they are names of columns"
            )
        other = next((s for s in ";\t|," if s != self._sep(path) and s in names[0]), "")
        if len(names) == 1 and other:
            word = next(word for word, sep in _WORDS.items() if sep == other)
            raise UsageError(
                f"'{path}' has one column, '{names[0]}'; write sep={word} if it is many"
            )
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            raise UsageError(f"'{path}' names two columns '{twice}'; give each a name of its own")
        return names, False

    def _undecoded(self, path: Path) -> UsageError:
        """Return the error for bytes that are not of the encoding, with their line."""
        line = 0
        with _open(path) as raw:
            for number, content in enumerate(iter(lambda: raw.readline(LONGEST), b""), 1):
                try:
                    content.decode(self.encoding)
                except UnicodeError:
                    line = number
                    break
        where = f", line {line}" if line else ""
        return UsageError(
            f"'{path}'{where}: this is no {self.encoding}; write encoding=latin-1, cp1252, "
            "utf-16 or what it was saved in"
        )


class _Measured(io.RawIOBase):
    """A stream that gives up where it holds more than an input may."""

    def __init__(self, path: Path, inner: Any) -> None:
        self.path, self.inner, self.size, self.limit = path, inner, 0, most()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``."""
        content = self.inner.read(len(buffer))
        self.size += len(content)
        if self.size > self.limit:
            raise too_large(self.path, self.size)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Close the file."""
        self.inner.close()
        super().close()


def _open(path: Path) -> io.BufferedReader:
    inner: Any = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
    return io.BufferedReader(_Measured(path, inner), 1 << 16)


def _unmarked(encoding: str) -> str:
    """Return the encoding that also takes a byte order mark, as spreadsheets write it."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def _lines(path: Path, text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST):
        if len(line) == LONGEST:
            raise UsageError(f"'{path}' holds a line of {LONGEST:,} characters; it is no CSV file")
        yield line


def _pointed(cell: str) -> str:
    """Return a number with a comma as Python reads it, and anything else as it is."""
    return cell.replace(",", ".") if _COMMA.fullmatch(cell) else cell


def _ragged(path: Path, line: int, row: list[str], names: list[str]) -> UsageError:
    return UsageError(
        f"'{path}', line {line}: it has {len(row)} fields and there are {len(names)} columns; "
        "quote fields that hold the separator, or mend the line"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _counts(names: list[str]) -> bool:
    """Return whether columns are named 0, 1, 2 ... or 1, 2, 3 ..., as libraries name them."""
    return any(names == [str(i + start) for i in range(len(names))] for start in (0, 1))
