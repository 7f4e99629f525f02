"""Sequences of the user's, one a line: sentences, names, molecules, as data and as samples."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gengauge.collection import Collection, Formed
from gengauge.errors import UsageError
from gengauge.guarded import most, too_large
from gengauge_suites.datasets.sharded import files_of, stamp_of

ENDINGS = (".txt", ".txt.gz")
BYTES = 256
LONGEST = 1 << 20  # bytes of a line
_PAD, _LINE_END, _SPACE = "\0", "⏎", " "
_FITS = {"cut", "pad", "cut-or-pad"}
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)


def open_lines(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the lines of text files as tokens, int64 ``[n, length]``, by part.

    ``UsageError`` with file and line for what is no UTF-8 and for lines of another length, unless
    ``fit`` says what becomes of them.
    """
    files = files_of(path, ENDINGS)
    fit = str(options["fit"])
    found = {
        part: Lines.of(((str(file), _read(file)) for file in some), fit)
        for part, some in files.items()
    }
    return encoded(found, options, stamp_of(files))


def encoded(
    found: Mapping[str, Lines], options: Mapping[str, Any], stamp: str
) -> dict[str, Collection]:
    """Return collections of lines, all parts of one alphabet and length, as the options ask."""
    code = Code(BYTES, "", 0)
    if options["tokens"] == "characters":
        alphabet = sorted(set().union(*(lines.characters() for lines in found.values())))
        code = _with_padding(alphabet, str(options["fit"]))
    sizes = [size for lines in found.values() for size in lines.sizes(code)]
    usual = min(sizes, default=1) if options["fit"] == "cut" else max(sizes, default=1)
    length = int(options["length"]) or max(usual, 1)
    return {
        part: lines.collection(replace(code, length=length), stamp) for part, lines in found.items()
    }


