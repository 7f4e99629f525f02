"""Writes model cards into a folder, one a model, and sends them where that was asked for."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gengauge.errors import NothingSelectedError, UsageError, unknown
from gengauge.gather import gather
from gengauge.store import RunStore
from gengauge_reports.huggingface.card import card
from gengauge_reports.huggingface.metadata import eval_results
from gengauge_reports.huggingface.uploading import Upload, check_repo, say, send
from gengauge_reports.leaderboard.board import Entrant, Leaderboard
from gengauge_reports.leaderboard.building import leaderboard
from gengauge_reports.leaderboard.pages import ModelPage, model_page
from gengauge_reports.leaderboard.slugs import slugged
from gengauge_reports.markdown import text

README = "README.md"


def publish(
    stores: list[RunStore], folder: Path, *, title: str = "", repo: str = "",
    dry_run: bool = False, model: str = "", benchmark: str = "", source: str = "",
) -> Path:  # fmt: skip
    """Write a card for each model and send it to ``repo`` where a token is there.

    Of one model the card lies in ``folder`` itself, of several each in a folder of its own; they
    go to repositories of their own then, ``repo-SLUG``. ``benchmark`` is the data set of the Hub
    whose leaderboard takes the results. Return the file to begin with.
    """
    repo = repo or ("USER/NAME" if dry_run else "")
    if repo:
        check_repo(repo)
    board = leaderboard(gather(stores), title)
    entrants = _chosen(board, model)
    told = {warning for store in stores for warning in store.warnings}
    for warning in (w for w in board.warnings if w not in told):
        say(f"warning: {warning}")
    several = len(entrants) > 1
    uploads = []
    for entrant in entrants:
        place = folder / entrant.slug if several else folder
        files = _files(board, entrant, benchmark or _benchmark(board, repo), source)
        for name, content in files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        uploads.append(Upload(f"{repo}-{entrant.slug}" if several else repo, files))
    if repo:
        send(uploads, dry_run)
    if several:
        (folder / README).write_text(_index(board, entrants), encoding="utf-8")
    return folder / README


def _chosen(board: Leaderboard, model: str) -> list[Entrant]:
    """Return the models to write cards of: all, or those that were asked for by id or label."""
    found = [e for e in board.models if not model or model in (e.id, e.label, e.slug)]
    if not found and model:
        raise unknown("model", model, {e.id for e in board.models})
    if not found:
        raise NothingSelectedError("the runs hold no model to write a card of, controls alone")
    return found


def _benchmark(board: Leaderboard, repo: str) -> str:
    """Return the data set of the Hub that results are told to where none was named."""
    names = [b for d in board.datasets for each in d.boards for b in each.benchmarks]
    name = slugged([((names or ["benchmark"])[0].partition(" ")[0], "")])[0]
    owner = repo.partition("/")[0]
    return f"{owner or 'gengauge'}/gengauge-{name}"


def _files(board: Leaderboard, entrant: Entrant, benchmark: str, source: str) -> dict[str, bytes]:
    """Return what a model's repository gets, by name."""
    page = model_page(board, entrant.slug)
    rows = [d.rows[entrant.slug] for d in board.datasets if entrant.slug in d.rows]
    trials = [trial for row in rows for trial in row.trials]
    pictures = _pictures(page)
    names = {dataset: name for dataset, (name, _) in pictures.items()}
    try:
        readme = card(board, page, trials, names)
        check(readme)
    except ValueError as error:
        raise UsageError(f"the card of '{entrant.label}' is not valid: {error}") from None
    results = eval_results(page, trials, benchmark, source)
    return {
        README: readme.encode(), **{k: v.encode() for k, v in results.items()},
        **dict(pictures.values()),
    }  # fmt: skip


def check(readme: str) -> None:
    """Read a card as the Hub's library does; ``ValueError`` where it does not hold."""
    from huggingface_hub import ModelCard
    from huggingface_hub.repocard_data import model_index_to_eval_results

    found: Any = ModelCard(readme).data
    if index := found.to_dict().get("model-index"):
        model_index_to_eval_results(index)


def _pictures(page: ModelPage) -> dict[str, tuple[str, bytes]]:
    """Return by data set the name and the content of a sheet of the model's samples."""
    sheets: list[tuple[str, str]] = [
        (found.dataset, grid["uri"])
        for found in page.artifacts for grid in found.grids if grid["role"] == "model"
    ]  # fmt: skip
    names = slugged([(dataset, dataset) for dataset, _ in sheets])
    return {
        dataset: (f"samples-{name}.png", base64.b64decode(uri.partition(",")[2]))
        for (dataset, uri), name in zip(sheets, names, strict=True)
    }


def _index(board: Leaderboard, entrants: Sequence[Entrant]) -> str:
    lines = [f"# {text(board.title)}", "", "| Model | Family | Parameters |"]
    lines.append("| :--- | :--- | ---: |")
    for entrant in entrants:
        n = "" if entrant.n_parameters is None else f"{entrant.n_parameters:,}"
        link = f"[{text(entrant.label)}]({entrant.slug}/{README})"
        lines.append(f"| {link} | {text(entrant.family)} | {n} |")
    return "\n".join(lines) + "\n"
