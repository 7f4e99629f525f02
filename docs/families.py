"""Writes docs/families.md: what each family reaches on the shipped data, from finished runs.

    gengauge run quick --seeds 0-2 -o runs/families-quick
    gengauge run docs/variants.toml -o runs/families-variants
    gengauge run points -o runs/families-points
    gengauge run points --seeds 0-2 -d points/eight-gaussians -o runs/families-points
    gengauge run cpu-long -o runs/families-long
    gengauge run captions -o runs/families-captions
    python docs/families.py runs/families-*

Nothing is trained here: every number is read from the runs' records, and what a family assumes
from the docstring of its class. ``families.toml`` says which scores are shown and what they are
held against.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

from gengauge import RunStore
from gengauge.registry import Registry, load_target
from gengauge.specs import ModelSpec

HERE = Path(__file__).parent
PAGE = HERE / "families.md"
SIGNS = {"upper_bound": "≤ ", "lower_bound": "≥ ", "estimate": "", "exact": ""}
Values = dict[tuple[str, str, str], list[dict[str, Any]]]
INTRODUCTION = """\
# Families

Written by `docs/families.py` from the records of finished runs; the commands stand in its first
lines. Each figure is the mean over seeds 0 to 2 and, in brackets, the least and the most of the
three. ≤ marks an upper bound on what the model itself would need. Distances are measured in our own
small embedders. They rank families on one dataset and cannot be held against FID or against another
embedder's figures. Seconds of training are those of a machine whose two cores had other work
besides, up to four times as long as on an idle one; steps are what a figure depends on.
"""
REACHED = """\
## Beside the figures of short scripts

While gengauge was planned, short scripts tried what each family reaches in the stated processor
seconds. They trained digits on four fifths of the data, where the splits here leave three fifths to
train on, and their distances were measured in another embedder; `real` shows its scale.

| dataset | what | short script | here | reached |
| :--- | :--- | ---: | ---: | :--- |
"""


def gathered(folders: Iterable[str]) -> tuple[Values, dict[str, dict[str, Any]]]:
    """Return the scores by dataset, model and metric, and what each model's training took."""
    values: Values = {}
    training: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for record in RunStore.open(folder).records():
            model, dataset = record["model"]["id"], record["dataset"]["id"]
            if record["status"] != "ok":
                raise SystemExit(f"{model} on {dataset} in {folder} is {record['status']}")
            training.setdefault(f"{dataset} {model}", record["training"])
            for score in record["scores"]:
                if score["value"] is not None:
                    values.setdefault((dataset, model, score["metric"]), []).append(score)
    return values, training


def cell(scores: list[dict[str, Any]] | None, column: dict[str, Any], dataset: str) -> str:
    """Return one score of a table; with ``over_truth`` what exceeds the dataset's own entropy.

    Where there is more than one judge of a metric, ``embedder`` names the one that is shown.
    """
    if scores and (judge := column.get("embedder")):
        scores = [s for s in scores if s["embedder"]["id"] == judge]
    if scores and column.get("over_truth"):
        spec = Registry().datasets[dataset]
        truth = load_target(spec.target)(spec).truth
        scores = [{**s, "value": s["value"] - truth.entropy} for s in scores]
    return figure(scores, column.get("bits", 0))


def figure(scores: list[dict[str, Any]] | None, bits: int = 0) -> str:
    """Return mean, least and most of one score over seeds; ``bits``: nats to bits a dimension."""
    if not scores:
        return ""
    numbers = [converted(s["value"], bits) for s in scores]
    kind = scores[0]["kind"]
    kind = {"lower_bound": "upper_bound"}.get(kind, kind) if bits else kind
    text = SIGNS[kind] + shown(mean(numbers))
    if len(numbers) == 1:
        return f"{text} (one seed)"
    low, high = shown(min(numbers)), shown(max(numbers))
    return text if low == high else f"{text} ({low} to {high})"


def converted(value: float, bits: int) -> float:
    """Return nats of an example as bits for each of ``bits`` dimensions; 0 leaves it alone."""
    return -value / (bits * math.log(2)) if bits else value


def shown(number: float) -> str:
    """Return three or four significant digits; counts without decimals.

    >>> shown(1.83333), shown(0.0113), shown(36.25), shown(613.2), shown(8.0)
    ('1.833', '.0113', '36.2', '613', '8')
    """
    if number == int(number) or abs(number) >= 100:
        return f"{number:.0f}"
    whole = math.ceil(math.log10(abs(number)))  # digits before the point
    digits = 3 - whole if whole <= 0 else (3, 1)[abs(number) >= 10]
    return re.sub(r"^(-?)0\.", r"\1.", f"{number:.{digits}f}")


