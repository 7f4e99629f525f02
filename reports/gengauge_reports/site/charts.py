"""What the charts of the site show, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gengauge.aggregate import Estimate
from gengauge_reports import notation
from gengauge_reports.figures import significant
from gengauge_reports.leaderboard.board import Board, DatasetBoards
from gengauge_reports.leaderboard.pareto import Front
from gengauge_reports.site.cells import aligned, figure

Json = dict[str, Any]


def fronts(found: DatasetBoards, board: Board) -> list[Json]:
    """Return the fronts of a board: points for the chart, the same as rows for the table."""
    labels = {s.entrant.slug: s.entrant.label for s in board.all}
    return [_front(f, board, labels) for f in found.fronts if f.board == board.slug and f.points]


def page_data(order: Sequence[str] = (), **kinds: Sequence[Json]) -> Json:
    """Return the data of a page with charts: ``kinds`` are lists of charts by their kind."""
    bare = {k: [{n: v for n, v in c.items() if n != "rows"} for c in found]
            for k, found in kinds.items()}  # fmt: skip
    return {"order": list(order), "datasets": [bare]}


def _front(front: Front, board: Board, labels: dict[str, str]) -> Json:
    cost = front.cost
    costs = aligned([figure(p.cost) for p in front.points])
    qualities = aligned([figure(p.quality) for p in front.points])
    label = cost.label + (f", {cost.qualifier}" if cost.qualifier else "")
    return {
        "slug": front.slug, "title": label, "x": label + (f" [{cost.unit}]" if cost.unit else ""),
        "y": notation.header(board.column)
        + (f" [{board.column.extra_unit}]" if board.column.extra_unit else ""),
        "cheaper": cost.direction, "better": board.column.direction,
        "names": [labels.get(p.entrant, p.entrant) for p in front.points if p.standing == "front"],
        "points": [
            {"model": labels.get(p.entrant, p.entrant), "x": value(p.cost), "y": value(p.quality),
             "standing": p.standing, "by": labels.get(p.by, "")}
            for p in front.points
        ],
        "rows": [
            {"label": labels.get(p.entrant, p.entrant), "cost": c, "quality": q,
             "standing": _said(p.standing, labels.get(p.by, ""))}
            for p, c, q in zip(front.points, costs, qualities, strict=True)
        ],
    }  # fmt: skip


def _said(standing: str, by: str) -> str:
    if standing == "front":
        return "on the front"
    return f"behind {by} within noise" if standing == "within noise" else f"dominated by {by}"


def value(estimate: Estimate) -> Json:
    """Return an estimate as a point of a chart: its value and both arms of its interval."""
    low, high = estimate.low, estimate.high
    return {
        "v": significant(estimate.value, 6),
        "above": None if high is None else significant(high - estimate.value),
        "below": None if low is None else significant(estimate.value - low),
        "kind": estimate.kind,
    }
