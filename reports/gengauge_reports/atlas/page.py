"""The atlas as one page without a script: a section a model, all of it out of the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from gengauge.gather import Runs, gather
from gengauge.store import RunStore
from gengauge_reports import notation
from gengauge_reports.atlas.abilities import Abilities, abilities
from gengauge_reports.atlas.effort import Plot, losses, progress
from gengauge_reports.atlas.findings import Finding, findings
from gengauge_reports.atlas.overview import Entry, entry, maps, skills
from gengauge_reports.atlas.standing import Line, costs, quality
from gengauge_reports.atlas.strips import Shot, View, strip, view
from gengauge_reports.atlas.ways import Chart, charts
from gengauge_reports.html import linked

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


@dataclass(frozen=True)
class Part:
    """What is shown of one model on one dataset."""

    index: int
    name: str
    shots: list[Shot]
    progress: Plot | None
    loss: Plot | None
    quality: list[Line]
    costs: list[Line]
    commands: list[str]


@dataclass(frozen=True)
class Chapter:
    """The section of one model."""

    id: str
    label: str
    about: dict[str, Any]
    can: Abilities
    entry: Entry
    parts: list[Part]
    breaks: list[Finding]
    leads: list[Finding]


def render(stores: list[RunStore], *, title: str = "") -> bytes:
    """Return the page; the same records give the same bytes."""
    runs = gather(stores)
    found = charts(runs)
    views = [view(chart) for chart in found]
    chapters = _chapters(found, views)
    page = _environment().get_template("atlas/page.html.j2").render(
        title=title or "Atlas of generative families",
        policy=POLICY,
        style=Markup(_template("style.css") + _template("atlas/style.css")),
        facts=_facts(runs, found),
        skills=skills([c.can for c in chapters]),
        charts=found,
        views=views,
        chapters=chapters,
        families=_families(chapters),
        maps=[(c.name, drawn) for c in found if (drawn := maps(c, _kinds(chapters, c)))],
        machines=_machines(runs),
        warnings=runs.warnings,
    )  # fmt: skip
    return page.encode()


def _kinds(chapters: Sequence[Chapter], chart: Chart) -> dict[str, str]:
    return {c.label: c.can.likelihood.get(chart.name, "none") for c in chapters}


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("gengauge_reports"), autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(linked=linked, compact=notation.compact, seconds=notation.seconds)
    return made


def _template(name: str) -> str:
    return files("gengauge_reports").joinpath("templates", name).read_text("utf-8")


def _chapters(found: Sequence[Chart], views: Sequence[View]) -> list[Chapter]:
    labels = _in_order(found)
    about = {label: _about(label, found) for label in labels}
    family = {label: str(about[label].get("family") or "") for label in labels}
    groups = list(dict.fromkeys(family.values()))
    order = sorted(labels, key=lambda name: groups.index(family[name]))
    can = {label: abilities(label, found) for label in order}
    shared = skills(list(can.values()))
    curves = [losses(chart) for chart in found]
    chapters = []
    for i, label in enumerate(order):
        told = findings(label, found)
        parts = [
            Part(
                k, chart.name, strip(views[k], chart.ways[label]), progress(chart, label),
                curves[k].get(label), quality(chart, label), costs(chart, label),
                _commands(chart, label),
            )
            for k, chart in enumerate(found) if label in chart.ways
        ]  # fmt: skip
        chapters.append(Chapter(
            f"model-{i}", label, about[label], can[label],
            entry(label, family[label], can[label], shared, found), parts,
            [f for f in told if f.bad], [f for f in told if not f.bad],
        ))  # fmt: skip
    return chapters


def _in_order(found: Sequence[Chart]) -> list[str]:
    """Return the models in the order of the run's plan, whichever ended first."""
    places: dict[str, tuple[int, int]] = {}
    for chart in found:
        for label, stages in chart.ways.items():
            position = stages[0].row.trials[0].record.get("position")
            last = len(places) if position is None else int(position)
            places.setdefault(label, (last, len(places)))
    return sorted(places, key=lambda label: places[label])


def _about(label: str, found: Sequence[Chart]) -> dict[str, Any]:
    """Return what the records say of a model, of the last training of its first dataset."""
    stages = next(chart.ways[label] for chart in found if label in chart.ways)
    return stages[-1].row.trials[0].model


def _commands(chart: Chart, label: str) -> list[str]:
    trials = chart.ways[label][-1].row.trials
    return [str(t.record["command"]) for t in trials if t.record.get("command")]


def _families(chapters: Sequence[Chapter]) -> list[tuple[str, list[Chapter]]]:
    found: dict[str, list[Chapter]] = {}
    for chapter in chapters:
        found.setdefault(str(chapter.about.get("family") or ""), []).append(chapter)
    return list(found.items())


def _facts(runs: Runs, found: Sequence[Chart]) -> list[str]:
    models = {label for chart in found for label in chart.ways}
    families = {t.model.get("family") for t in runs.trials if not t.model.get("control")}
    benchmarks = dict.fromkeys(
        f"benchmark {b.get('name')} v{b.get('version')}"
        for t in runs.trials if (b := t.record.get("benchmark"))
    )  # fmt: skip
    starts = sorted(str(t.record["started_at"]) for t in runs.trials if t.record.get("started_at"))
    spent = sum(
        float((t.record.get("timing") or {}).get(part) or 0)
        for t in runs.trials for part in ("load", "sample", "score")  # loading includes training
    )  # fmt: skip
    return [
        f"{len(models)} models of {len(families)} families",
        f"{len(found)} dataset{'' if len(found) == 1 else 's'}",
        f"{len(runs.trials)} trials in {notation.seconds(spent)}", *benchmarks,
        *([f"started {starts[0][:16].replace('T', ' ')}"] if starts else []),
    ]  # fmt: skip


def _machines(runs: Runs) -> list[str]:
    found = dict.fromkeys(
        ", ".join(str(e[k]) for k in ("gpu", "cpu", "platform") if e.get(k))
        for _, e in sorted(runs.environments.items())
    )
    return [machine for machine in found if machine]
