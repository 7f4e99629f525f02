"""The ranked short tables as a fragment of HTML that a notebook shows, in its own colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader

from gengauge.gather import gather
from gengauge.store import RunStore
from gengauge_reports.notation import CAVEAT, header, place, printable, signed, status
from gengauge_reports.ranking import tables
from gengauge_reports.table import Cell, Column, Row, Table

LEGEND = (
    "Rank, then value ± half of its 95 % interval, or [low, high]; models that do not differ share "
    "a rank. ≤ upper bound, ≥ lower bound, ~ estimate, no sign: exact; † shown and not ranked. "
    "Controls, beneath the line, are not ranked."
)


def render(stores: list[RunStore]) -> bytes:
    """Return the fragment: no script, no picture, nothing from elsewhere."""
    runs = gather(stores, artifacts=False)
    made = Environment(
        loader=PackageLoader("gengauge_reports"), autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    shown = [_shown(table) for table in tables(runs)]
    return made.get_template("notebook.html.j2").render(tables=shown, legend=LEGEND).encode()


def _shown(table: Table) -> dict[str, Any]:
    columns = table.headline
    controls = [r for r in table.controls if any(r.estimate(c) for c in columns)]
    return {
        "dataset": printable(table.dataset),
        "heads": [
            {
                "title": printable(header(c)), "summary": printable(c.summary),
                "unit": printable(", ".join(filter(None, (c.extra_unit, c.qualifier)))),
            }
            for c in columns
        ],
        "groups": [[_row(r, columns) for r in group] for group in (table.models, controls)],
        "notes": _notes(table, columns),
    }  # fmt: skip


def _row(row: Row, columns: Sequence[Column]) -> dict[str, Any]:
    return {"label": printable(row.label), "cells": [_cell(row.cells[c.key]) for c in columns]}


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "rank": place(cell.rank), "value": signed(cell),
        "first": cell.rank is not None and cell.rank.low == 1,
        "why": printable(cell.caveat or cell.reason),
    }  # fmt: skip


def _notes(table: Table, columns: Sequence[Column]) -> list[str]:
    """Return what failed, and what is shown and not ranked, with the reasons."""
    failures = [
        f"{row.label} seed {seeds} {status(word)}: {reason}"
        for row in (*table.models, *table.controls, *table.failed)
        for word, reason, seeds in row.failure_reasons
    ]
    caveats = [
        f"{CAVEAT} {titles} of {labels}: {reason}"
        for labels, titles, reason in table.caveats(columns)
    ]
    return [printable(note) for note in (*failures, *caveats)]
