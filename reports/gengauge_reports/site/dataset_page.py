"""The page of one data set: all of its boards as a wide table, then one by one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gengauge_reports import notation
from gengauge_reports.leaderboard.board import Board, DatasetBoards, Standing
from gengauge_reports.site.cells import Figure, aligned, figure
from gengauge_reports.site.folder import Folder

Json = dict[str, Any]
_DIGIT, _POINT = "\N{FIGURE SPACE}", "\N{PUNCTUATION SPACE}"
_PAGE = 25  # rows: sorting 30 columns of them takes a blink on a slow machine too


@dataclass(frozen=True)
class Leader:
    """A board among the list of a data set's boards, and who leads it."""

    board: Board
    arrow: str
    first: str
    named: bool
    scored: int


def write(folder: Folder, found: DatasetBoards, facts: list[str], pictures: list[Json]) -> None:
    """Write the page of one data set."""
    boards = found.boards
    models = {s.entrant.slug for b in boards for s in b.all if not s.entrant.control}
    folder.page(
        f"datasets/{found.slug}.html", "dataset.html.j2", title=found.dataset,
        crumbs=[("Leaderboard", "index.html"), (found.dataset, "")],
        facts=[*facts, f"{len(models)} models", f"{len(boards)} boards"],
        contents=[("All scores", "scores"), ("Boards", "boards")],
        data={"order": [], "wide": wide(found)}, scripts=("datatables.min.js", "tables.js"),
        found=found, groups=_groups(boards), arrows=notation.ARROWS,
        families=sorted({s.entrant.family for b in boards for s in b.all if not s.entrant.control}),
        suites=list(dict.fromkeys(b.column.suite for b in boards)),
        some=any(b.column.headline for b in boards), size=_PAGE, rows=len(found.rows),
        controls=any(s.entrant.control for b in boards for s in b.all),
        leaders=[(suite, [leader(b) for b in of]) for suite, of in _by_suite(boards)],
        pictures=pictures,
    )  # fmt: skip


def _by_suite(boards: list[Board]) -> list[tuple[str, list[Board]]]:
    found: dict[str, list[Board]] = {}
    for board in boards:
        found.setdefault(board.column.suite, []).append(board)
    return list(found.items())


def _groups(boards: list[Board]) -> list[tuple[str, int]]:
    """Return the heads above the columns: each suite with the number of its columns in a row."""
    return [(k, len(list(g))) for k, g in groupby(boards, key=lambda b: b.column.suite)]


def leader(board: Board) -> Leader:
    """Return who leads a board: names up to three, else how many share the first place."""
    first = [s.entrant.label for s in board.ranked if s.rank and s.rank.low == 1]
    n, arrow = len(board.ranked), notation.ARROWS.get(board.column.direction, "")
    if n == 1:
        return Leader(board, arrow, board.ranked[0].entrant.label, True, 1)
    if first and len(first) == n:
        return Leader(board, arrow, f"no difference shown between {n} models", False, n)
    if not first or len(first) > 3:
        said = f"{len(first)} of {n} models share it" if first else "nobody is ranked"
        return Leader(board, arrow, said, False, n)
    return Leader(board, arrow, ", ".join(first), True, n)


def wide(found: DatasetBoards) -> Json:
    """Return the wide table as data: columns, and rows whose cells are lists or reasons.

    A cell is ``[value, text, margin, place, first, sign, caveat]``; spaces as wide as digits stand
    where its text lacks decimals.
    """
    columns = [_cells(b) for b in found.boards]
    who = found.entrants
    opens = [i for i, b in enumerate(found.boards)
             if i == 0 or b.column.suite != found.boards[i - 1].column.suite]  # fmt: skip
    return {
        "columns": [
            {"suite": b.column.suite, "headline": b.column.headline, "margin": _margin(c)}
            for b, c in zip(found.boards, columns, strict=True)
        ],
        "opens": opens,
        "rows": [
            {"label": who[slug].label, "family": who[slug].family, "control": who[slug].control,
             "href": f"../models/{slug}.html", "cells": [column.get(slug) for column in columns]}
            for slug in _order(found)
        ],
    }  # fmt: skip


def _margin(cells: dict[str, Any]) -> int:
    """Return how many characters the longest margin of a column has."""
    return max((len(c[2]) for c in cells.values() if isinstance(c, list)), default=0)


def _order(found: DatasetBoards) -> list[str]:
    """Return the models as their table orders them, then the controls."""
    rows = {id(row): slug for slug, row in found.rows.items()}
    table = found.table
    listed = [rows[id(r)] for r in (*table.models, *table.failed, *table.controls) if id(r) in rows]
    return listed + [slug for slug in found.rows if slug not in listed]


def _cells(board: Board) -> dict[str, list[Any] | str | None]:
    standings = list(board.all)
    figures = aligned([figure(s.estimate) for s in standings])
    return {
        s.entrant.slug: _cell(s, f) if s.estimate else (s.reason or None)
        for s, f in zip(standings, figures, strict=True)
    }


def _cell(standing: Standing, f: Figure) -> list[Any]:
    rank = standing.rank
    return [
        f.value, f.text + f.pad.replace("0", _DIGIT).replace(".", _POINT), f.half,
        notation.place(rank), int(rank is not None and rank.low == 1), f.sign, standing.caveat,
    ]  # fmt: skip
