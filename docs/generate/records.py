"""The reference of records and tidy rows, out of their JSON Schemas."""

from __future__ import annotations

from typing import Any

from gengauge.schema import RECORD_SCHEMA, ROW_SCHEMA


def record_tables() -> str:
    """Return a table of the record and one for each object in it."""
    return _tables("A record", "record", RECORD_SCHEMA)


def row_table() -> str:
    """Return the table of the tidy row."""
    return _table(ROW_SCHEMA, "")


def _tables(title: str, anchor: str, schema: dict[str, Any]) -> str:
    parts = [f"### {title} {{#{anchor}}}", _table(schema, anchor)]
    for name, inner in schema["properties"].items():
        held = inner.get("items", inner)
        if "properties" in held:
            words = f"`{name}`: each of them" if "items" in inner else f"`{name}`"
            parts.append(_tables(words, f"{anchor}-{name}", held))
    return "\n\n".join(parts)


def _table(schema: dict[str, Any], anchor: str) -> str:
    lines = ["| field | type | what it says |", "| :--- | :--- | :--- |"]
    for name, inner in schema["properties"].items():
        held = inner.get("items", inner)
        shown = f"[`{name}`](#{anchor}-{name})" if "properties" in held else f"`{name}`"
        where = "" if name in schema["required"] else " Not in every record."
        lines.append(f"| {shown} | {_type(inner)} | {inner['description']}{where} |")
    return "\n".join(lines)


def _type(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"{schema['const']}"
    if "enum" in schema:
        return " or ".join(f"`{v}`" for v in schema["enum"])
    if "items" in schema:
        return f"list of {_type(schema['items'])}s"
    types = schema["type"]
    named = [types] if isinstance(types, str) else types
    words = {"string": "text", "integer": "whole number"}
    return " or ".join(words.get(t, t) for t in named)
