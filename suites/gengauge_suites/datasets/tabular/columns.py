"""Tells what the columns of a table hold, and makes numbers of them: nothing is guessed away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gengauge.errors import UsageError, unknown
from gengauge_suites.datasets.tabular.block import CATEGORY, NUMBER, TRUTH, WHOLE, Block, listed
from gengauge_suites.datasets.tabular.values import Values

MOST = 1000  # values of a column of categories
_EXACT = 1 << 24  # whole numbers up to here are kept by float32
_TOLD = 1 << 53  # and from here on float64 cannot tell what they were
_MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-")
_YES, _NO = ("true", "yes", "t", "y"), ("false", "no", "f", "n")

Numbers = NDArray[np.float64]


@dataclass
class Columns:
    """The columns of a table over all its files: what each is for and what it has held so far."""

    names: tuple[str, ...]  # of those that are modelled
    label: str = ""
    split: str = ""
    kinds: dict[str, str] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)  # of categories, label and split
    rounded: dict[str, UsageError] = field(default_factory=dict)  # whole, and not kept by float32

    @classmethod
    def of(cls, file: str, found: Sequence[str], options: Mapping[str, Any]) -> Columns:
        """Return the columns ``found`` in ``file`` as the user's options use them."""
        uses = {
            use: [_named(name, found, file) for name in listed(str(options[use]))]
            for use in ("label", "split", "onehot", "drop")
        }
        for use in ("label", "split"):
            if len(uses[use]) > 1:
                raise UsageError(f"{use}={options[use]}: name one column")
        given = [name for names in uses.values() for name in names]
        twice = next((name for name in given if given.count(name) > 1), "")
        if twice:
            raise UsageError(f"column '{twice}' is named by two options; give it one use")
        apart = {*uses["label"], *uses["split"], *uses["drop"]}
        names = tuple(name for name in found if name not in apart)
        if not names:
            raise UsageError(f"'{file}' has no column left to model; drop fewer")
        label, split = "".join(uses["label"]), "".join(uses["split"])
        values = {n: Values() for n in (*uses["onehot"], label, split) if n}
        return cls(names, label, split, dict.fromkeys(uses["onehot"], CATEGORY), values)

    def numbers(self, block: Block) -> Numbers:
        """Return the modelled columns of ``block`` ``[k, c]``; categories as numbers of values."""
        read = {n: _read(block, n) for n in self.names if n not in self.values}
        self._refuse_text(block, read)
        found = np.empty((len(block), len(self.names)))
        for i, name in enumerate(self.names):
            if name in self.values:
                found[:, i] = self.codes(block, name)
            else:
                found[:, i] = self._column(block, name, read[name])
        return found

    def codes(self, block: Block, name: str) -> NDArray[np.int64]:
        """Return which of its values a column of categories has in each row ``[k]``."""
        cells = block.cells[name]
        values = self.values[name]
        codes = values.codes(cells, block.kinds.get(name, ""))
        missing = np.flatnonzero(codes < 0)
        if missing.size:
            raise block.wrong(
                name, int(missing[0]), "the cell is empty; fill it, or leave out the row"
            )
        if len(values) > MOST:
            raise UsageError(
                f"'{block.file}': column '{name}' has more than {MOST:,} values and is no "
                f"category; is it an identifier? write drop={_written(name, list(block.cells))}"
            )
        return codes

    def finished(self) -> None:
        """Raise ``UsageError`` where a column turned out to be what cannot be kept."""
        for name, error in self.rounded.items():
            if self.kinds[name] == WHOLE:
                raise error

    def shown(self) -> dict[str, str]:
        """Return the columns that a model sees, each with its kind; one for each category."""
        columns: dict[str, str] = {}
        for name in self.names:
            if name in self.values:
                columns.update({f"{name}={v}": CATEGORY for v in self.values[name].names})
            else:
                columns[name] = self.kinds[name]
        return columns

    def _refuse_text(self, block: Block, read: Mapping[str, Numbers | None]) -> None:
        """Name every column of text at once: mending them one by one would take as many tries."""
        firsts = {
            n: _first_text(block.cells[n], n in block.kinds)
            for n, found in read.items() if found is None
        }  # fmt: skip
        texts = {n: row for n, row in firsts.items() if row is not None}
        if not texts:
            return
        name, row = next(iter(texts.items()))
        others = ", ".join(f"'{n}'" for n in list(texts)[1:])
        written = [_written(n, list(block.cells)) for n in texts]
        raise block.wrong(
            name, row,
            f"text, {block.cells[name][row]!r:.60}, where tables hold numbers"
            f"{f' (so do {others})' if others else ''}; write drop={';'.join(written)}, "
            f"label={written[0]} for classes, or onehot={written[0]} for a column of 0 and 1 for "
            "each value",
        )  # fmt: skip

    def _column(self, block: Block, name: str, read: Numbers | None) -> Numbers:
        cells = block.cells[name]
        numbers, kind = _told(block, name, read)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if bad.size:
            raise block.wrong(name, int(bad[0]), _not_finite(cells[bad[0]]))
        large = np.flatnonzero(np.abs(numbers) > np.finfo(np.float32).max)
        if large.size:
            raise block.wrong(name, int(large[0]), "too large for float32; rescale the column")
        self._merge(block, name, kind)
        if kind == WHOLE and name not in self.rounded:
            self._keep_rounded(block, name, numbers)
        return numbers

    def _merge(self, block: Block, name: str, kind: str) -> None:
        before = self.kinds.get(name, kind) if len(block) else kind
        if {before, kind} == {NUMBER, WHOLE}:
            kind = NUMBER
        elif before != kind:
            raise block.wrong(name, 0, f"{kind} from here on and {before} before; mend the column")
        if len(block) or name not in self.kinds:
            self.kinds[name] = kind

    def _keep_rounded(self, block: Block, name: str, numbers: Numbers) -> None:
        """Remember the first whole number that float32 would change, such as a long identifier."""
        large = np.flatnonzero(np.abs(numbers) > _EXACT)
        back = numbers[large].astype(np.float32).astype(np.float64)
        changed = large[(back != numbers[large]) | (np.abs(numbers[large]) >= _TOLD)]
        if changed.size:
            value = int(numbers[changed[0]])
            self.rounded[name] = block.wrong(
                name, int(changed[0]),
                f"float32 does not keep the whole number {value}; write drop={name} if it is an "
                "identifier, or rescale the column",
            )  # fmt: skip


