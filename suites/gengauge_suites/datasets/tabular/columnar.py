"""Reads parquet files a few thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gengauge.describing import lacking
from gengauge.errors import UsageError
from gengauge.guarded import most, too_large
from gengauge_suites.datasets.tabular.block import NUMBER, ROWS, TRUTH, WHOLE, Block

_CELL = 4  # bytes that a value takes here at least


def blocks(path: Path) -> Iterator[Block]:
    """Yield the rows of ``path``; ``UsageError`` where it is no table that can be used."""
    missing = lacking(("pyarrow",), ("parquet",))
    if missing:
        raise UsageError(f"a parquet file {missing}")
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as stream:
        try:
            file = pq.ParquetFile(stream)
            _check_size(path, file.metadata)
            kinds = kinds_of(file.schema_arrow)
            if len(kinds) != len(file.schema_arrow):
                raise UsageError(f"'{path}' names two columns alike; give each a name of its own")
            first = 1
            for batch in file.iter_batches(ROWS):
                yield block_of(str(path), first, batch, kinds)
                first += len(batch)
            if first == 1:
                yield block_of(
                    str(path), 1, pa.RecordBatch.from_pylist([], file.schema_arrow), kinds
                )
        except (pa.ArrowException, OSError) as error:
            said = " ".join(str(error).split())
            raise UsageError(
                f"'{path}' is no whole parquet file ({said:.200}); get it again"
            ) from None


def _check_size(path: Path, metadata: Any) -> None:
    """Refuse what states that it unpacks to more than an input may hold."""
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    stated = sum(group.total_byte_size for group in groups)
    size = max(stated, metadata.num_rows * metadata.num_columns * _CELL)
    if size > most():
        raise too_large(path, size)


def kinds_of(schema: Any) -> dict[str, str]:
    """Return the kind of each column of an arrow schema; for what is no number, its type."""
    return {field.name: _kind(field) for field in schema}


def _kind(field: Any) -> str:
    from pyarrow import types

    type_ = field.type.value_type if types.is_dictionary(field.type) else field.type
    if types.is_boolean(type_):
        return TRUTH
    if types.is_integer(type_):
        return WHOLE
    if types.is_floating(type_) or types.is_decimal(type_):
        return NUMBER
    return "" if _is_text(type_) else f"{field.type}"


def _is_text(type_: Any) -> bool:
    from pyarrow import types

    return any(
        is_text(type_) for is_text in (types.is_string, types.is_large_string, types.is_string_view)
    )


def block_of(name: str, first: int, batch: Any, kinds: dict[str, str]) -> Block:
    """Return rows of an arrow table or batch, of the file ``name``, from row ``first`` on."""
    cells = {name: _cells(batch.column(i), kinds[name]) for i, name in enumerate(kinds)}
    return Block(name, first, cells, kinds)


def _cells(column: Any, kind: str) -> Sequence[str] | NDArray[Any]:
    import pyarrow as pa

    if kind not in (NUMBER, WHOLE, TRUTH):
        return ["" if cell is None else str(cell) for cell in column.to_pylist()]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kind == TRUTH:
        column = column.cast(pa.uint8())
    numbers: NDArray[Any] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers  # what is null is NaN
