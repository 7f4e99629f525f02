"""The tidy table as CSV and JSON: one row for each trial and metric, for scripts to read."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from gengauge.gather import gather
from gengauge.store import COLUMNS, RunStore, tidy_rows

Row = dict[str, Any]


def rows(stores: list[RunStore]) -> list[Row]:
    """Return the rows of every store, a trial that several hold once; missing values are None."""
    return [
        {column: missing(row.get(column)) for column in COLUMNS}
        for trial in gather(stores, artifacts=False).trials
        for row in tidy_rows(trial.record)
    ]  # fmt: skip


def missing(value: Any) -> Any:
    """Return None for a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def render_json(stores: list[RunStore]) -> bytes:
    """Return a JSON list of objects, null where there is no value."""
    text = json.dumps(rows(stores), indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def render_csv(stores: list[RunStore]) -> bytes:
    """Return CSV with a header, empty where there is no value.

    Text that a spreadsheet would run as a formula is prefixed with an apostrophe (OWASP, CSV
    injection); numbers, negative ones too, stay numbers.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows(stores):
        writer.writerow([harmless(value) for value in row.values()])
    return out.getvalue().encode()


def harmless(value: Any) -> Any:
    """Return text so that no spreadsheet takes it for a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