def _named(name: str, found: Sequence[str], file: str) -> str:
    """Return the column that ``name`` or its number names."""
    if name in found:
        return name
    if name.isdecimal() and 1 <= int(name) <= len(found):
        return found[int(name) - 1]
    raise UsageError(f"'{file}': {unknown('column', name, found)}")


def _written(name: str, found: Sequence[str]) -> str:
    """Return how an option names a column: by its number where its name holds what options do."""
    return str(found.index(name) + 1) if set(name) & set(",;[]=") else name


def _read(block: Block, name: str) -> Numbers | None:
    """Return a column's numbers if it holds nothing else; a typed file's text holds none."""
    cells = block.cells[name]
    if isinstance(cells, np.ndarray):
        return cells
    return None if name in block.kinds and cells else _floats(cells)


def _first_text(cells: Sequence[str] | NDArray[Any], typed: bool) -> int | None:
    """Return the first row that holds words that are neither numbers nor yes and no."""
    if typed:  # the file itself says that it is text
        return 0
    words = [cell.strip().lower() for cell in cells]
    known = {*_YES, *_NO, *_MISSING}
    return next(
        (i for i, word in enumerate(words) if not (word in known or _is_number(word))), None
    )


def _told(block: Block, name: str, read: Numbers | None) -> tuple[Numbers, str]:
    """Return the numbers of a column, what is missing NaN, and of which kind they are."""
    if read is None:
        words = [cell.strip().lower() for cell in block.cells[name]]
        truths = sum(word in _YES or word in _NO for word in words)
        if truths and truths + sum(word in _MISSING for word in words) == len(words):
            read = np.array([1.0 if w in _YES else 0.0 if w in _NO else np.nan for w in words])
            return read, TRUTH
        read = np.array([float(w) if _is_number(w) else np.nan for w in words])
    declared = block.kinds.get(name)
    if declared:
        return read, declared
    return read, WHOLE if (read == np.floor(read)).all() else NUMBER


def _floats(cells: Sequence[str]) -> Numbers | None:
    try:
        numbers = np.array(list(map(float, cells)))
    except ValueError:
        return None
    # Python reads 1_000 as a number, which no table means by it
    return None if "_" in "".join(cells) else numbers


def _is_number(word: str) -> bool:
    return "_" not in word and _floats([word]) is not None


def _not_finite(cell: object) -> str:
    if isinstance(cell, str) and cell.strip().lower() not in _MISSING:
        return f"{cell.strip()!r} is not finite" if _is_number(cell) else f"{cell!r} among numbers"
    infinite = isinstance(cell, float) and np.isinf(cell)
    found = f"{cell} is not finite" if infinite else "the cell is missing"
    return f"{found}; fill it, or leave out the row or column"
