"""The page of one model: what it is, where it stands, what it draws, how to run it again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gengauge_reports import notation
from gengauge_reports.leaderboard.board import Board, DatasetBoards, Leaderboard, Standing
from gengauge_reports.leaderboard.pages import Artifacts, ModelPage, Reproduction
from gengauge_reports.site.cells import Axis, Figure, Marks, figure, marks
from gengauge_reports.site.folder import Folder
from gengauge_reports.site.histories import history_view

Json = dict[str, Any]
Spans = Mapping[str, Axis | None]
_PICTURES = ("grids", "gallery", "reconstructions", "traversals")


@dataclass(frozen=True)
class Score:
    """The standing of the model on one board, written out."""

    board: Board
    standing: Standing
    figure: Figure
    place: str
    marks: Marks | None
    arrow: str


def write(folder: Folder, whole: Leaderboard, page: ModelPage, spans: Spans) -> None:
    """Write the page of one model; ``spans`` are the axes of the boards."""
    entrant, by_name = page.entrant, {d.dataset: d for d in whole.datasets}
    artifacts = [{**_artifacts(folder, a), "index": i} for i, a in enumerate(page.artifacts)]
    drawn = [{"curves": a.curves, "clouds": a.clouds, "fronts": a.efforts} for a in page.artifacts]
    figures = any(v for d in drawn for v in d.values())
    folder.page(
        f"models/{entrant.slug}.html", "model.html.j2", title=entrant.label,
        crumbs=[("Leaderboard", "index.html"), ("Models", "index.html#models"),
                (entrant.label, "")],
        facts=_facts(page), contents=_contents(page),
        data={"order": [entrant.label], "datasets": drawn} if figures else None,
        scripts=["charts.js"] if figures else [],
        page=page, parameters=_parameters(page.parameters),
        scores=[(d, by_name[d].slug, _scores(page, d, spans)) for d in _datasets(page, by_name)],
        artifacts=[a for a in artifacts if a["any"]],
        reproductions=_reproductions(page),
        histories=[history_view(h, by_name[h.dataset]) for h in page.histories],
        environments=[(k, _environment(v)) for k, v in page.environments.items()],
    )  # fmt: skip


def _facts(page: ModelPage) -> list[str]:
    entrant = page.entrant
    n = entrant.n_parameters
    return [
        "control" if entrant.control else entrant.family,
        f"{notation.compact(n)} parameters" if n else "",
        page.code or page.distribution,
        "" if entrant.current else "a later version is here",
    ]  # fmt: skip


def _contents(page: ModelPage) -> list[tuple[str, str]]:
    return [
        ("Scores", "scores"), ("Run it again", "reproduce"),
        *([("History", "history")] if page.histories else []),
        *((a.dataset, f"figures-{i}") for i, a in enumerate(page.artifacts) if _any(a)),
    ]  # fmt: skip


def _datasets(page: ModelPage, known: dict[str, DatasetBoards]) -> list[str]:
    return [d for d in dict.fromkeys(b.dataset for b, _ in page.standings) if d in known]


def _scores(page: ModelPage, dataset: str, spans: Spans) -> list[Score]:
    """Return the scores on one data set: those of its suites together, scored ones first."""
    found = [(b, s) for b, s in page.standings if b.dataset == dataset]
    figures = [figure(s.estimate) for _, s in found]
    made = [
        Score(b, s, f, notation.place(s.rank), marks(s.estimate, spans[b.slug]),
              notation.ARROWS.get(b.column.direction, ""))
        for (b, s), f in zip(found, figures, strict=True)
    ]  # fmt: skip
    return sorted(made, key=lambda s: s.standing.estimate is None)


def _parameters(parameters: Json) -> list[tuple[str, str]]:
    return [
        (name, (v if isinstance(v, str) else json.dumps(v)) or notation.NONE)
        for name, v in sorted(parameters.items())
    ]


def _reproductions(page: ModelPage) -> list[tuple[str, Reproduction, list[Reproduction]]]:
    """Return data sets, the command for the first of their trials, and those for the others."""
    found: dict[str, list[Reproduction]] = {}
    for one in page.reproductions:
        found.setdefault(one.dataset, []).append(one)
    return [(dataset, first, others) for dataset, (first, *others) in found.items()]


def _environment(about: Json) -> list[tuple[str, str]]:
    git = about.get("git")
    commit = git.get("commit") if isinstance(git, dict) else None
    packages = about.get("packages")
    wanted = ("torch", "numpy", "gengauge")
    versions = [f"{k} {packages[k]}" for k in wanted if k in packages] if isinstance(
        packages, dict) else []  # fmt: skip
    facts = [
        ("Python", about.get("python")), ("Platform", about.get("platform")),
        ("CPU", about.get("cpu")), ("GPU", about.get("gpu")), ("Packages", ", ".join(versions)),
        ("Commit", str(commit)[:12] if commit else ""),
    ]  # fmt: skip
    return [(k, str(v)) for k, v in facts if v]


def _any(found: Artifacts) -> bool:
    drawn = (*_PICTURES, "curves", "clouds", "texts", "completions", "captioned", "efforts")
    return any(getattr(found, name) for name in drawn)


def _artifacts(folder: Folder, found: Artifacts) -> Json:
    """Return the figures on one data set, pictures written beside the pages."""
    sheets = {name: _sheets(folder, getattr(found, name)) for name in _PICTURES}
    return {
        "any": _any(found), "dataset": found.dataset, **sheets, "texts": found.texts,
        "completions": found.completions, "curves": [c["model"] for c in found.curves],
        "clouds": [c["title"] for c in found.clouds],
        "efforts": [e["title"] for e in found.efforts], "captioned": found.captioned,
    }  # fmt: skip


def _sheets(folder: Folder, sheets: Iterable[Json]) -> list[Json]:
    found = ((sheet, folder.picture(sheet["uri"])) for sheet in sheets)
    return [{**sheet, "src": src} for sheet, src in found if src]
