"""The report as one page that needs nothing else: no server, no network, no other file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from gengauge.copies import said
from gengauge.gather import Runs, Trial, gather
from gengauge.store import RunStore
from gengauge_reports import figures, notation
from gengauge_reports.asked import captioned, claims
from gengauge_reports.fronts import fronts, gallery, reconstructions
from gengauge_reports.ranking import tables
from gengauge_reports.table import Table
from gengauge_reports.traversals import traversals
from gengauge_reports.views import Tips, table_view, trial_facts

_ADDRESS = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;)]")


def render(stores: list[RunStore], *, title: str = "") -> bytes:
    """Return the page; the same records give the same bytes."""
    runs = gather(stores)
    found = tables(runs)
    tips = Tips()
    sections = [_section(i, runs, table, tips) for i, table in enumerate(found)]
    data = {
        "order": list(dict.fromkeys(r.label for t in found for r in t.models)),
        "tips": {"columns": tips.columns, "cells": tips.cells},
        "datasets": [s.pop("figures") for s in sections],
    }
    scripts = [_plotly(), _template("report.js"), _template("plots.js")]
    page = _environment().get_template("report.html.j2").render(
        title=title or _title(runs),
        facts=_summary(runs),
        policy=policy(scripts),
        style=Markup(_template("style.css")),
        scripts=[Markup(s) for s in scripts],
        data=json_text(data),
        sections=sections,
        order=data["order"],
        models=_models(runs),
        metrics=_metrics(runs, found),
        environments=sorted(runs.environments.items()),
        warnings=runs.warnings,
    )  # fmt: skip
    return page.encode()


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gengauge_reports"), autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(
        linked=linked, compact=notation.compact, seconds=notation.seconds, words=notation.status,
    )  # fmt: skip
    return environment


def _template(name: str) -> str:
    return files("gengauge_reports").joinpath("templates", name).read_text("utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    # HTML parsers turn CR LF into LF; the hash of the policy must be of what they will see
    return str(get_plotlyjs()).replace("\r\n", "\n")


def policy(scripts: Sequence[str]) -> str:
    """Return the content security policy: nothing from outside, and no script but these."""
    hashes = [
        "'sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() + "'"
        for s in scripts
    ]
    return (
        f"default-src 'none'; script-src {' '.join(hashes)}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def json_text(data: Any) -> Markup:
    """Return JSON that may stand inside a script element: no character of it can end one."""
    text = json.dumps(data, allow_nan=False, sort_keys=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def linked(text: str) -> Markup:
    """Escape ``text`` and make its http addresses links."""
    out, end = Markup(""), 0
    for match in _ADDRESS.finditer(text):
        out += escape(text[end : match.start()])
        out += Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(match.group())
        end = match.end()
    return out + escape(text[end:])


def _title(runs: Runs) -> str:
    benchmarks = [t.record.get("benchmark") or {} for t in runs.trials]
    names = dict.fromkeys(
        str(b.get("name") or "run") + (f" v{b['version']}" if b.get("version") else "")
        for b in benchmarks
    )
    return " + ".join(names) or "empty run"


def _summary(runs: Runs) -> list[str]:
    models = {t.model["id"] for t in runs.trials if not t.model.get("control")}
    failed = sum(not t.ok for t in runs.trials)
    seeds = sorted({t.seed for t in runs.trials if t.seed is not None})
    budgets = dict.fromkeys(
        str(t.record["budget"])
        for t in runs.trials
        if t.record.get("budget") and not t.model.get("control")
    )
    starts = sorted(str(t.record["started_at"]) for t in runs.trials if t.record.get("started_at"))
    facts = [
        _count(len(models), "model"),
        _count(len(runs.datasets), "dataset"),
        _count(len(runs.trials), "trial") + (f", {failed} without scores" if failed else ""),
        f"seed{'s' if len(seeds) != 1 else ''} {', '.join(map(str, seeds))}" if seeds else "",
        "budget " + ", ".join(budgets) if budgets else "",
        f"started {starts[0][:16].replace('T', ' ')}" if starts else "",
    ]
    return [f for f in facts if f]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _section(index: int, runs: Runs, table: Table, tips: Tips) -> dict[str, Any]:
    trials = runs.on(table.dataset)
    clouds = figures.clouds(table, trials)
    curves = figures.curves(table)
    trade_offs = figures.trade_offs(table)
    efforts = fronts(table)
    return {
        "id": f"dataset-{index}",
        "index": index,
        "name": table.dataset,
        "facts": dataset_facts(trials[0]),
        "copies": table.copies,
        "table": table_view(table, tips),
        "failed": [
            {"model": row.label, "status": word, "reason": reason, "seeds": seeds}
            for row in (*table.models, *table.controls, *table.failed)
            for word, reason, seeds in row.failure_reasons
        ],
        "unscored": table.unscored,
        "grids": figures.grids(table, trials),
        "texts": figures.texts(table, trials),
        "completions": figures.completions(table, trials),
        "claims": claims(table),
        "captioned": captioned(table, trials),
        "gallery": gallery(table),
        "reconstructions": reconstructions(table),
        "traversals": traversals(table),
        "fronts": efforts,
        "curves": [c["model"] for c in curves],
        "clouds": [c["title"] for c in clouds],
        "trade_offs": trade_offs,
        "trials": [trial_facts(t) for t in trials],
        "figures": {"curves": curves, "clouds": clouds, "tradeoffs": trade_offs, "fronts": efforts},
    }


def dataset_facts(trial: Trial) -> list[str]:
    """Return what a record says of its data set, in a few words each."""
    data = trial.record["dataset"]
    sizes = [(k, data.get(f"n_{k}")) for k in ("train", "validation", "test")]
    counts = " / ".join(f"{n:,} {k}" for k, n in sizes if n)
    facts = [
        str(data.get("modality") or ""),
        f"{data['levels']} levels" if data.get("levels") else "",
        counts,
        f"true entropy {data['entropy']:.4g} nats" if data.get("entropy") is not None else "",
        f"revision {data['revision']}" if data.get("revision") else "",
        f"fingerprint {str(data['fingerprint'])[:12]}" if data.get("fingerprint") else "",
        "no example in two splits" if data.get("copies") and not said(data) else "",
    ]
    return [f for f in facts if f]


def _models(runs: Runs) -> list[dict[str, Any]]:
    """Return each model once, for the list of what was compared."""
    return list({t.model["id"]: t.model for t in reversed(runs.trials)}.values())[::-1]


def _metrics(runs: Runs, found: Sequence[Table]) -> list[dict[str, Any]]:
    used = dict.fromkeys(c.metric for t in found for c in t.columns)
    known = [{"id": m, **runs.metrics[m]} for m in used if m in runs.metrics]
    return sorted(known, key=lambda m: (m.get("order", 0), m["id"]))
