"""What a reader of tables hands over: some rows, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gengauge.errors import UsageError

ROWS = 5000  # of a block
NUMBER, WHOLE, TRUTH, CATEGORY = "number", "whole number", "yes/no", "category"


@dataclass(frozen=True)
class Block:
    """Rows of one file, ``cells`` by the names of the columns.

    Text is a list of strings, of which the types are still to be told; numbers are float64
    ``[k]``, of the type that ``kinds`` says, what is missing NaN. ``first`` is the number of the
    first row in its file, from 1, and ``lines`` are the lines that rows begin on.
    """

    file: str
    first: int
    cells: Mapping[str, Sequence[str] | NDArray[Any]]
    kinds: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[int] = ()
    numbers: Sequence[int] = ()  # of rows that do not follow each other

    def __len__(self) -> int:
        return len(next(iter(self.cells.values()), ()))

    def number(self, row: int) -> int:
        """Return the number in the file, from 1, of the block's row ``row``."""
        return self.numbers[row] if self.numbers else self.first + row

    def wrong(self, column: str, row: int, problem: str) -> UsageError:
        """Return the error for the cell of ``column`` in the block's row ``row``."""
        line = f" (line {self.lines[row]})" if self.lines else ""
        where = f"column '{column}', row {self.number(row)}{line}"
        return UsageError(f"'{self.file}', {where}: {problem}")

    def chosen(self, rows: NDArray[np.int64]) -> Block:
        """Return the block's rows ``rows`` ``[k]``, each with its number and line."""
        cells = {
            name: column[rows] if isinstance(column, np.ndarray) else [column[i] for i in rows]
            for name, column in self.cells.items()
        }
        return replace(self, cells=cells, numbers=tuple(self.number(int(i)) for i in rows),
                       lines=[self.lines[i] for i in rows] if self.lines else ())  # fmt: skip


def listed(text: str) -> tuple[str, ...]:
    """Return the names of columns in an option: ``drop=A;B``."""
    return tuple(filter(None, map(str.strip, text.split(";"))))
