"""How a board was measured, in words."""

from __future__ import annotations

from gengauge_reports import notation
from gengauge_reports.leaderboard.board import Board, Standing


def scored(board: Board) -> list[Standing]:
    """Return everybody on the board who has a score."""
    return [s for s in board.all if s.estimate is not None]


def sentences(board: Board) -> list[str]:
    """Return the protocol of a board as plain sentences."""
    column, found = board.column, scored(board)
    return [
        text
        for text in (
            column.summary and column.summary[:1].upper() + column.summary[1:].rstrip(".") + ".",
            _sizes(board, found),
            _embedder(board),
            _seeds(found),
            _interval(found),
            f"Measured by the suite {column.suite} of {_names(board.benchmarks)}."
            if board.benchmarks else "",
            _kinds(found),
        )
        if text
    ]  # fmt: skip


def _sizes(board: Board, found: list[Standing]) -> str:
    estimate = next((s.estimate for s in found if s.estimate), None)
    parts = []
    if estimate and estimate.n_samples is not None:
        parts.append(f"{estimate.n_samples:,} samples")
    if estimate and estimate.n_reference is not None:
        parts.append(f"{estimate.n_reference:,} reference examples")
    split = f"the {board.column.split} split" if board.column.split else ""
    where = f" of {board.dataset}" if split else f"on {board.dataset}"
    if not parts:
        return f"Measured on {split}{where}." if split else ""
    return f"{' against '.join(parts)}{', ' + split if split else ','}{where}."


def _embedder(board: Board) -> str:
    return f"Features come from {board.column.embedder}." if board.column.embedder else ""


def _seeds(found: list[Standing]) -> str:
    counts = sorted({s.estimate.n_seeds for s in found if s.estimate})
    if not counts:
        return ""
    several = f"{counts[0]} to {counts[-1]} seeds" if counts[-1] > counts[0] else ""
    return f"Each value is the mean of {several or _count(counts[0], 'seed')}."


def _interval(found: list[Standing]) -> str:
    methods = sorted({s.estimate.method for s in found if s.estimate and s.estimate.method})
    levels = sorted({s.estimate.level for s in found if s.estimate and s.estimate.low is not None})
    if not methods or not levels:
        return "No interval was measured."
    more = f", or {_count(len(methods) - 1, 'other way')}" if len(methods) > 1 else ""
    return f"Intervals hold at {100 * levels[0]:.0f} %: {methods[0]}{more}."


def _kinds(found: list[Standing]) -> str:
    kinds = sorted({s.estimate.kind for s in found if s.estimate})
    if kinds == ["exact"]:
        return "Values are exact for the evaluated examples."
    said = [f"{notation.SIGNS[k]} {notation.KINDS[k]}" for k in kinds if notation.SIGNS.get(k)]
    return f"{'; '.join(said)}." if said else ""


def _names(names: tuple[str, ...]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
