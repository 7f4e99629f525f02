"""Where a model breaks and where it leads: sentences, every figure worked out of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from gengauge.aggregate import Estimate, difference_p
from gengauge_reports import notation
from gengauge_reports.atlas.standing import real_row, typical
from gengauge_reports.atlas.ways import Chart
from gengauge_reports.comparing import ALPHA
from gengauge_reports.table import Column, Row

_GAP = 0.15  # between shares, beyond what real data shows
_OFF = 0.05  # of the samples, beyond what the truth has
_DEAR = 3.0  # times the median
_CODE = ("nll", "bits_per_dim", "bits_per_char")


@dataclass(frozen=True)
class Finding:
    """A sentence on one dataset or several; ``bad`` is where the model breaks, else it leads."""

    dataset: str
    text: str
    bad: bool = True


def findings(label: str, charts: Sequence[Chart]) -> list[Finding]:
    """Return all that the records show of a model, failures first, strengths last.

    What holds in the same words of several datasets is said once.
    """
    found = [f for rule in _RULES for c in charts for f in rule(c, label)]
    where: dict[tuple[str, bool], list[str]] = {}
    for f in (*found, *_strengths(label, charts)):
        where.setdefault((f.text, f.bad), []).append(f.dataset)
    return [Finding(", ".join(names), text, bad) for (text, bad), names in where.items()]


def _failures(chart: Chart, label: str) -> Iterator[Finding]:
    for stage in chart.ways.get(label, []):
        for status, reason, seeds in stage.row.failure_reasons:
            word = notation.status(status)
            yield Finding(chart.name, f"{word} at {stage.budget}, seed {seeds}: {reason}")


def _no_likelihood(chart: Chart, label: str) -> Iterator[Finding]:
    row = chart.row(label)
    for trial in row.trials[:1] if row else ():
        scores = [s for s in trial.record["scores"] if s["metric"] in _CODE]
        if scores and all(s.get("value") is None for s in scores):
            reason = scores[0].get("unscored_reason") or "no reason was recorded"
            titles = {c.metric: c.title for c in chart.table.columns}
            metric = scores[0]["metric"]
            yield Finding(chart.name, f"no {titles.get(metric, metric)}: it {reason}")


def _weakest(chart: Chart, label: str) -> Iterator[Finding]:
    """Where most of the others are significantly better."""
    row = chart.row(label)
    places = [(k.low, k.n, c) for c in chart.quality if row and (k := row.cells[c.key].rank)]
    low, n, column = max(places, key=lambda p: (p[0] - 1) / p[1], default=(1, 0, None))
    if column is None or low - 1 < n / 2 or row is None:
        return
    cell = row.cells[column.key]
    text = f"{low - 1} of {n - 1} others have a significantly better {column.title}"
    if cell.normalised is not None:
        others = [
            s for r in chart.table.models if (s := r.cells[column.key].normalised) is not None
        ]
        text += (
            f"; between noise (0) and real data (1) it stands at {cell.normalised:.2f}, "
            f"the median at {median(others):.2f}"
        )
    yield Finding(chart.name, text)


def _lost_variety(chart: Chart, label: str) -> Iterator[Finding]:
    """Precision against recall, both less what real data reaches on as many examples."""
    for embedder in dict.fromkeys(c.embedder for c in chart.table.columns):
        pair = [
            next((c for c in chart.table.columns if (c.metric, c.embedder) == (m, embedder)), None)
            for m in ("precision", "recall")
        ]
        shares, real = _values(chart.row(label), pair), _values(real_row(chart), pair)
        if shares is None or real is None:
            continue
        looks, reaches = shares[0] - real[0], shares[1] - real[1]
        told = (
            f"precision {shares[0]:.2f} and recall {shares[1]:.2f}, "
            f"real data {real[0]:.2f} and {real[1]:.2f}"
        )
        if looks - reaches > _GAP:
            yield Finding(chart.name, f"variety is missing rather than quality: {told}")
        elif reaches - looks > _GAP:
            yield Finding(chart.name, f"samples stray from the data, which they do reach: {told}")


def _values(row: Row | None, columns: Sequence[Column | None]) -> tuple[float, float] | None:
    found = [e.value for c in columns if row and c and (e := row.estimate(c)) is not None]
    return (found[0], found[1]) if len(found) == 2 else None


def _modes(chart: Chart, label: str) -> Iterator[Finding]:
    kept, high = (_scored(chart, label, m) for m in ("modes_represented", "high_quality"))
    modes = kept.details.get("modes") if kept else None
    if kept and isinstance(modes, int) and kept.value < modes:
        told = f"{notation.number(kept.value)} of {modes} modes get a tenth of their share or more"
        yield Finding(chart.name, told)
    true = high.details.get("high_quality_of_truth") if high else None
    if high and isinstance(true, int | float):
        most = high.high if high.high is not None else high.value
        if most < true - _OFF:
            off = f"{100 * (1 - high.value):.0f} % of its samples lie off every mode"
            yield Finding(chart.name, f"{off}, {100 * (1 - true):.0f} % of true ones")


def _scored(chart: Chart, label: str, metric: str) -> Estimate | None:
    row = chart.row(label)
    columns = (c for c in chart.table.columns if c.metric == metric)
    return next((e for c in columns if row and (e := row.estimate(c)) is not None), None)


def _copies(chart: Chart, label: str) -> Iterator[Finding]:
    row, real = chart.row(label), real_row(chart)
    for column in (c for c in chart.table.columns if c.metric == "c_t"):
        estimate = row.estimate(column) if row else None
        other = real.estimate(column) if real else None
        floor = min(-3.0, other.low if other and other.low is not None else 0.0)
        if estimate is not None and estimate.high is not None and estimate.high < floor:
            yield Finding(
                chart.name,
                f"samples lie closer to training data than test data does: {column.title} "
                f"{notation.number(estimate.value, estimate.half)}",
            )


def _training(chart: Chart, label: str) -> Iterator[Finding]:
    """What the last stage of training has won or lost in the lead quality."""
    column, stages = chart.lead, chart.ways.get(label, [])
    scored = [(s, e) for s in stages if column and (e := s.estimate(column)) is not None]
    if column is None or len(scored) < 2:
        return
    (before, old), (_, new) = scored[-2:]
    if difference_p(old, new) > ALPHA or old.value == new.value:
        return
    better = (new.value > old.value) == (column.direction == "higher")
    told = f"{column.title} {_told(old)} at {before.budget}, {_told(new)} in the end"
    if not better:
        yield Finding(chart.name, f"more training has made it worse: {told}")
    elif abs(new.value - old.value) > 0.2 * max(abs(old.value), abs(new.value)):
        yield Finding(chart.name, f"training was not over when it ended: {told}")


def _told(estimate: Estimate) -> str:
    return " ".join(filter(None, notation.spread(estimate.value, estimate.low, estimate.high)))


def _overfitted(chart: Chart, label: str) -> Iterator[Finding]:
    """Where a loss that is a code length rose again; that of a game does not tell."""
    row = chart.row(label)
    for trial in [t for t in row.trials if t.ok][:1] if row else ():
        points = [
            (p.get("step"), p["validation_loss"])
            for p in trial.store.curve(trial.key)
            if p.get("validation_loss") is not None
        ]
        if len(points) < 4:
            continue
        (best_at, best), (end, last) = min(points, key=lambda p: p[1]), points[-1]
        won, rises = points[0][1] - best, [b[1] - a[1] for a, b in pairwise(points)]
        code = any(s["metric"] in _CODE and s["value"] is not None for s in trial.record["scores"])
        if not code or max(rises) > max(0.5 * won, 0.0) or not isinstance(best_at, int) or not end:
            continue
        if best_at < 0.7 * end and last - best > 0.05 * won:
            yield Finding(
                chart.name,
                f"its loss on validation data was lowest at step {best_at:,} of {end:,}: beyond, "
                "it learns the training examples",
            )


def _dear(chart: Chart, label: str) -> Iterator[Finding]:
    row = chart.row(label)
    units = {
        "train_seconds": ("training takes", "s", True),
        "samples_per_second": ("sampling is slow:", "samples a second", False),
    }
    for column in (c for c in chart.table.columns if c.metric in units):
        verb, unit, high = units[column.metric]
        estimate, usual = row.estimate(column) if row else None, typical(column, chart.table.models)
        if estimate is None or estimate.value <= 0 or not usual:
            continue
        times = estimate.value / usual if high else usual / estimate.value
        if times >= _DEAR:
            than = "times the median" if high else "times fewer than the median"
            told = notation.compact(float(f"{estimate.value:.3g}"))
            yield Finding(chart.name, f"{verb} {told} {unit}, {times:.0f} {than}")


def _strengths(label: str, charts: Sequence[Chart]) -> Iterator[Finding]:
    for chart in charts:
        row = chart.row(label)
        firsts = []
        for column in chart.quality:
            cell = row.cells[column.key] if row else None
            if cell and cell.rank and cell.rank.low == 1 and cell.rank.n > 1:
                shared = sum(
                    k.low == 1 for r in chart.table.models if (k := r.cells[column.key].rank)
                )
                if shared <= max(1, cell.rank.n // 3):
                    with_ = f" with {shared - 1} more" if shared > 1 else " alone"
                    firsts.append(f"{column.title}{with_}")
        if firsts:
            yield Finding(chart.name, "in first place: " + ", ".join(firsts), bad=False)


_RULES: tuple[Callable[[Chart, str], Iterator[Finding]], ...] = (
    _failures, _modes, _lost_variety, _copies, _weakest, _training, _overfitted, _no_likelihood,
    _dear,
)  # fmt: skip
