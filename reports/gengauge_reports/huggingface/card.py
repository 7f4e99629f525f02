"""The text of a model card: what the model is, what it reached, and what that does not say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gengauge.examples import side
from gengauge.gather import Trial
from gengauge_reports.huggingface.metadata import Scored, card_data, words
from gengauge_reports.leaderboard.board import Board, Leaderboard
from gengauge_reports.leaderboard.pages import ModelPage, Reproduction
from gengauge_reports.markdown import code, text
from gengauge_reports.notation import (
    CAVEAT,
    NONE,
    SIDES,
    SIGNS,
    header,
    place,
    printable,
    seconds,
    signed,
    status,
)
from gengauge_reports.table import Cell

_PACKAGES = ("gengauge", "torch", "numpy")
_KINDS = {
    "exact": "counted or computed on the examples that were evaluated, without approximation",
    "upper_bound": "the true value is at most this",
    "lower_bound": "the true value is at least this",
    "estimate": "computed from samples; others would give another value",
}
_KEY = 16  # characters of a comparability key


def card(
    leaderboard: Leaderboard, page: ModelPage, trials: list[Trial], pictures: Mapping[str, str]
) -> str:
    """Return a README.md with its metadata; ``pictures`` are file names by data set.

    All that records say stands in it escaped. ``ValueError`` where huggingface_hub would not take
    the metadata.
    """
    about = leaderboard.metrics
    parts = [
        f"---\n{card_data(page, trials).to_yaml()}\n---",
        f"# {text(page.entrant.label)}", text(page.entrant.summary), _facts(page, trials),
        "## Results", *_results(page, trials, pictures), _reading(page),
        "## What the metrics mean", _blind(page, about),
        "## Limits", *_limits(page, trials),
        "## Reproduce", *_reproduce(page.reproductions), *_environments(page),
        "Written by `gengauge publish --to huggingface` from the records of the run.",
    ]  # fmt: skip
    return "\n\n".join(filter(None, parts)) + "\n"


def _facts(page: ModelPage, trials: Sequence[Trial]) -> str:
    budgets = dict.fromkeys(str(t.record.get("budget") or "") for t in trials)
    settings = ", ".join(f"{k}={v}" for k, v in sorted(page.parameters.items()))
    rows = [
        ("Family", text(page.entrant.family)), ("Parameters", text(_sizes(trials))),
        ("Settings", code(settings) if settings else ""),
        ("Budget", text(", ".join(filter(None, budgets)))),
        ("Code", code(page.code) if page.code else ""), ("Reference", text(page.entrant.reference)),
    ]  # fmt: skip
    return _table(("", ""), [row for row in rows if row[1]], (":---", ":---"))


def _sizes(trials: Sequence[Trial]) -> str:
    """Return the numbers of parameters, each with its data sets where they differ."""
    sizes: dict[int, dict[str, None]] = {}
    for trial in trials:
        if (n := trial.model.get("n_parameters")) is not None:
            sizes.setdefault(n, {})[trial.dataset] = None
    if len(sizes) == 1:
        return f"{next(iter(sizes)):,}"
    return ", ".join(f"{n:,} ({', '.join(where)})" for n, where in sizes.items())


def _results(
    page: ModelPage, trials: Sequence[Trial], pictures: Mapping[str, str]
) -> Iterable[str]:
    """Yield a section a data set: its headline metrics, and the others folded away."""
    for dataset in dict.fromkeys(b.dataset for b, _ in page.standings):
        yield f"### {text(dataset)}"
        yield text(_protocol(dataset, trials))
        found = [one for one in page.standings if one[0].dataset == dataset and one[1].estimate]
        headline = [one for one in found if one[0].column.headline] or found
        rest = [one for one in found if one not in headline]
        yield _scores(headline) if headline else "No metric has a score."
        if rest:
            more = f"{len(rest)} more metric{'s' if len(rest) > 1 else ''}"
            yield f"<details><summary>{more}</summary>\n\n{_scores(rest)}\n\n</details>"
        if dataset in pictures:
            yield f"![Samples of the model]({pictures[dataset]})"


def _protocol(dataset: str, trials: Sequence[Trial]) -> str:
    """Return what the scores of a data set were measured for, on one line."""
    mine = [t for t in trials if t.dataset == dataset]
    records = [t.record for t in mine if t.ok]
    if not records:
        return "No trial finished."
    data = records[0]["dataset"]
    sets = {f"{b.get('name')} v{b.get('version')}" for r in records if (b := r.get("benchmark"))}
    seeds = sorted(t.seed for t in mine if t.ok and t.seed is not None)
    drawn = sorted({n for r in records if (n := (r.get("sampling") or {}).get("n")) is not None})
    parts = [
        f"Benchmark {', '.join(sorted(sets))}" if sets else "",
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}" if seeds else "",
        f"trained on {data['n_train']:,} examples" if data.get("n_train") else "",
        f"{', '.join(f'{n:,}' for n in drawn)} samples" if drawn else "",
        f"data of revision {data.get('revision')}, fingerprint {data.get('fingerprint')}",
    ]
    return ", ".join(filter(None, parts)) + "."


def _scores(found: Sequence[Scored]) -> str:
    rows = []
    for board, standing in found:
        estimate, column = standing.estimate, board.column
        assert estimate is not None
        unit = f" [{text(column.extra_unit)}]" if column.extra_unit else ""
        rank = f"{place(standing.rank)} of {standing.rank.n}" if standing.rank else NONE
        cell = signed(Cell(estimate, caveat=standing.caveat))
        cell = cell.replace(SIGNS["estimate"], "")  # its kind has a column here
        rows.append((
            f"{text(header(column))}{unit}", text(cell), text(words(estimate.kind)), rank,
            code(column.comparability_key[:_KEY]) if column.comparability_key else NONE,
        ))  # fmt: skip
    heads = ("Metric", "Value", "The value is", "Place", "Comparability key")
    return _table(heads, rows, (":---", "---:", ":---", "---:", ":---"))


def _reading(page: ModelPage) -> str:
    """Return how to read the tables: intervals, the kinds that occur, places and keys."""
    estimates = [(s.estimate, b.column) for b, s in page.standings if s.estimate]
    levels = {e.level for e, _ in estimates if e.half}
    level = f"{100 * levels.pop():g} % interval" if len(levels) == 1 else "interval"
    lines = [
        f"`±` is half of the {level}, `[low, high]` its ends. An interval covers what its method "
        "names, and of one seed not the variation between trainings.",
    ]
    for kind, meaning in _KINDS.items():
        sides = dict.fromkeys(side(kind, c.direction) for e, c in estimates if e.kind == kind)
        left = "; ".join(SIDES[s].partition(":")[0] for s in sides if s)
        if sides:
            lines.append(f"{words(kind).capitalize()}: {meaning}{f' ({left})' if left else ''}.")
    lines += [
        "A place is shared by models that do not differ significantly (5 %, Holm-corrected).",
        "Two values may be compared only where their comparability keys are the same.",
    ]
    return "## Reading the tables\n\n" + "\n".join(f"- {line}" for line in lines)


def _blind(page: ModelPage, about: Mapping[str, Mapping[str, object]]) -> str:
    found = [b.column for b, s in page.standings if s.estimate and b.column.headline]
    found = found or [b.column for b, s in page.standings if s.estimate]
    metrics = {c.metric: c for c in found}
    lines = [
        f"- **{text(c.label)}**: {text(summary)}"
        for name, c in metrics.items()
        if (summary := str(about.get(name, {}).get("summary") or c.summary))
    ]
    return "\n".join(lines) or "Nothing is recorded of what the metrics mean."


def _limits(page: ModelPage, trials: Sequence[Trial]) -> Iterable[str]:
    """Yield what is not ranked, what has no score and what failed, each with its reason."""
    caveats: dict[str, dict[str, None]] = {}
    missing: dict[str, dict[str, None]] = {}
    have = {_named(b) for b, s in page.standings if s.estimate}
    for board, standing in page.standings:
        if standing.estimate is None and _named(board) not in have:
            missing.setdefault(standing.reason, {})[_named(board)] = None
        elif standing.estimate and standing.caveat:
            caveats.setdefault(standing.caveat, {})[_named(board)] = None
    failed: dict[str, dict[str, None]] = {}
    for trial in trials:
        if not trial.ok:
            what = f"{status(trial.record['status'])}: {trial.reason}"
            failed.setdefault(what, {})[f"{trial.dataset} seed {trial.seed}"] = None
    sections = (
        (f"Shown with {CAVEAT} and not ranked:", caveats),
        ("Trials without scores:", failed),
        ("Not scored:", missing),
    )
    for title, found in sections:
        if found:
            lines = [f"- {text(', '.join(who))}: {code(why)}" for why, who in found.items()]
            yield f"{title}\n\n" + "\n".join(lines)
    yield (
        "The numbers hold for these data, this budget and these seeds. They say nothing about "
        "other data, and nothing about use in practice."
    )


def _named(board: Board) -> str:
    return f"{board.column.title} on {board.dataset}"


def _reproduce(found: Sequence[Reproduction]) -> Iterable[str]:
    commands = list(dict.fromkeys(printable(one.command) for one in found))
    if not commands:
        yield "No command was recorded."
        return
    yield fenced("\n".join(f"$ {command}" for command in commands), "console")
    yield (
        "`gengauge reproduce RUN/KEY` runs one of the trials again and says whether it agrees "
        "within its interval."
    )


def _environments(page: ModelPage) -> Iterable[str]:
    for id_, found in sorted(page.environments.items()):
        packages = found.get("packages") or {}
        versions = [f"{p} {packages[p]}" for p in _PACKAGES if p in packages]
        parts = [f"Python {found.get('python')}", *versions, found.get("cpu"), found.get("gpu")]
        yield f"Measured with {text(', '.join(str(p) for p in parts if p))} ({code(id_)})."
    times = [t for trial in page.trials for name, t in trial["times"] if name == "train" and t]
    if times:
        yield f"Training took {seconds(sum(times) / len(times))} on average."


def fenced(content: str, language: str = "") -> str:
    """Return a block of code that nothing in it can end.

    >>> print(fenced("a ``` b"))
    ````
    a ``` b
    ````
    """
    run = 0
    longest = 2
    for character in content:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{content}\n{fence}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], sides: Sequence[str]) -> str:
    lines = (heads, sides, *rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