def describe(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the number of levels: of characters, only the file knows how many there are."""
    if options["tokens"] == "bytes":
        return {"levels": BYTES}
    try:
        parts = open_lines(Path(path).expanduser(), options)
    except OSError:  # opening it will say so
        return {}
    return {"levels": next(iter(parts.values())).levels}


@dataclass(frozen=True)
class Code:
    """How characters become tokens: bytes of UTF-8, or their places in an alphabet."""

    levels: int
    alphabet: str
    length: int

    def tokens(self, line: bytes) -> NDArray[np.int64]:
        """Return the tokens of a line; ``KeyError`` for a character that the alphabet lacks."""
        if not self.alphabet:
            return np.frombuffer(line, np.uint8).astype(np.int64)
        return np.array([self._place[c] for c in line.decode()], np.int64)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {c: i for i, c in enumerate(self.alphabet)}

    @property
    def padding(self) -> int | None:
        """The token that fills a line up: NUL, or a space where the alphabet has no NUL."""
        if not self.alphabet:
            return 0
        found = [self.alphabet.index(c) for c in (_PAD, _SPACE) if c in self.alphabet]
        return found[0] if found else None


@dataclass(frozen=True)
class Lines:
    """Lines that were read once and wait on disk: their bytes in a row, and where each ends."""

    content: NDArray[np.uint8]
    ends: NDArray[np.int64]
    files: tuple[tuple[str, int], ...]  # each with the number of its first line here
    fit: str
    unit: str = "line"

    @classmethod
    def of(
        cls, sources: Iterable[tuple[str, Iterable[bytes]]], fit: str, unit: str = "line"
    ) -> Lines:
        """Return the lines of ``sources``, each with its name, one after the other."""
        spill = tempfile.TemporaryFile()  # noqa: SIM115 - it goes with the map of it
        ends: list[int] = []
        first: list[tuple[str, int]] = []
        total = 0
        for name, lines in sources:
            first.append((name, len(ends)))
            for line in lines:
                spill.write(line)
                total += len(line)
                ends.append(total)
        spill.flush()
        content = (
            np.memmap(spill, np.uint8, "r", shape=(total,)) if total else np.empty(0, np.uint8)
        )
        return cls(content, np.array(ends, np.int64), tuple(first), fit, unit)

    def __len__(self) -> int:
        return len(self.ends)

    def line(self, i: int) -> bytes:
        """Return the UTF-8 of line ``i``."""
        start = int(self.ends[i - 1]) if i else 0
        return self.content[start : int(self.ends[i])].tobytes()

    def characters(self) -> set[str]:
        """Return the characters that occur."""
        return set().union(*(set(self.line(i).decode()) for i in range(len(self))))

    def sizes(self, code: Code) -> list[int]:
        """Return how many tokens each line has."""
        return [len(code.tokens(self.line(i))) for i in range(len(self))]

    def collection(self, code: Code, stamp: str) -> Collection:
        """Return the lines in ``code``, each of its length; ``UsageError`` where one is not."""
        characters = torch.zeros(len(self), dtype=torch.int64)
        for i in range(len(self)):
            characters[i] = self._characters(i, code)

        def read(start: int, stop: int) -> Tensor:
            rows = [self._fitted(i, code) for i in range(start, stop)]
            shape = (len(rows), code.length)
            return torch.from_numpy(np.array(rows, np.int64).reshape(shape))

        return Collection(
            "text", len(self), (code.length,), read, code.levels, characters=characters,
            alphabet=code.alphabet, stamp=f"{stamp} {code}",
            fitted=lambda form: self._as(form, stamp),
        )  # fmt: skip

    def _as(self, form: Formed, stamp: str) -> Collection:
        """Return the lines with the alphabet and the length of ``form``: of a reference."""
        if form.modality != "text" or form.levels is None:
            raise UsageError(f"lines of text are no {form.modality}; give a reference of text")
        return self.collection(Code(form.levels, form.alphabet, form.event_shape[0]), stamp)

    def _fitted(self, i: int, code: Code) -> NDArray[np.int64]:
        try:
            tokens = code.tokens(self.line(i))
        except KeyError as error:
            raise self._wrong(
                i,
                f"the reference's alphabet of {code.levels} characters has no {error}; replace it",
            ) from None
        unlike = "cut" if len(tokens) > code.length else "pad"
        if len(tokens) == code.length:
            return tokens
        if unlike not in self.fit or self.fit not in _FITS:
            raise self._wrong(
                i, f"{len(tokens)} tokens, expected {code.length}; write fit={unlike}, or "
                "fit=cut-or-pad, to have lines made that long",
            )  # fmt: skip
        if unlike == "cut":
            return tokens[: code.length]
        if code.padding is None:
            raise self._wrong(i, "the reference's alphabet has no space to pad with; write fit=cut")
        return np.pad(tokens, (0, code.length - len(tokens)), constant_values=code.padding)

    def _characters(self, i: int, code: Code) -> int:
        """Return how many characters begin in line ``i`` as it is kept, padding left out."""
        kept = self._fitted(i, code)[: len(code.tokens(self.line(i)))]
        return len(kept) if code.alphabet else int(((kept & 0xC0) != 0x80).sum())

    def _wrong(self, i: int, problem: str) -> UsageError:
        file, first = next(pair for pair in reversed(self.files) if pair[1] <= i)
        return UsageError(f"'{file}', {self.unit} {i - first + 1}: {problem}")


def _with_padding(alphabet: list[str], fit: str) -> Code:
    known = "".join(alphabet)
    if "pad" in fit and _SPACE not in known:
        known = _PAD + known
    return Code(len(known), known, 0)


def _read(file: Path) -> Iterator[bytes]:
    """Yield the lines without their ends, in UTF-8; ⏎ stands for a line end within one."""
    opened: Any = gzip.open(file) if file.suffix == ".gz" else file.open("rb")  # noqa: SIM115
    total = 0
    with opened as stream:
        try:
            for number, line in enumerate(iter(lambda: stream.readline(LONGEST), b""), 1):
                total += len(line)
                if total > most():
                    raise too_large(file, total)
                yield _line(file, number, line)
        except _BROKEN as error:
            raise UsageError(f"'{file}' is damaged ({error}); get it again") from None


def _line(file: Path, number: int, line: bytes) -> bytes:
    if len(line) == LONGEST:
        raise UsageError(f"'{file}', line {number}: longer than {LONGEST:,} bytes; break it up")
    try:
        text = line.rstrip(b"\r\n").decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"'{file}', line {number}: no UTF-8; convert the file, for example with iconv"
        ) from None
    if _PAD in text:
        raise UsageError(f"'{file}', line {number}: it holds a NUL character and is no text")
    return text.removeprefix("\ufeff" if number == 1 else "").replace(_LINE_END, "\n").encode()