def assumptions(registry: Registry) -> str:
    """Return what each family is good at and where it breaks, from its class's docstring."""
    lines = ["## What they are good at", "", "| model | good at | breaks at | paper |",
             "| :--- | :--- | :--- | :--- |"]  # fmt: skip
    for spec in families(registry):
        text = inspect.getdoc(load_target(spec.target)) or ""
        good, breaks = (said(text, start) for start in ("Good at:", "Breaks at:"))
        lines.append(f"| `{spec.id}` | {good} | {breaks} | {linked(spec.reference)} |")
    return "\n".join(lines) + "\n"


def families(registry: Registry) -> list[ModelSpec]:
    """Return the models that ship with gengauge, without its controls."""
    return [
        s for s in registry.models.values()
        if s.learns and registry.provider("models", s.id).distribution == "gengauge"
    ]  # fmt: skip


def said(docstring: str, start: str) -> str:
    """Return what follows ``start`` up to the next heading or empty line, as one line."""
    found = re.search(rf"{start}\s*(.*?)(?=\n\s*\n|\n[A-Z][a-z]+ at:|\Z)", docstring, re.DOTALL)
    return re.sub(r"`+", "`", " ".join(found[1].split())) if found else ""


def linked(reference: str) -> str:
    """Return the first work named in ``reference`` as a link."""
    first = reference.split(";")[0]
    address = re.search(r"https?://\S+", first)
    title = first[: address.start()].strip(" ,") if address else first
    return f"[{title}]({address[0]})" if address else title


def table(
    dataset: dict[str, Any],
    values: Values,
    training: dict[str, dict[str, Any]],
    controls: set[str],
) -> str:
    """Return one dataset's table: a row a model, the controls last, a column a metric."""
    id_, columns = dataset["id"], dataset["columns"]
    heads = [c["head"] for c in columns]
    lines = [f"## `{id_}`", "", dataset["note"], "",
             "| model | trained for | " + " | ".join(heads) + " |",
             "| :--- | ---: |" + " ---: |" * len(heads)]  # fmt: skip
    models = dict.fromkeys(model for d, model, _ in values if d == id_)
    for model in sorted(models, key=lambda m: m in controls):
        cells = [cell(values.get((id_, model, c["metric"])), c, id_) for c in columns]
        if any(cells):
            spent = training[f"{id_} {model}"]
            steps = f"{spent['steps']:,} steps, {spent['seconds']:.0f} s" if spent["steps"] else ""
            lines.append(f"| `{model}` | {steps} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def reached(references: list[dict[str, Any]], values: Values) -> str:
    """Return the figures that were to be reached, beside those that were."""
    lines = []
    for row in references:
        bits = row.get("bits", 0)
        scores = values.get((row["dataset"], row["model"], row["metric"]))
        answer = "not measured" if not scores else verdict(row, scores, bits)
        if row.get("why"):
            answer += f": {row['why']}"
        what = f"`{row['model']}`, {row['what']}"
        lines.append(
            f"| {row['dataset']} | {what} | {row['text']} | {figure(scores, bits)} | {answer} |"
        )
    return REACHED + "\n".join(lines) + "\n"


def verdict(row: dict[str, Any], scores: list[dict[str, Any]], bits: int) -> str:
    """Return whether the mean over seeds reaches the weaker end of the script's figures."""
    if row.get("other_scale"):
        return "another scale"
    ours, sign = mean(converted(s["value"], bits) for s in scores), row.get("sign", -1)
    return "yes" if sign * ours >= sign * row["value"] - 1e-9 else "**no**"


def page(folders: Iterable[str]) -> str:
    """Return the whole page."""
    content = tomllib.loads((HERE / "families.toml").read_text("utf-8"))
    values, training = gathered(folders)
    registry = Registry()
    controls = {spec.id for spec in registry.models.values() if spec.control}
    parts = [INTRODUCTION, assumptions(registry)]
    parts += [table(d, values, training, controls) for d in content["dataset"]]
    parts.append(reached(content["reference"], values))
    return "\n".join(parts)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    PAGE.write_text(page(sys.argv[1:]), encoding="utf-8")
