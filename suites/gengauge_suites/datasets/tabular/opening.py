"""Opens tables of the user's: a file, a folder or a pattern of files, by part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gengauge.collection import WHOLE, Collection, columns_differ
from gengauge.errors import UsageError
from gengauge_suites.datasets.sharded import PARTS, files_of, stamp_of
from gengauge_suites.datasets.tabular.block import Block
from gengauge_suites.datasets.tabular.columns import Columns
from gengauge_suites.datasets.tabular.delimited import Reader
from gengauge_suites.datasets.tabular.spill import Spill

CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
PARQUET = (".parquet", ".pq")
Read = Callable[[Path], Iterator[Block]]


def open_csv(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the rows of CSV files, float32 ``[n, d]``, by part."""
    return _open(path, options, CSV, Reader.of(options).blocks)


def open_parquet(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the rows of parquet files, float32 ``[n, d]``, by part."""
    from gengauge_suites.datasets.tabular.columnar import blocks

    return _open(path, options, PARQUET, blocks)


def _open(
    path: Path, options: Mapping[str, Any], endings: tuple[str, ...], read: Read
) -> dict[str, Collection]:
    files = files_of(path, endings)
    blocks = ((part, b) for part, some in files.items() for file in some for b in read(file))
    return collections(blocks, options, stamp_of(files))


def collections(
    blocks: Iterable[tuple[str, Block]], options: Mapping[str, Any], stamp: str
) -> dict[str, Collection]:
    """Return the rows of ``blocks``, each with its part, as the user's options use the columns.

    Every row is read once here, so that what is wrong with any is said before anything is done.
    """
    columns: Columns | None = None
    names: tuple[str, ...] = ()
    spills: dict[str, Spill] = {}
    for part, block in blocks:
        if columns is None:
            names = tuple(block.cells)
            columns = Columns.of(block.file, names, options)
            if columns.split and part != WHOLE:
                raise UsageError(f"split={columns.split}: there are parts already; leave it out")
        elif tuple(block.cells) != names:
            raise UsageError(
                f"'{block.file}' {columns_differ(block.cells, names)}, unlike what came before; "
                "give all of it the same columns"
            )
        for name, rows in _parts(columns, block, part):
            _keep(columns, rows, spills.setdefault(name, Spill()))
    if columns is None:
        raise UsageError("there is no row in it")
    columns.finished()
    modality = str(options["as"])
    return {part: spill.collection(columns, modality, stamp) for part, spill in spills.items()}


def _keep(columns: Columns, block: Block, spill: Spill) -> None:
    labels = columns.codes(block, columns.label) if columns.label else None
    spill.add(columns.numbers(block), labels)


def _parts(columns: Columns, block: Block, part: str) -> Iterable[tuple[str, Block]]:
    """Yield the block, or its rows of each part where a column says which they are of."""
    if not columns.split:
        yield part, block
        return
    codes = columns.codes(block, columns.split)
    known = list(columns.values[columns.split].numbers)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        if known[code].lower() not in PARTS:
            raise block.wrong(
                columns.split, int(rows[0]),
                f"{known[code]!r:.60} is no part; write train, validation or test",
            )  # fmt: skip
        yield PARTS[known[code].lower()], block.chosen(rows)
