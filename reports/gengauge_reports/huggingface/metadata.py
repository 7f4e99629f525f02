"""A model's results in the two forms the Hub reads: the card's ``model-index``, ``.eval_results``.

``model-index`` holds every score with its kind and interval. An entry of ``.eval_results`` is a
bare number on the leaderboard of a data set of the Hub, so what it is stands in its notes:
https://huggingface.co/docs/hub/eval-results.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import yaml

from gengauge.errors import UsageError
from gengauge.gather import Trial
from gengauge_reports.leaderboard.board import Board, Standing
from gengauge_reports.leaderboard.pages import ModelPage
from gengauge_reports.leaderboard.slugs import slugged
from gengauge_reports.notation import KINDS, printable

_TASKS = {"image": "unconditional-image-generation", "text": "text-generation"}
_DIGITS = 6  # of a number, significant
Scored = tuple[Board, Standing]


def words(kind: str) -> str:
    """Return a kind in words: a bound is called a bound."""
    return kind.replace("_", " ") if kind in KINDS else "of unknown kind"


def scored(page: ModelPage) -> list[Scored]:
    """Return the standings that may be compared: those with a value and without a caveat."""
    return [(b, s) for b, s in page.standings if s.estimate is not None and not s.caveat]


def card_data(page: ModelPage, trials: list[Trial]) -> Any:
    """Return the card's metadata as ``huggingface_hub.ModelCardData``, checked by it.

    ``trials`` are the model's: they say what the data sets are.
    """
    from huggingface_hub import ModelCardData

    about = {t.dataset: t.record["dataset"] for t in trials}
    tasks = [task(about[name]) for name in sorted(about)]
    entrant, results = page.entrant, [_result(*one, about) for one in scored(page)]
    return ModelCardData(
        model_name=printable(entrant.label) if results else None,
        eval_results=results or None,
        pipeline_tag=tasks[0] if len(set(tasks)) == 1 and tasks[0] != "other" else None,
        library_name="gengauge",
        tags=["gengauge", *(slugged([(t, t)])[0] for t in (entrant.family, *tasks))],
        metrics=sorted({printable(b.column.metric) for b, _ in scored(page)}) or None,
    )  # fmt: skip


def task(dataset: dict[str, Any]) -> str:
    """Return what the Hub calls the making of such data."""
    return _TASKS.get(str(dataset.get("modality")), "other")


def _result(board: Board, standing: Standing, about: dict[str, Any]) -> Any:
    from huggingface_hub import EvalResult

    column, estimate, data = board.column, standing.estimate, about[board.dataset]
    assert estimate is not None
    arguments = {
        "kind": estimate.kind, "low": short(estimate.low), "high": short(estimate.high),
        "level": estimate.level, "unit": column.unit, "direction": column.direction,
        "embedder": column.embedder or None, "seeds": list(standing.seeds),
        "n_samples": estimate.n_samples, "n_reference": estimate.n_reference,
        "comparability_key": column.comparability_key, "benchmarks": list(board.benchmarks),
    }  # fmt: skip
    return EvalResult(
        task_type=task(data), dataset_type=printable(board.dataset),
        dataset_name=printable(board.dataset), dataset_split=printable(column.split) or None,
        dataset_revision=printable(data.get("fingerprint") or "") or None,
        metric_type=printable(column.metric), metric_value=short(estimate.value),
        metric_name=f"{printable(column.title)} ({words(estimate.kind)})",
        metric_args={k: _plain(v) for k, v in arguments.items() if v is not None},
    )  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return printable(value) if isinstance(value, str) else value


def short(value: float | None) -> float | None:
    """Return a number with no more digits than anyone reads.

    >>> short(1.8826397693697714), short(None)
    (1.88264, None)
    """
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def eval_results(
    page: ModelPage, trials: list[Trial], benchmark: str, source: str
) -> dict[str, str]:
    """Return the files of ``.eval_results`` by name, one a data set.

    ``benchmark`` is the data set of the Hub that holds the leaderboard, ``source`` an address that
    the results can be looked up at, empty for none. A task is a board: data set, metric, embedder.
    """
    try:
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    except ImportError:
        raise UsageError(
            "publisher 'huggingface' needs huggingface_hub 1.4 or later: "
            "pip install 'gengauge[huggingface]'"
        ) from None
    found: dict[str, list[Any]] = {}
    dates = {t.dataset: date for t in trials if (date := _date(t.record.get("started_at")))}
    for board, standing in scored(page):
        estimate = standing.estimate
        assert estimate is not None
        entry = EvalResultEntry(
            dataset_id=benchmark, task_id=board.slug, value=short(estimate.value),
            date=dates.get(board.dataset), source_url=source or None, notes=_notes(board, standing),
        )  # fmt: skip
        found.setdefault(board.dataset, []).append(entry)
    names = slugged([(name, name) for name in found])
    return {
        f".eval_results/gengauge-{name}.yaml": yaml.safe_dump(
            eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True, width=1000
        )
        for name, entries in zip(names, found.values(), strict=True)
    }


def _date(text: Any) -> str:
    """Return a time as it was recorded, empty where it is none."""
    try:
        return datetime.fromisoformat(str(text)).isoformat()
    except ValueError:
        return ""


def _notes(board: Board, standing: Standing) -> str:
    estimate, column = standing.estimate, board.column
    assert estimate is not None
    interval = ""
    if estimate.low is not None and estimate.high is not None:
        ends = f"[{short(estimate.low)}, {short(estimate.high)}]"
        interval = f"{100 * estimate.level:g} % interval {ends}"
    parts = [
        f"{printable(column.title)} on {printable(board.dataset)}",
        words(estimate.kind), f"{column.direction} is better", interval,
        f"seeds {', '.join(map(str, standing.seeds))}" if standing.seeds else "",
        f"gengauge comparability key {printable(column.comparability_key)}",
    ]  # fmt: skip
    return "; ".join(filter(None, parts))
