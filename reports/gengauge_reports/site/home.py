"""The first page: what is compared, who is best over all, and where to go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gengauge.gather import Trial
from gengauge_reports import notation
from gengauge_reports.leaderboard.board import DatasetBoards, Entrant, Leaderboard
from gengauge_reports.leaderboard.tracks import Aggregate, Average, Total
from gengauge_reports.site.cells import Axis, Marks
from gengauge_reports.site.dataset_page import leader
from gengauge_reports.site.folder import Folder

_NEWEST = 12


@dataclass(frozen=True)
class TotalView:
    """One model of an aggregate, written out."""

    entrant: Entrant
    place: str
    first: bool
    mean_rank: str
    interval: str
    marks: Marks | None
    borda: str
    borda_interval: str
    cells: str
    missing: tuple[str, ...]


@dataclass(frozen=True)
class AggregateView:
    """An aggregate board, written out."""

    aggregate: Aggregate
    complete: list[TotalView]
    incomplete: list[TotalView]
    items: list[tuple[str, str]]
    scale: tuple[str, str]
    leaders: str


def write(folder: Folder, whole: Leaderboard, facts: dict[str, list[str]]) -> None:
    """Write the first page; ``facts`` say what each data set is."""
    starts = sorted(str(t.record.get("started_at") or "") for t in whole.trials)
    entrants = {e.slug: e for e in whole.entrants}
    folder.page(
        "index.html", "index.html.j2", title=whole.title,
        crumbs=[("Leaderboard", "")],
        facts=[
            _count(len(whole.models), "model"), _count(len(whole.datasets), "data set"),
            _count(sum(len(d.boards) for d in whole.datasets), "board"),
            _count(len(whole.trials), "trial"), f"newest {starts[-1][:10]}" if starts else "",
        ],
        contents=[*([("Overall", "overall")] if whole.aggregates else []),
                  ("Data sets", "datasets"), ("Models", "models"), ("Newest", "newest")],
        scripts=("datatables.min.js", "tables.js"),
        aggregates=[aggregate_view(a, entrants) for a in whole.aggregates],
        datasets=[(d, facts[d.dataset], [leader(b) for b in d.headline]) for d in whole.datasets],
        entrants=whole.models, controls=[e for e in whole.entrants if e.control],
        families=sorted({e.family for e in whole.models}), boards=_boards_of(whole.datasets),
        newest=newest(whole), warnings=whole.warnings,
    )  # fmt: skip


def _boards_of(datasets: Sequence[DatasetBoards]) -> dict[str, tuple[int, int, str]]:
    """Return, by entrant, on how many boards it has a score, leads alone or together, and where."""
    found: dict[str, list[Any]] = {}
    for d in datasets:
        for board in d.boards:
            for s in (*board.ranked, *board.unranked, *board.calibration):
                mine = found.setdefault(s.entrant.slug, [0, 0, {}])
                mine[0] += 1
                mine[1] += s.rank is not None and s.rank.low == 1
                mine[2][d.dataset] = None
    return {slug: (n, first, ", ".join(on)) for slug, (n, first, on) in found.items()}


def aggregate_view(aggregate: Aggregate, entrants: dict[str, Entrant]) -> AggregateView:
    """Write out an aggregate: the complete models with places, the others with what they lack."""
    means = [t.mean_rank for t in aggregate.totals if t.mean_rank]
    ends = [m.value if m.high is None else m.high for m in means]
    span = Axis(1, max(2, math.ceil(max(ends, default=2))))
    views = [_total(t, aggregate, entrants[t.entrant], span) for t in aggregate.totals]
    return AggregateView(
        aggregate, [v for v in views if not v.missing], [v for v in views if v.missing],
        [(i.board, f"{i.title} on {i.dataset}") for i in aggregate.items],
        ("1", str(int(span.high))), _leaders([v for v in views if v.first], views),
    )  # fmt: skip


def _leaders(first: Sequence[TotalView], views: Sequence[TotalView]) -> str:
    complete = [v for v in views if not v.missing]
    n = len(complete)
    if n < 2:
        return complete[0].entrant.label if complete else "no model is complete"
    if len(first) == n:
        return f"no difference shown between {n} models"
    if not first or len(first) > 3:
        return f"{len(first)} of {n} models share the first place"
    return ", ".join(v.entrant.label for v in first)


def _total(total: Total, aggregate: Aggregate, entrant: Entrant, span: Axis) -> TotalView:
    titles = {i.board: f"{i.title} on {i.dataset}" for i in (*aggregate.items, *aggregate.required)}
    mean, interval = _written(total.mean_rank, 1)
    borda, borda_interval = _written(total.borda, 2)
    n = sum(r is not None for r in total.ranks)
    return TotalView(
        entrant, notation.place(total.place), bool(total.place and total.place.low == 1),
        mean, interval, _marks(total.mean_rank, span), borda, borda_interval,
        f"{n} of {len(total.ranks)}", tuple(titles.get(b, b) for b in total.missing),
    )  # fmt: skip


def _written(average: Average | None, digits: int) -> tuple[str, str]:
    if average is None:
        return notation.NONE, ""
    if average.low is None or average.high is None:
        return f"{average.value:.{digits}f}", ""
    interval = f"[{average.low:.{digits}f}, {average.high:.{digits}f}]"
    return f"{average.value:.{digits}f}", interval


def _marks(average: Average | None, span: Axis) -> Marks | None:
    value = span.at(average.value) if average else None
    if average is None or value is None:
        return None
    low, high = (
        span.at(min(span.high, max(span.low, average.value if end is None else end)))
        for end in (average.low, average.high)
    )
    return Marks(low if low is not None else value, value, high if high is not None else value)


def newest(whole: Leaderboard) -> list[tuple[str, str, str, str, str]]:
    """Return the latest of what was run: day, model, its page, data set and status."""
    slugs = {(s.entrant.id, b.dataset): s.entrant for d in whole.datasets
             for b in d.boards for s in b.all if s.entrant.current}  # fmt: skip
    seen: dict[tuple[str, str], tuple[str, str, str, str, str]] = {}
    for trial in sorted(whole.trials, key=_moment, reverse=True):
        key = (str(trial.model["id"]), trial.dataset)
        entrant = slugs.get(key)
        if entrant is None or entrant.control or key in seen:
            continue
        status = "" if trial.ok else notation.status(trial.record["status"])
        seen[key] = (_moment(trial)[0], entrant.label, entrant.slug, trial.dataset, status)
    return list(seen.values())[:_NEWEST]


def _moment(trial: Trial) -> tuple[str, str]:
    return str(trial.record.get("started_at") or ""), trial.key


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
