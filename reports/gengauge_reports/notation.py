"""How numbers, kinds and ranks are written, alike in every output."""

from __future__ import annotations

import math
import unicodedata

from gengauge_reports.ranking import Cell, Column, Rank

NONE = "\N{EN DASH}"
SIGNS = {"exact": "", "upper_bound": "≤", "lower_bound": "≥", "estimate": "~"}
KINDS = {
    "exact": "exact for the evaluated examples",
    "upper_bound": "an upper bound: the true value is at most this",
    "lower_bound": "a lower bound: the true value is at least this",
    "estimate": "an estimate from samples",
}
ARROWS = {"higher": "↑", "lower": "↓"}


def number(value: float, half: float | None = None) -> str:
    """Write ``value`` with the digits its uncertainty ``half`` allows: two of them.

    >>> number(1.23456, 0.021), number(1234567.0), number(0.0000123), number(3.0)
    ('1.235', '1,234,567', '1.23e-5', '3')
    """
    if value != 0 and abs(value) < 1e-4 and (half is None or half < 1e-4):
        return _scientific(value)
    if half is not None and half > 0:
        return f"{value:,.{_decimals(half, 2)}f}"
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.{_decimals(value, 4)}f}"


def _decimals(scale: float, digits: int) -> int:
    return min(6, max(0, digits - 1 - math.floor(math.log10(abs(scale)))))


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def plus_minus(value: float, half: float | None) -> str:
    """Write ``value ± half``, without the half where it is unknown or nothing."""
    if half is None or half == 0:
        return number(value)
    return f"{number(value, half)} ± {number(half, half)}"


def signed(cell: Cell) -> str:
    """Write a cell's estimate with the sign of its kind; an en dash where there is none."""
    if cell.estimate is None:
        return NONE
    sign = SIGNS.get(cell.estimate.kind, "?")
    return sign + plus_minus(cell.estimate.value, cell.estimate.half)


def place(rank: Rank | None) -> str:
    """Write a rank: ``2``, or ``1–3`` where others may hold the same place."""
    if rank is None:
        return ""
    return f"{rank.low}{NONE}{rank.high}" if rank.shared else str(rank.low)


def header(column: Column) -> str:
    """Write a column's title with the arrow of the better direction."""
    return f"{column.title} {ARROWS.get(column.direction, '')}".strip()


def seconds(value: float | None) -> str:
    """Write a duration.

    >>> seconds(0.0123), seconds(12.34), seconds(754), seconds(None)
    ('12 ms', '12.3 s', '12 min 34 s', '–')
    """
    if value is None:
        return NONE
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def printable(text: object) -> str:
    """Return ``text`` on one line without control characters: a name must not steer a terminal."""
    line = " ".join(str(text).split())
    return "".join(c for c in line if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
