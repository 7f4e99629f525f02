"""The tidy table: one row for each trial and metric, read in one pass over the records' files."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gengauge.journal import Record, fold, read, read_at, uncollected

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

COLUMNS = (
    "model", "family", "dataset", "suite", "metric", "embedder", "seed", "status", "kind", "unit",
    "direction", "value", "low", "high", "standard_error", "n_samples", "n_reference",
    "comparability_key", "reason", "trial", "caveat",
)  # fmt: skip
_TRIAL = ("model", "family", "dataset", "seed", "status", "trial")
_TEXTS = ("embedder", "suite", "metric", "kind", "unit", "direction", "comparability_key",
          "unscored_reason", "caveat")  # fmt: skip
_NUMBERS = ("value", "low", "high", "standard_error", "n_samples", "n_reference")
_COUNTS = ("n_samples", "n_reference")
_BLOCK = 1 << 16  # rows whose numbers become an array at a time
_texts, _numbers = itemgetter(*_TEXTS), itemgetter(*_NUMBERS)


def tidy_rows(record: Record) -> list[dict[str, Any]]:
    """Return the flat rows of one record; a trial without scores gives one row with its reason."""
    base = dict(zip(_TRIAL, _of_trial(record), strict=True))
    if not record["scores"]:
        return [{**base, "reason": _failure(record)}]
    return [
        {
            **base,
            **{k: v for k, v in score.items() if k in COLUMNS},
            "embedder": (score.get("embedder") or {}).get("id"),
            "reason": score.get("unscored_reason"),
        }
        for score in record["scores"]
    ]


def _of_trial(record: Record) -> tuple[Any, ...]:
    model, seeds = record["model"], record.get("seeds") or {}
    return (
        model["id"], model["family"], record["dataset"]["id"], seeds.get("seed"),
        record["status"], record["trial"],
    )  # fmt: skip


def _failure(record: Record) -> str:
    error = record.get("error") or {}
    return f"{error.get('type')}: {error.get('message')}"


def frame(paths: Sequence[Path], warnings: list[str]) -> pd.DataFrame:
    """Return the tidy table of several files, columns ``COLUMNS``, trials in planned order.

    A trial with one record, as almost all are, is flattened as it is read and forgotten. One
    with several is read again at the end and merged as ``fold`` does.
    """
    table, places = _Columns(), dict[str, list[tuple[int, int]]]()
    with uncollected():
        for file, path in enumerate(paths):
            for offset, record in read(path, warnings):
                found = places.setdefault(record["trial"], [])
                found.append((file, offset))
                if len(found) == 1:
                    table.add(record, len(places))
        for order, found in enumerate(places.values(), start=1):
            if len(found) > 1:
                told = [(file, read_at(paths[file], offset)) for file, offset in found]
                table.replace(fold(told), order)
        return table.table()


class _Columns:
    """Rows as they come: what identifies a score as a number that stands for all its texts."""

    def __init__(self) -> None:
        self._trials: list[tuple[Any, ...]] = []
        self._order: list[tuple[int, int, int]] = []  # planned, seen as the n-th, index
        self._counts: list[int] = []  # rows of each trial
        self._index: dict[int, int] = {}
        self._dropped: set[int] = set()
        self._codes: list[int] = []
        self._texts: dict[tuple[Any, ...], int] = {}
        self._alike: dict[tuple[Any, ...], tuple[list[Any], list[int]]] = {}
        self._fresh: list[tuple[Any, ...]] = []  # numbers that are not in a block yet
        self._blocks: list[NDArray[np.float64]] = []

    def add(self, record: Record, order: int) -> None:
        """Add a trial, the ``order``-th that was seen."""
        scores = record["scores"] or [{"unscored_reason": _failure(record)}]
        trial = _of_trial(record)
        try:
            texts, numbers = list(map(_texts, scores)), list(map(_numbers, scores))
        except KeyError:  # no score at all, or an old one that lacks a field
            texts, numbers = ([tuple(map(s.get, k)) for s in scores] for k in (_TEXTS, _NUMBERS))
        self._codes += self._coded((len(texts), *trial[:3]), texts)
        self._fresh += numbers
        index = self._index[order] = len(self._trials)
        self._order.append((record.get("position") or 0, order, index))
        self._trials.append(trial)
        self._counts.append(len(scores))
        if len(self._fresh) >= _BLOCK:
            self._pack()

    def replace(self, record: Record, order: int) -> None:
        """Put a trial in the place of what was added under the same ``order``."""
        self._dropped.add(self._index[order])
        self.add(record, order)

    def _coded(self, kind: tuple[Any, ...], texts: list[tuple[Any, ...]]) -> list[int]:
        """Return the number of each score's texts; most trials have those of one before."""
        before, codes = self._alike.get(kind, ([], []))
        if texts != before:
            known = self._texts
            plain = [((e and e.get("id")), *rest) for e, *rest in texts]
            codes = [known.setdefault(one, len(known)) for one in plain]
            self._alike[kind] = texts, codes
        return codes

    def _pack(self) -> None:
        if self._fresh:
            self._blocks.append(np.array(self._fresh, dtype=np.float64))
            self._fresh = []

    def table(self) -> pd.DataFrame:
        """Return the rows of trials that were not replaced, in planned order."""
        import pandas as pd

        self._pack()
        if not self._trials:
            return pd.DataFrame(columns=list(COLUMNS))
        order = [i for *_, i in sorted(self._order) if i not in self._dropped]
        counts = np.array(self._counts, dtype=np.int64)
        starts, mine = np.cumsum(counts) - counts, counts[order]
        within = np.arange(mine.sum()) - np.repeat(np.cumsum(mine) - mine, mine)
        rows = np.repeat(starts[order], mine) + within

        codes = np.array(self._codes, dtype=np.int64)[rows]
        texts = zip(*self._texts, strict=True)
        columns = {
            name: pd.Series(list(known)).array.take(codes)
            for name, known in zip(_TEXTS, texts, strict=True)
        }
        trials, owner = zip(*self._trials, strict=True), np.repeat(order, mine)
        columns |= {
            name: pd.Series(list(each)).array.take(owner)
            for name, each in zip(_TRIAL, trials, strict=True)
        }
        numbers = np.concatenate(self._blocks)[rows]
        columns |= {n: _counted(numbers[:, i], n) for i, n in enumerate(_NUMBERS)}
        columns["reason"] = columns.pop("unscored_reason")
        return pd.DataFrame(columns, columns=list(COLUMNS))


def _counted(column: NDArray[np.float64], name: str) -> NDArray[Any]:
    """Return counts as whole numbers, where every row has one."""
    return column.astype(np.int64) if name in _COUNTS and not np.isnan(column).any() else column
