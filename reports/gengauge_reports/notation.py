"""How numbers, kinds and ranks are written, alike in every output."""

from __future__ import annotations

import math
import unicodedata

from gengauge_reports.table import Cell, Column, Rank

NONE = "\N{EN DASH}"
SIGNS = {"exact": "", "upper_bound": "≤", "lower_bound": "≥", "estimate": "~"}
KINDS = {
    "exact": "exact for the evaluated examples",
    "upper_bound": "an upper bound: the true value is at most this",
    "lower_bound": "a lower bound: the true value is at least this",
    "estimate": "an estimate from samples",
}
SIDES = {
    "pessimistic": "its true value may be better: placed behind bounds of its kind alone",
    "optimistic": "its true value may be worse: placed before bounds of its kind alone",
}
_SIZES = ((1e9, " G"), (1e6, " M"), (1e3, " k"))
CAVEAT = "†"
ARROWS = {"higher": "↑", "lower": "↓"}


def number(value: float, half: float | None = None) -> str:
    """Write ``value`` with the digits its uncertainty ``half`` allows: two of them.

    >>> number(1.23456, 0.021), number(1234567.0), number(0.0000123), number(3.0)
    ('1.235', '1,234,567', '1.23e-5', '3')
    >>> number(2.3e16, 1e15)
    '2.30e16'
    """
    if value != 0 and _extreme(value, half or 0):
        return _scientific(value)
    if half is not None and half > 0:
        return _fixed(value, half)
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.{_decimals(value, 4)}f}"


def _extreme(value: float, half: float) -> bool:
    """Whether the digits before or after the point would be too many to read."""
    return not 1e-4 <= max(abs(value), half) < 1e12


def _fixed(value: float, half: float) -> str:
    """Write ``value`` to the second digit of ``half``, before the point or after it."""
    places = 1 - math.floor(math.log10(half) + 1e-9)  # 0.00099999999999 is meant as 0.001
    return f"{round(value, min(6, places)):,.{min(6, max(0, places))}f}"


def _decimals(scale: float, digits: int) -> int:
    return min(6, max(0, digits - 1 - math.floor(math.log10(abs(scale)))))


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def spread(value: float, low: float | None, high: float | None) -> tuple[str, str]:
    """Write a value and its interval: ``± half``, or both ends where one arm is much the longer.

    >>> spread(1.5, 1.4, 1.6), spread(3.0, 3.0, 3.0)
    (('1.50', '± 0.10'), ('3', ''))
    >>> spread(700.0, 650.0, 990.0), spread(2.58e6, 2.27e6, 2.64e6)
    (('700', '[650, 990]'), ('2.58 M', '[2.27, 2.64]'))
    """
    if low is None or high is None or high <= low:
        return number(value), ""
    half, shorter = (high - low) / 2, min(value - low, high - value)
    if shorter < half / 2:  # half of the width would reach where the interval does not
        size, unit = next((s for s in _SIZES[:2] if abs(value) >= s[0]), (1.0, ""))
        if _extreme(value, half):
            size, unit = 1.0, ""
        centre, *ends = (number(x / size, half / size) for x in (value, low, high))
        return centre + unit, f"[{ends[0]}, {ends[1]}]"
    return number(value, half), f"± {margin(value, half)}"


def margin(value: float, half: float) -> str:
    """Write the uncertainty with the decimals of its value.

    >>> margin(0.00123, 0.000083), margin(1.5, 1e-9), margin(2e-5, 1e-6)
    ('0.000083', '1.00e-9', '1.00e-6')
    """
    fixed = _fixed(half, half)
    extreme = value != 0 and _extreme(value, half)
    return _scientific(half) if extreme or float(fixed.replace(",", "")) == 0 else fixed


def compact(value: float) -> str:
    """Write a count in few characters.

    >>> compact(950), compact(123456), compact(7.1e9)
    ('950', '123 k', '7.1 G')
    """
    for size, unit in _SIZES:
        if value >= size:
            return f"{value / size:.{1 if value < 10 * size else 0}f}{unit}"
    return f"{value:g}"


def signed(cell: Cell) -> str:
    """Write an estimate with the sign of its kind and a dagger where it is not to be ranked.

    An en dash where there is none.
    """
    if cell.estimate is None:
        return NONE
    estimate = cell.estimate
    written = spread(estimate.value, estimate.low, estimate.high)
    mark = CAVEAT if cell.caveat else ""
    return mark + SIGNS.get(estimate.kind, "?") + " ".join(filter(None, written))


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


def status(word: object) -> str:
    """Write a status as words."""
    return str(word).replace("_", " ")


def printable(text: object) -> str:
    """Return ``text`` on one line without control characters: a name must not steer a terminal."""
    line = " ".join(str(text).split())
    return "".join(c for c in line if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
