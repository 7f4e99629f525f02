"""Rows that are read once, checked, and kept outside of memory until they are asked for."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gengauge.collection import Collection
from gengauge_suites.datasets.tabular.block import CATEGORY
from gengauge_suites.datasets.tabular.columns import Columns


@dataclass
class Spill:
    """The rows of one part: float32 in a file without a name, labels in memory."""

    file: Any = field(default_factory=tempfile.TemporaryFile)
    labels: list[NDArray[np.int64]] = field(default_factory=list)
    count: int = 0

    def add(self, numbers: NDArray[np.float64], labels: NDArray[np.int64] | None) -> None:
        """Keep rows ``[k, c]`` and the numbers of their labels ``[k]``."""
        self.file.write(np.ascontiguousarray(numbers, np.float32).data)
        self.count += len(numbers)
        if labels is not None:
            self.labels.append(labels)

    def collection(self, columns: Columns, modality: str, stamp: str) -> Collection:
        """Return the rows as they are modelled, categories as a column for each value."""
        self.file.flush()
        shape = (self.count, len(columns.names))
        rows: NDArray[np.float32] = (
            np.memmap(self.file, np.float32, "r", shape=shape) if self.count else np.empty(shape)
        ).astype(np.float32, copy=False)
        wide = _Wide.of(columns)
        labels: Tensor | None = None
        classes: tuple[str, ...] = ()
        if columns.label:
            values = columns.values[columns.label]
            numbers = np.concatenate([*self.labels, np.empty(0, np.int64)])
            labels, classes = torch.from_numpy(values.places[numbers]), values.names
        shown = columns.shown()
        return Collection(
            modality, self.count, (len(shown),), lambda start, stop: wide(rows[start:stop]),
            labels=labels, class_names=classes, columns=shown, stamp=stamp,
        )  # fmt: skip


@dataclass(frozen=True)
class _Wide:
    """Writes each number of a category as 1 in the column of its value and 0 in the others."""

    places: tuple[NDArray[np.int64] | None, ...]

    @classmethod
    def of(cls, columns: Columns) -> _Wide:
        return cls(
            tuple(
                columns.values[n].places if columns.kinds[n] == CATEGORY else None
                for n in columns.names
            )
        )

    def __call__(self, rows: NDArray[np.float32]) -> Tensor:
        """Return ``rows`` ``[k, c]`` as float32 ``[k, d]``, in memory."""
        if all(places is None for places in self.places):
            return torch.from_numpy(np.array(rows))
        parts = []
        for i, places in enumerate(self.places):
            if places is None:
                parts.append(rows[:, i : i + 1])
            else:
                parts.append(np.eye(len(places), dtype=np.float32)[places[rows[:, i].astype(int)]])
        return torch.from_numpy(np.concatenate(parts, 1))
