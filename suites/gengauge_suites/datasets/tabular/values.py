"""The values of a column of categories: numbered as they come, sorted in the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Values:
    """Numbers of the values that a column has held so far."""

    numbers: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def codes(self, cells: Sequence[str] | NDArray[Any], kind: str = "") -> NDArray[np.int64]:
        """Return the number of each cell's value ``[k]``, -1 where it is missing."""
        words: Iterable[str]
        if isinstance(cells, np.ndarray):
            words = (_word(cell, kind) for cell in cells.tolist())
        else:
            words = map(str.strip, cells)
        numbers = self.numbers
        return np.fromiter(
            (numbers.setdefault(word, len(numbers)) if word else -1 for word in words),
            np.int64, len(cells),
        )  # fmt: skip

    @property
    def names(self) -> tuple[str, ...]:
        """The values in their order: of numbers, if all are, or of letters."""
        return tuple(sorted(self.numbers, key=self._key()))

    @property
    def places(self) -> NDArray[np.int64]:
        """The place in ``names`` of each number that ``codes`` gave."""
        place = {name: i for i, name in enumerate(self.names)}
        return np.array([place[name] for name in self.numbers], np.int64)

    def _key(self) -> Any:
        try:
            for name in self.numbers:
                float(name)
        except ValueError:
            return str
        return lambda name: (float(name), name)


def _word(cell: float, kind: str) -> str:
    """Return a cell of a typed file as a CSV file would say it."""
    if cell != cell:  # missing
        return ""
    if kind == "yes/no":
        return str(bool(cell))
    return str(int(cell)) if cell == int(cell) else repr(cell)
