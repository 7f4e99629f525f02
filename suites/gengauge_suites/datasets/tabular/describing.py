"""What a table's options say of it before it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe(path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the data set's description that its options decide."""
    return {"modality": str(options["as"]), "labelled": bool(options["label"])}
