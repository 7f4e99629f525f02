"""Checks JSON against the part of JSON Schema that our own schemas use.

A whole validator would be one more dependency for every user; a test compares this one with
jsonschema on records of every shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "number": (int, float), "integer": (int,), "object": (dict,),
    "array": (list,), "null": (type(None),), "boolean": (bool,),
}  # fmt: skip


def unlike(value: Any, schema: Mapping[str, Any], where: str = "") -> str:
    """Return where ``value`` departs from ``schema`` and how, empty where it does not.

    >>> schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    >>> unlike({"n": 1.5}, schema), unlike({}, schema), unlike({"n": 1}, schema)
    ("'n' is float, expected integer", "'n' is missing", '')
    """
    name = f"'{where}'" if where else "it"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{name} is {_short(value)}, expected {schema['const']!r}"
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        return f"{name} is {_short(value)}, expected one of {', '.join(map(str, schema['enum']))}"
    if "type" in schema and not _is(value, schema["type"]):
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return f"{name} is {type(value).__name__}, expected {' or '.join(kinds)}"
    if isinstance(value, dict):
        return _parts(value, schema, where)
    if isinstance(value, list) and "items" in schema:
        found = (unlike(v, schema["items"], f"{where}[{i}]") for i, v in enumerate(value))
        return next(filter(None, found), "")
    return ""


def _parts(value: dict[str, Any], schema: Mapping[str, Any], where: str) -> str:
    dot = f"{where}." if where else ""
    for name in schema.get("required", ()):
        if name not in value:
            return f"'{dot}{name}' is missing"
    parts = schema.get("properties", {})
    found = (unlike(value[name], parts[name], dot + name) for name in parts if name in value)
    return next(filter(None, found), "")


def _is(value: Any, kinds: str | list[str]) -> bool:
    """Return whether a value has one of the types; 1.0 is an integer, as JSON Schema has it."""
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if isinstance(value, bool):
            if kind == "boolean":
                return True
        elif isinstance(value, _TYPES[kind]) or (
            kind == "integer" and isinstance(value, float) and value.is_integer()
        ):
            return True
    return False


def _same(value: Any, other: Any) -> bool:
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
