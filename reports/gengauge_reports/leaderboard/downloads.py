"""Every table of a leaderboard as CSV and JSON, for programs to read; the same bytes each time.

Numbers are numbers, and what is missing is null in JSON, empty in CSV, with the reason beside it.
Text that a spreadsheet would run as a formula is made harmless in CSV, as in the tidy table.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from gengauge.aggregate import Estimate
from gengauge.store import COLUMNS, tidy_rows
from gengauge_reports.leaderboard.board import Board, DatasetBoards, Leaderboard, Standing
from gengauge_reports.leaderboard.pareto import Front
from gengauge_reports.leaderboard.tracks import Aggregate, Average
from gengauge_reports.leaderboard.versions import History
from gengauge_reports.table import Rank
from gengauge_reports.tidy import harmless, missing

Line = dict[str, Any]


def downloads(leaderboard: Leaderboard) -> Iterator[tuple[str, bytes]]:
    """Return name and content of every file: ``boards/SLUG.csv``, ``boards/SLUG.json``, ..."""
    for name, lines in _tables(leaderboard):
        yield f"{name}.csv", as_csv(lines)
        yield f"{name}.json", as_json(lines)


def _tables(leaderboard: Leaderboard) -> Iterator[tuple[str, list[Line]]]:
    for dataset in leaderboard.datasets:
        yield f"datasets/{dataset.slug}", dataset_lines(dataset)
        for board in dataset.boards:
            yield f"boards/{board.slug}", board_lines(board)
        for front in dataset.fronts:
            yield f"fronts/{front.slug}", front_lines(front)
    for aggregate in leaderboard.aggregates:
        yield f"aggregates/{aggregate.slug}", aggregate_lines(aggregate)
    yield "histories", [line for h in leaderboard.histories for line in history_lines(h)]
    yield "scores", score_lines(leaderboard)


def as_json(lines: Sequence[Line]) -> bytes:
    """Return a JSON list of objects."""
    return json.dumps(lines, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def as_csv(lines: Sequence[Line]) -> bytes:
    """Return CSV with a header; empty where there is no line."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    if lines:
        writer.writerow([harmless(name) for name in lines[0]])
    writer.writerows([[harmless(_flat(v)) for v in line.values()] for line in lines])
    return out.getvalue().encode()


def _flat(value: Any) -> Any:
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else value


def board_lines(board: Board) -> list[Line]:
    """Return a line for everybody on a board, in its order."""
    return [
        {
            "model": s.entrant.label, "slug": s.entrant.slug, "family": s.entrant.family,
            "control": s.entrant.control, "dataset": board.dataset, "suite": board.column.suite,
            "metric": board.column.metric, "embedder": board.column.embedder or None,
            "split": board.column.split or None, "unit": board.column.unit,
            "direction": board.column.direction, **_rank(s.rank), **_estimate(s.estimate),
            "normalised": s.normalised, "seeds": list(s.seeds),
            "parameters": s.entrant.n_parameters, "training_seconds": s.training_seconds,
            "caveat": s.caveat or None, "reason": s.reason or None,
            "benchmarks": list(board.benchmarks),
            "comparability_key": board.column.comparability_key, "command": s.command or None,
        }
        for s in board.all
    ]  # fmt: skip


def _rank(rank: Rank | None) -> Line:
    return {
        "rank_low": rank.low if rank else None,
        "rank_high": rank.high if rank else None,
        "rank_of": rank.n if rank else None,
    }


def _estimate(estimate: Estimate | None) -> Line:
    names = ("value", "low", "high", "level", "standard_error", "kind", "n_samples", "n_reference")
    return {name: missing(getattr(estimate, name)) if estimate else None for name in names}


def dataset_lines(boards: DatasetBoards) -> list[Line]:
    """Return a line a model with value, interval and ranks on each board of a data set."""
    by_board = [(b.slug, {s.entrant.slug: s for s in b.all}) for b in boards.boards]
    lines = []
    for slug, entrant in boards.entrants.items():
        line: Line = {
            "model": entrant.label, "slug": slug, "family": entrant.family,
            "control": entrant.control, "parameters": entrant.n_parameters,
        }  # fmt: skip
        for name, there in by_board:
            line.update(_cell(name, there[slug]))
        lines.append(line)
    return lines


def _cell(name: str, standing: Standing) -> Line:
    estimate, rank = standing.estimate, standing.rank
    return {
        name: estimate.value if estimate else None,
        f"{name}.low": estimate.low if estimate else None,
        f"{name}.high": estimate.high if estimate else None,
        f"{name}.rank_low": rank.low if rank else None,
        f"{name}.rank_high": rank.high if rank else None,
        f"{name}.reason": standing.reason or standing.caveat or None,
    }


def aggregate_lines(aggregate: Aggregate) -> list[Line]:
    """Return a line for each model of an aggregate, with its rank on each board that counts."""
    return [
        {
            "model": t.label, "slug": t.entrant, "complete": t.complete,
            "place_low": t.place.low if t.place else None,
            "place_high": t.place.high if t.place else None,
            **_average("mean_rank", t.mean_rank), **_average("borda", t.borda),
            **{i.board: rank for i, rank in zip(aggregate.items, t.ranks, strict=True)},
            "missing": list(t.missing),
        }
        for t in aggregate.totals
    ]  # fmt: skip


def _average(name: str, found: Average | None) -> Line:
    ends = (found.value, found.low, found.high) if found else (None, None, None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def front_lines(front: Front) -> list[Line]:
    """Return a line for each model between quality and cost."""
    cost = front.cost
    return [
        {
            "slug": p.entrant, "board": front.board,
            "quality": p.quality.value, "quality_low": p.quality.low,
            "quality_high": p.quality.high, "cost_id": cost.id, "cost_unit": cost.unit,
            "cost_qualifier": cost.qualifier or None,
            "cost": p.cost.value, "cost_low": p.cost.low, "cost_high": p.cost.high,
            "standing": p.standing, "dominated_by": p.by or None,
        }
        for p in front.points
    ]  # fmt: skip


def history_lines(history: History) -> list[Line]:
    """Return a line for each version of a model on a board."""
    return [
        {
            "model": history.id, "board": history.board, "version": v.label, "slug": v.entrant,
            "started_at": v.started_at, "value": v.estimate.value, "low": v.estimate.low,
            "high": v.estimate.high, "changed": list(v.what), "difference": v.change,
            "difference_low": v.low, "difference_high": v.high, "p": v.p,
            "verdict": v.verdict or None,
        }
        for v in history.versions
    ]  # fmt: skip


def score_lines(leaderboard: Leaderboard) -> list[Line]:
    """Return the tidy table of all trials."""
    return [
        {column: missing(row.get(column)) for column in COLUMNS}
        for trial in leaderboard.trials
        for row in tidy_rows(trial.record)
    ]
