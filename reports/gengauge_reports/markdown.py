"""Ranked tables as GitHub Markdown, for READMEs, pull requests and job summaries."""

from __future__ import annotations

from collections.abc import Sequence

from gengauge.gather import gather
from gengauge.store import RunStore
from gengauge_reports.notation import header, place, printable, signed, status
from gengauge_reports.ranking import tables
from gengauge_reports.table import Column, Row, Table

LEGEND = (
    "Rank first, then value ± half of its 95 % interval, or [low, high]. Models that do not "
    "differ significantly (5 %, Holm-corrected) share a rank. `≤` upper bound, `≥` lower bound, "
    "`~` estimate; no sign: exact. Bounds of one kind rank by what they guarantee; one that looks "
    "worse than an exact value or an estimate is not placed behind it. `†` shown and not ranked, "
    "for the reason stated. Controls calibrate the columns and are not ranked."
)
_MOST_COLUMNS = 8  # of one table: beyond it every suite has its own
_SPECIAL = str.maketrans({c: "\\" + c for c in "\\`*_[]|~>"} | {"<": "&lt;", "&": "&amp;"})


def render(stores: list[RunStore], *, all_metrics: bool = False) -> bytes:
    """Return a section for each dataset: headline metrics, or all of them."""
    runs = gather(stores)
    parts = [_section(table, all_metrics) for table in tables(runs)]
    notes = [f"- {code(w)}" for w in runs.warnings]
    warnings = ["**Warnings**\n\n" + "\n".join(notes)] if notes else []
    return ("\n\n".join([*parts, LEGEND, *warnings]) + "\n").encode()


def _section(table: Table, all_metrics: bool) -> str:
    columns = table.columns if all_metrics else table.headline
    parts = [f"## {text(table.dataset)}"]
    if len(columns) <= _MOST_COLUMNS:
        parts.append(_table(table, columns))
    else:
        for suite in dict.fromkeys(c.suite for c in columns):
            members = [c for c in columns if c.suite == suite]
            parts += [f"### {text(suite)}", _table(table, members)]
    if table.copies:
        parts.append(f"**Leakage**: {text('; '.join(table.copies))}.")
    failures = [
        f"- {code(row.label)} seed {seeds}: **{text(status(word))}**, {code(reason)}"
        for row in (*table.models, *table.controls, *table.failed)
        for word, reason, seeds in row.failure_reasons
    ]
    if failures:
        parts.append("Trials without scores:\n\n" + "\n".join(failures))
    notes = [
        f"- † {text(titles)} of {code(labels)}: {code(reason)}"
        for labels, titles, reason in table.caveats(columns)
    ]
    if notes:
        parts.append("Shown and not ranked:\n\n" + "\n".join(notes))
    return "\n\n".join(parts)


def _table(table: Table, columns: Sequence[Column]) -> str:
    """Return one table; a control that none of its columns scores is left out."""
    heads = ["Model", *(_head(c) for c in columns)]
    lines = [_line(heads), _line([":---", *["---:"] * len(columns)])]
    lines += [_row(r, columns) for r in table.models]
    lines += [_row(r, columns) for r in table.controls if any(r.estimate(c) for c in columns)]
    return "\n".join(lines)


def _head(column: Column) -> str:
    unit = f" [{text(column.extra_unit)}]" if column.extra_unit else ""
    qualifier = f" ({text(column.qualifier)})" if column.qualifier else ""
    return f"{text(header(column))}{unit}{qualifier}"


def _row(row: Row, columns: Sequence[Column]) -> str:
    name = code(row.label) + (" (control)" if row.control else "")
    cells = []
    for column in columns:
        cell = row.cells[column.key]
        rank = f"**{place(cell.rank)}** · " if cell.rank else ""
        cells.append(rank + text(signed(cell)))
    return _line([name, *cells])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def text(value: object) -> str:
    """Escape text so that no character of it is markup."""
    return printable(value).translate(_SPECIAL)


def code(value: object) -> str:
    """Return text as a code span: no markup, no HTML and no @mention inside it."""
    line = printable(value).replace("|", "\\|")
    run = longest = 0
    for character in line:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{line or ' '}{pad}{fence}"
