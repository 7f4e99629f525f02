"""What became of a model over its versions, written out."""

from __future__ import annotations

from dataclasses import dataclass

from gengauge_reports import notation
from gengauge_reports.leaderboard.board import DatasetBoards
from gengauge_reports.leaderboard.versions import History, Version
from gengauge_reports.site.cells import Figure, Marks, aligned, axis, figure, marks


@dataclass(frozen=True)
class VersionView:
    """One version with everything written out."""

    label: str
    href: str
    started: str
    what: tuple[str, ...]
    figure: Figure
    marks: Marks | None
    change: str
    change_half: str
    p: str
    verdict: str


@dataclass(frozen=True)
class HistoryView:
    """The versions of one model on one board."""

    title: str
    rows: list[VersionView]


def history_view(history: History, found: DatasetBoards) -> HistoryView:
    """Write out a history; versions link to their pages."""
    figures = aligned([figure(v.estimate) for v in history.versions])
    span = axis(v.estimate for v in history.versions)
    rows = [
        VersionView(
            v.label, f"models/{v.entrant}.html" if v.entrant in found.rows else "", v.started_at,
            v.what, f, marks(v.estimate, span), *_change(v), _p(v.p), v.verdict,
        )
        for v, f in zip(history.versions, figures, strict=True)
    ]  # fmt: skip
    return HistoryView(f"{history.id}: {history.title}", rows)


def _change(version: Version) -> tuple[str, str]:
    if version.change is None:
        return "", ""
    text, half = notation.spread(version.change, version.low, version.high)
    sign = "+" if version.change > 0 else ""
    return (sign + text).replace("-", "\N{MINUS SIGN}"), half


def _p(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
