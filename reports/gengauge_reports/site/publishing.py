"""``gengauge publish --to site``: every page of the leaderboard into one folder."""

from __future__ import annotations

from pathlib import Path

from gengauge.copies import said
from gengauge.gather import gather
from gengauge.store import RunStore
from gengauge_reports import figures
from gengauge_reports.html import dataset_facts
from gengauge_reports.leaderboard import DatasetBoards, Leaderboard, leaderboard
from gengauge_reports.leaderboard.downloads import Line, as_csv, as_json, board_lines, downloads
from gengauge_reports.leaderboard.pages import model_page as collected
from gengauge_reports.site import board_page, dataset_page, home, model_page
from gengauge_reports.site.cells import board_axis
from gengauge_reports.site.folder import Folder

_SHEETS = 24  # of a data set's page: the rest stands on the models' own


def publish(stores: list[RunStore], folder: Path, *, title: str = "") -> Path:
    """Write the site of some runs into an empty folder; return its first page.

    The same records give the same bytes, whichever run comes first.
    """
    whole = leaderboard(gather(stores), title)
    return write(whole, folder)


def write(whole: Leaderboard, folder: Path) -> Path:
    """Write the pages of a leaderboard into an empty folder; return the first."""
    site = Folder(folder, whole.title)
    site.assets()
    for found in whole.datasets:
        dataset_page.write(site, found, _facts(whole, found), _pictures(site, whole, found))
        for board in found.boards:
            histories = [h for h in whole.histories if h.board == board.slug]
            board_page.write(site, found, board, histories)
    lines = _lines(whole)
    spans = {b.slug: board_axis(b) for d in whole.datasets for b in d.boards}
    for entrant in whole.entrants:
        model_page.write(site, whole, collected(whole, entrant.slug), spans)
        mine = lines.get(entrant.slug, [])
        site.write(f"models/{entrant.slug}.csv", as_csv(mine))
        site.write(f"models/{entrant.slug}.json", as_json(mine))
    for name, content in downloads(whole):
        site.write(name, content)
    home.write(site, whole, {d.dataset: _facts(whole, d) for d in whole.datasets})
    return folder / "index.html"


def _lines(whole: Leaderboard) -> dict[str, list[Line]]:
    """Return the lines of all boards by the slug of their entrant."""
    found: dict[str, list[Line]] = {}
    for board in (b for d in whole.datasets for b in d.boards):
        for line in board_lines(board):
            found.setdefault(line["slug"], []).append(line)
    return found


def _facts(whole: Leaderboard, found: DatasetBoards) -> list[str]:
    trial = next((t for t in whole.trials if t.dataset == found.dataset), None)
    return [*dataset_facts(trial), *said(trial.record["dataset"])] if trial else []


def _pictures(site: Folder, whole: Leaderboard, found: DatasetBoards) -> list[figures.Json]:
    """Return samples of the models beside real ones, each with the page of its model."""
    trials = [t for t in whole.trials if t.dataset == found.dataset]
    pages = {row.label: f"models/{slug}.html" for slug, row in found.rows.items()}
    sheets = figures.grids(found.table, trials)[:_SHEETS]
    return [
        {"title": s["title"], "role": s["role"], "src": src, "href": pages.get(s["title"], "")}
        for s in sheets if (src := site.picture(s["uri"]))
    ]  # fmt: skip
