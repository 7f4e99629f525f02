"""The page of one board: its protocol, its ranks, its controls, its fronts and its histories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gengauge_reports import notation
from gengauge_reports.leaderboard.board import Board, DatasetBoards, Standing
from gengauge_reports.leaderboard.versions import History
from gengauge_reports.site import charts, protocol
from gengauge_reports.site.cells import Figure, Line, aligned, board_axis, figure, lines
from gengauge_reports.site.folder import Folder
from gengauge_reports.site.histories import history_view

_COSTS = (("samples_per_second", "samples/s", "1/s"),)
_SCRIPTS = ("datatables.min.js", "tables.js", "charts.js")


def write(folder: Folder, found: DatasetBoards, board: Board, histories: Sequence[History]) -> None:
    """Write the page of one board; ``histories`` are those on it."""
    fronts = charts.fronts(found, board)
    ranked = _costed(found, lines(board, (*board.ranked, *board.unranked)))
    span, real = board_axis(board), _real(board)
    controls = [s for s in board.calibration if s.estimate]
    unscored = [*board.unscored, *(s for s in board.calibration if not s.estimate)]
    title = f"{board.column.title} on {board.dataset}"
    anchors = [
        ("Protocol", "protocol"), ("Ranks", "ranks"),
        *([("Calibration", "calibration")] if controls else []),
        *([("Fronts", "fronts")] if fronts else []),
        *([("History", "history")] if histories else []),
        *([("Without a score", "unscored")] if unscored else []),
    ]  # fmt: skip
    folder.page(
        f"boards/{board.slug}.html", "board.html.j2", title=title,
        crumbs=[("Leaderboard", "index.html"), (board.dataset, f"datasets/{found.slug}.html"),
                (board.column.title, "")],
        facts=facts(board), contents=anchors if len(anchors) > 2 else [],
        data=charts.page_data(pareto=fronts) if fronts else None,
        scripts=_SCRIPTS if fronts else _SCRIPTS[:2],
        board=board, ranked=ranked, calibration=lines(board, controls),
        protocol=protocol.sentences(board), arrow=notation.ARROWS.get(board.column.direction, ""),
        level=_level(board), real=span.at(real) if span and real is not None else None,
        scale=(notation.number(*_ends(span.low, span.high)),
               notation.number(*_ends(span.high, span.low)), span.log) if span else None,
        families=sorted({s.entrant.family for s in (*board.ranked, *board.unranked)}),
        costs=[("training", ""), ("parameters", ""), *((c[1], "") for c in _known(found))],
        caveats=[(s.entrant.label, s.caveat) for s in board.unranked],
        fronts=fronts, unscored=_reasons(unscored),
        histories=[history_view(h, found) for h in histories],
    )  # fmt: skip


def facts(board: Board) -> list[str]:
    """Return the line beneath the title of a board."""
    column, n = board.column, len(board.ranked)
    return [
        f"{column.direction} is better", column.unit, column.suite, column.qualifier,
        ", ".join(board.benchmarks), f"{n} model{'' if n == 1 else 's'} ranked",
    ]  # fmt: skip


def _ends(end: float, other: float) -> tuple[float, float]:
    """Return an end of the scale with a hundredth of its span, for two or three digits."""
    return end, abs(end - other) / 20


def _level(board: Board) -> str:
    found = {s.estimate.level for s in board.all if s.estimate and s.estimate.low is not None}
    return f"{100 * min(found):.0f} %" if found else ""


def _real(board: Board) -> float | None:
    """Return what real data gets, where it was scored beside the models."""
    for standing in board.calibration:
        if standing.entrant.id == "real" and standing.estimate and not standing.caveat:
            return standing.estimate.value
    return None


def _known(found: DatasetBoards) -> list[tuple[str, str, str]]:
    measured = {b.column.metric for b in found.boards}
    return [c for c in _COSTS if c[0] in measured]


def _costed(found: DatasetBoards, written: Sequence[Line]) -> list[Line]:
    """Add training time, parameters and speed to the rows."""
    columns: list[list[Figure]] = [
        [_training(line.standing) for line in written],
        [_parameters(line.standing) for line in written],
    ]
    for metric, _, _ in _known(found):
        board = next(b for b in found.boards if b.column.metric == metric)
        by_slug = {s.entrant.slug: s.estimate for s in board.all}
        columns.append(aligned([figure(by_slug.get(ln.standing.entrant.slug)) for ln in written]))
    return [
        replace(line, costs=tuple(column[i] for column in columns))
        for i, line in enumerate(written)
    ]


def _training(standing: Standing) -> Figure:
    return Figure(notation.seconds(standing.training_seconds), standing.training_seconds)


def _parameters(standing: Standing) -> Figure:
    n = standing.entrant.n_parameters
    return Figure(notation.NONE if n is None else notation.compact(n), n)


def _reasons(standings: Iterable[Standing]) -> list[tuple[str, list[str]]]:
    alike: dict[str, list[str]] = {}
    for standing in standings:
        alike.setdefault(standing.reason, []).append(standing.entrant.label)
    return list(alike.items())
