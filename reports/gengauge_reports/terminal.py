"""Ranked tables of the headline metrics for the terminal, legible at 80 columns."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from textwrap import shorten

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from gengauge.gather import gather
from gengauge.store import RunStore
from gengauge_reports.notation import (
    ARROWS,
    CAVEAT,
    KINDS,
    SIGNS,
    place,
    printable,
    signed,
    status,
)
from gengauge_reports.ranking import tables
from gengauge_reports.table import Cell, Column, Row, Table

_GAP = 2  # columns between two cells, one of which is the box's own
# one rule under the head, one above the controls
_RULES = box.Box("    \n    \n ── \n    \n ── \n ── \n    \n    \n")


def render(stores: list[RunStore], *, width: int = 80, color: bool = False) -> bytes:
    """Return a ranked table for each dataset, its controls beneath a rule, then what failed."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, no_color=not color, highlight=False,
        color_system="standard" if color else None, legacy_windows=False,
        force_jupyter=False,  # in a notebook it would show the table, not return it
    )  # fmt: skip
    runs = gather(stores)
    found = tables(runs)
    for table in found:
        _dataset(console, table)
    if found:
        _legend(console, found)
    for warning in runs.warnings:
        console.print(Text(f"warning: {printable(warning)}", style="yellow"))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return ("\n".join(lines) + "\n").encode()


def _dataset(console: Console, table: Table) -> None:
    rows = [*table.models, *table.controls]
    if rows and table.headline:
        parts = _split(table.headline, rows, console.width)
        for columns in parts:
            suites = ", ".join(dict.fromkeys(c.suite for c in columns)) if len(parts) > 1 else ""
            console.print(_rich(table, columns, console.width, suites))
            console.print()
    else:
        console.print(Text(printable(table.dataset), style="bold"))
        console.print(Text("No scores.\n", style="dim"))
    failures = [(r.label, *f) for r in (*rows, *table.failed) for f in r.failure_reasons]
    for failure in failures:
        console.print(_failure(*failure))
    noted = [*_copies(table), *_caveats(table)]
    for note in noted:
        console.print(note)
    if failures or noted:
        console.print()


def _names(rows: Iterable[Row], width: int) -> int:
    """Return the width of the first column: never more than two fifths of the table."""
    longest = max(cell_len(printable(r.label)) for r in rows)
    return min(max(longest, len("controls")), max(12, width * 2 // 5))


def _split(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[list[Column]]:
    """Return the columns in few tables that fit ``width``, keeping suites whole where they fit."""
    room = width - _names(rows, width) - _GAP
    need = {c.key: _width(c, rows) + _GAP for c in columns}
    parts: list[list[Column]] = [[]]
    for suite in dict.fromkeys(c.suite for c in columns):
        members = [c for c in columns if c.suite == suite]
        if parts[-1] and sum(need[c.key] for c in (*parts[-1], *members)) > room:
            parts.append([])
        for column in members:
            if parts[-1] and sum(need[c.key] for c in (*parts[-1], column)) > room:
                parts.append([])
            parts[-1].append(column)
    return parts


def _head(column: Column) -> list[str]:
    lines = [f"{column.title} {ARROWS.get(column.direction, '')}".strip()]
    return [printable(t) for t in (*lines, column.extra_unit, *column.qualifier.split(", ")) if t]


def _parts(cell: Cell) -> tuple[str, str]:
    return place(cell.rank), signed(cell)


def _rank_width(column: Column, rows: Iterable[Row]) -> int:
    return max(cell_len(_parts(r.cells[column.key])[0]) for r in rows)


def _text(row: Row, column: Column, rank_width: int) -> Text:
    rank, value = _parts(row.cells[column.key])
    cell = row.cells[column.key]
    style = "bold" if cell.rank and cell.rank.low == 1 else "yellow" if cell.caveat else ""
    text = Text()
    if rank_width:
        text.append(set_cell_size(rank, rank_width) + " ", style=f"cyan {style}".strip())
    text.append(value, style="dim" if row.control or cell.estimate is None else style)
    return text


def _width(column: Column, rows: Sequence[Row]) -> int:
    rank = _rank_width(column, rows)
    bodies = [_text(r, column, rank).cell_len for r in rows]
    return max(*map(cell_len, _head(column)), *bodies)


def _rich(table: Table, columns: Sequence[Column], width: int, suites: str) -> RichTable:
    rows = [*table.models, *table.controls]
    title = Text(printable(table.dataset), style="bold")
    title.append(f" · {printable(suites)}" if suites else "", style="not bold dim")
    grid = RichTable(
        box=_RULES, title=title,
        title_justify="left", pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False,
    )  # fmt: skip
    names = _names(rows, width)
    grid.add_column("model", width=names, no_wrap=True, overflow="ellipsis", vertical="bottom")
    ranks = [_rank_width(c, rows) for c in columns]
    for column in columns:
        head = Text("\n".join(_head(column)))
        grid.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    # a control that none of these columns scores would be a row of dashes
    controls = [r for r in table.controls if any(r.estimate(c) for c in columns)]
    for group in (table.models, controls):
        for row in group:
            name = Text(printable(row.label), style="italic dim" if row.control else "")
            cells = [_text(row, c, r) for c, r in zip(columns, ranks, strict=True)]
            grid.add_row(name, *cells, end_section=row is group[-1] and bool(controls))
    return grid


def _copies(table: Table) -> list[Text]:
    said = "; ".join(table.copies)
    return [Text(f"! leakage: {said}", style="yellow")] if said else []


def _caveats(table: Table) -> list[Text]:
    """Return a line for each reason not to rank what the headline columns show."""
    return [
        Text(f"{CAVEAT} {printable(titles)} of ", style="yellow")
        .append(printable(labels), style="bold")
        .append(f" is not ranked: {printable(reason)}", style="yellow")
        for labels, titles, reason in table.caveats(table.headline)
    ]


def _failure(label: str, word: str, reason: str, seeds: str) -> Text:
    text = Text("✗ ", style="red")
    text.append(printable(label), style="bold")
    text.append(f" seed {seeds} {printable(status(word))}: ", style="red")
    # the page and the trial's log have the rest
    return text.append(shorten(printable(reason), 160, placeholder=" ..."))


def _legend(console: Console, found: Sequence[Table]) -> None:
    rows = [r for t in found for r in (*t.models, *t.controls)]
    kinds = {c.estimate.kind for r in rows for c in r.cells.values() if c.estimate}
    lines = [
        "rank, value ± half of its 95 % interval (or low, high); "
        "models that do not differ share a rank"
    ]
    for kind in ("upper_bound", "lower_bound", "estimate"):
        if kind in kinds:
            lines.append(f"{SIGNS[kind]} {KINDS[kind]}")
    if kinds & {"upper_bound", "lower_bound"}:
        lines.append("a bound that looks worse than an exact value is not placed behind it")
    if any(t.caveats(t.headline) for t in found):
        lines.append(f"{CAVEAT} shown and not ranked: see the note")
    if any(t.controls for t in found):
        lines.append("models above the rule, controls (not ranked) beneath it")
    console.print(Text("\n".join(lines), style="dim"))
