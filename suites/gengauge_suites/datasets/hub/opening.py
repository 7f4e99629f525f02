"""Turns data sets of the hub into collections: pictures, texts or tables."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge.collection import Collection
from gengauge.errors import UsageError
from gengauge_suites.datasets.hub.fields import Fields, is_class
from gengauge_suites.datasets.hub.loading import parts_of
from gengauge_suites.datasets.lines import BYTES, Lines, encoded
from gengauge_suites.datasets.picture import Rule, decode
from gengauge_suites.datasets.pictures import LEVELS, described, gathered
from gengauge_suites.datasets.tabular.block import ROWS, Block
from gengauge_suites.datasets.tabular.columnar import block_of, kinds_of
from gengauge_suites.datasets.tabular.columns import MOST
from gengauge_suites.datasets.tabular.opening import collections
from gengauge_suites.datasets.tabular.values import Values


def open_hub(path: Path, options: Mapping[str, Any]) -> dict[str, Collection]:
    """Return the examples of a data set of the hub or of a folder, by part."""
    name = str(options["path"])
    parts = parts_of(name, options)
    fields = Fields.of(next(iter(parts.values())).features, options)
    known = _known(name, parts, fields)
    if fields.kind == "image":
        return {
            part: _pictures(f"{name} {part}", data, fields, Rule.of(options), known[part])
            for part, data in parts.items()
        }
    if fields.kind == "text":
        fit = str(options["fit"])
        lines = {
            part: Lines.of([(name, _texts(f"{name} {part}", data, fields.x))], fit, f"{part} row")
            for part, data in parts.items()
        }
        found = encoded(lines, options, "")
    else:
        found = collections(_tables(name, parts, fields), {**options, "label": "", "split": ""}, "")
    return {part: replace(collection, **known[part]) for part, collection in found.items()}


def describe_hub(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what types and the first example say of the data set's description."""
    parts = parts_of(path, options)
    data = next(iter(parts.values()))
    fields = Fields.of(data.features, options)
    if fields.kind == "image":
        shape = _pictures(path, data, fields, Rule.of(options), {}).event_shape
        return described(shape, bool(fields.label), bool(fields.caption), LEVELS)
    about = {"labelled": bool(fields.label), "captioned": False}
    if fields.kind == "table":
        return {**about, "modality": str(options["as"]), "levels": None}
    levels = BYTES
    if options["tokens"] == "characters":
        levels = next(iter(open_hub(Path(path), options).values())).levels or BYTES
    return {**about, "modality": "text", "levels": levels, "embedders": ("ngrams",)}


def _known(name: str, parts: Mapping[str, Any], fields: Fields) -> dict[str, dict[str, Any]]:
    """Return labels, names of classes and captions of each part."""
    known: dict[str, dict[str, Any]] = {part: {} for part in parts}
    if fields.label:
        values = Values()
        codes = {
            part: _codes(f"{name} {part}", data, fields, values) for part, data in parts.items()
        }
        names = fields.names or values.names
        for part, found in codes.items():
            labels = found if fields.names else torch.from_numpy(values.places)[found]
            known[part].update(labels=labels, class_names=names)
    if fields.caption:
        for part, data in parts.items():
            known[part]["captions"] = tuple(
                t.decode() for t in _texts(f"{name} {part}", data, fields.caption)
            )
    return known


def _codes(name: str, data: Any, fields: Fields, values: Values) -> Tensor:
    """Return the class of each row: its own number, or that of its value."""
    column = data.select_columns([fields.label])
    cells = [cell for batch in column.iter(ROWS) for cell in batch[fields.label]]
    # -1 is what test splits have whose classes are withheld
    missing = next((i for i, c in enumerate(cells) if c is None or c == -1 or c == ""), None)
    if missing is not None:
        raise UsageError(
            f"'{name}', column '{fields.label}', row {missing + 1}: it has no class; write "
            "label=none, or choose a split that has them with split="
        )
    if fields.names:
        return torch.tensor(cells, dtype=torch.int64)
    found = torch.from_numpy(values.codes([str(cell) for cell in cells]))
    if len(values) > MOST:
        raise UsageError(
            f"'{name}': column '{fields.label}' has more than {MOST:,} values and is no class; "
            "write label=none"
        )
    return found


def _pictures(
    name: str, data: Any, fields: Fields, rule: Rule, known: Mapping[str, Any]
) -> Collection:
    from datasets import Image

    packed = data.select_columns([fields.x]).cast_column(fields.x, Image(decode=False))

    def get(i: int) -> Any:
        found = packed[i][fields.x]
        if not found or found["bytes"] is None:
            where = f" but only the path '{found['path']}'" if found else ""
            raise UsageError(
                f"'{name} row {i + 1}' holds no picture{where}; write the data set with the "
                "pictures inside it, or give the folder of pictures"
            )
        return decode(io.BytesIO(found["bytes"]), f"{name} row {i + 1}", rule)

    return gathered(len(packed), lambda i: f"{name} row {i + 1}", get, **known)


def _texts(name: str, data: Any, column: str) -> Iterator[bytes]:
    first = 1
    for batch in data.select_columns([column]).iter(ROWS):
        for i, text in enumerate(batch[column]):
            if text is None or "\0" in text:
                wrong = "it is missing" if text is None else "it holds a NUL character"
                raise UsageError(f"'{name}', column '{column}', row {first + i}: {wrong}; mend it")
            yield text.encode()
        first += len(batch[column])


def _tables(name: str, parts: Mapping[str, Any], fields: Fields) -> Iterator[tuple[str, Block]]:
    """Yield rows of numbers; classes beside the label are text until something is said of them."""
    for part, data in parts.items():
        rest = data.remove_columns(list(fields.apart())).with_format("arrow")
        kinds = kinds_of(rest.data.schema)
        first = 1
        for table in rest.iter(ROWS):
            block = block_of(f"{name} {part}", first, table, kinds)
            yield part, _named(block, fields)
            first += len(table)


def _named(block: Block, fields: Fields) -> Block:
    """Return the block with the names of classes in place of their numbers."""
    classes = {n: f.names for n, f in fields.features.items() if n in block.cells and is_class(f)}
    if not classes:
        return block
    cells = {
        n: ["" if v != v else classes[n][int(v)] for v in column] if n in classes else column
        for n, column in block.cells.items()
    }
    return replace(block, cells=cells, kinds={**block.kinds, **dict.fromkeys(classes, "class")})
