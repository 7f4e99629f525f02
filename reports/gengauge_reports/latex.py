"""Ranked tables as LaTeX, for papers: ``\\input`` the file where booktabs is loaded."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from gengauge.gather import gather
from gengauge.store import RunStore
from gengauge_reports.notation import NONE, header, place, printable, signed
from gengauge_reports.ranking import tables
from gengauge_reports.table import Column, Row, Table

_LEGEND = (
    "Rank in parentheses, then value $\\pm$ half of its 95\\,\\% interval, or its ends. Models "
    "that do not differ significantly (5\\,\\%, Holm-corrected) share a rank; the first are bold. "
    "$\\leq$ upper bound, $\\geq$ lower bound, $\\sim$ estimate; no sign: exact. "
    "$\\dagger$ shown and not ranked. Controls stand below the rule."
)
_MOST_COLUMNS = 4  # what a page's width holds
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", NONE: "--", "\N{MINUS SIGN}": "$-$",
    "±": "$\\pm$",
    "≤": "$\\leq$", "≥": "$\\geq$", "†": "$^\\dagger$", "↑": "$\\uparrow$", "↓": "$\\downarrow$",
    "∞": "$\\infty$",
}  # fmt: skip


def render(stores: list[RunStore]) -> bytes:
    """Return a ``table`` environment for each dataset, of its headline metrics."""
    parts = [
        "% Made by gengauge; needs \\usepackage{booktabs}, and \\usepackage{textcomp} where"
        " LaTeX is older than 2020."
    ]
    for table in tables(gather(stores)):
        columns = table.headline
        for i in range(0, len(columns), _MOST_COLUMNS):
            parts.append(_table(table, columns[i : i + _MOST_COLUMNS]))
    return ("\n\n".join(parts) + "\n").encode()


def _table(table: Table, columns: Sequence[Column]) -> str:
    rows = [_row(r, columns) for r in table.models if _shown(r, columns)]
    controls = [_row(r, columns) for r in table.controls if _shown(r, columns)]
    lines = [
        "\\begin{table}[t]", "\\centering", "\\small",
        f"\\caption{{{text(table.dataset)}. {_LEGEND}}}",
        "\\begin{tabular}{l" + "r" * len(columns) + "}", "\\toprule",
        _line(["Model", *map(_head, columns)]), _line(["", *map(_unit, columns)]),
        "\\midrule", *rows,
        *(["\\midrule", *controls] if controls else []),
        "\\bottomrule", "\\end{tabular}", "\\end{table}",
    ]  # fmt: skip
    return "\n".join(lines)


def _shown(row: Row, columns: Sequence[Column]) -> bool:
    return any(row.estimate(c) for c in columns)


def _head(column: Column) -> str:
    qualifier = f" ({text(column.qualifier)})" if column.qualifier else ""
    return text(header(column)) + qualifier


def _unit(column: Column) -> str:
    return f"\\scriptsize {text(column.extra_unit)}" if column.extra_unit else ""


def _row(row: Row, columns: Sequence[Column]) -> str:
    cells = [text(row.label)]
    for column in columns:
        cell = row.cells[column.key]
        value = _sign(signed(cell))
        if cell.rank and cell.rank.low == 1:
            value = f"\\textbf{{{value}}}"
        cells.append((f"({text(place(cell.rank))}) " if cell.rank else "") + value)
    return _line(cells)


def _sign(value: str) -> str:
    """Return a number as text; its tilde says that it is estimated."""
    mark = "$\\sim$" if "~" in value else ""
    return mark + text(value.replace("~", ""))


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def text(value: object) -> str:
    """Escape text so that no character of it is a command; what no font of TeX has is named.

    >>> text("50% of a_b"), text("\\\\input{x}")
    ('50\\\\% of a\\\\_b', '\\\\textbackslash{}input\\\\{x\\\\}')
    """
    return "".join(_SPECIAL.get(c) or _plain(c) for c in printable(value))


def _plain(character: str) -> str:
    """Return a letter, with its accents if TeX's usual fonts have it, else its name."""
    if character.isascii() or ord(character) < 0x180:
        return character
    return f"[{unicodedata.name(character, f'U+{ord(character):04X}').lower()}]"
