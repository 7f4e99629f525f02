"""Two figures of single trials: samples beside their closest training images, quality by effort."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from gengauge import guarded
from gengauge.aggregate import aggregate
from gengauge_reports.figures import Json, data_uri, significant
from gengauge_reports.notation import number
from gengauge_reports.table import Column, Row, Table


def gallery(table: Table) -> list[Json]:
    """Return each model's sheet of samples beside their closest training images, then controls'."""
    found: list[Json] = []
    for row in (*table.models, *table.controls):
        for trial in row.trials:
            folder = trial.store.trial_folder(trial.key)
            uri = data_uri(folder / "neighbours.png") if trial.ok else ""
            if uri:
                about = _about(folder / "neighbours.json")
                role = "control" if row.control else "model"
                found.append({"title": row.label, "uri": uri, "role": role, **about})
                break
    return found


def reconstructions(table: Table) -> list[Json]:
    """Return each model's sheet of test images beside what it makes of them, then controls'."""
    found: list[Json] = []
    for row in (*table.models, *table.controls):
        for trial in (t for t in row.trials if t.ok):
            folder = trial.store.trial_folder(trial.key)
            if uri := data_uri(folder / "reconstructions.png"):
                about = guarded.artifact_json(folder / "reconstructions.json")
                role = "control" if row.control else "model"
                found.append({
                    "title": row.label, "uri": uri, "role": role, "seed": trial.seed,
                    **_columns(about),
                })  # fmt: skip
                break
    return found


def _columns(about: Json) -> Json:
    columns, noise = about.get("columns"), about.get("noise")
    return {
        "columns": [str(c) for c in (columns if isinstance(columns, list) else ())],
        "noise": noise if isinstance(noise, int | float) else None,
    }


def _about(path: Path) -> Json:
    content = guarded.artifact_json(path)
    try:
        distances = _distances(content.get("pairs") or [])
    except (LookupError, TypeError, ValueError, AttributeError):  # not as we write them
        distances = ""
    return {
        "distances": distances,
        "embedder": str(content.get("embedder") or ""),
        "order": str(content.get("order") or ""),
    }


def _distances(pairs: Sequence[Json]) -> str:
    """Say how close the closest is, and what is usual: the median of those drawn at random."""
    if not pairs:
        return ""
    closest = min(float(p["distance"]) for p in pairs)
    random = [float(p["distance"]) for p in pairs if p.get("chosen") == "random"]
    usual = f"usual {number(median(random))}" if random else ""
    return ", ".join(filter(None, [f"closest {number(closest)}", usual]))


def fronts(table: Table) -> list[Json]:
    """Return quality against function evaluations, a line a model, where a score has such a front.

    Models that were judged by what has steered them are left out.
    """
    found = []
    for column in table.columns:
        lines = [line for row in table.models if (line := _line(row, column))]
        if lines:
            details = _details(table.models, column)
            title = str(details.get("quality") or column.title)
            unit = str(details.get("quality_unit") or "")
            found.append({"title": title, "unit": unit, "lines": lines})
    return found


def _details(rows: Iterable[Row], column: Column) -> dict[str, Any]:
    estimates = (e for r in rows if (e := r.sound(column)) is not None)
    return next((e.details for e in estimates if e.details.get("front")), {})


def _line(row: Row, column: Column) -> Json | None:
    """Return one model's front, the mean over the seeds that measured a number of steps."""
    if row.sound(column) is None:
        return None
    by_steps: dict[int, list[Json]] = {}
    for _, score in row.measured(column):
        for point in (score.get("details") or {}).get("front") or ():
            if point["evaluations"] > 0:  # the axis is logarithmic
                by_steps.setdefault(point["steps"], []).append(point)
    points = [_point(steps, seeds) for steps, seeds in by_steps.items()]
    if not points:
        return None
    return {"model": row.label, "points": sorted(points, key=lambda p: float(p["evaluations"]))}


def _point(steps: int, seeds: Sequence[Json]) -> Json:
    estimate = aggregate(seeds)
    low, high = estimate.low, estimate.high
    return {
        "steps": steps,
        "evaluations": sum(float(p["evaluations"]) for p in seeds) / len(seeds),
        "v": significant(estimate.value, 5),
        "above": None if high is None else significant(high - estimate.value),
        "below": None if low is None else significant(estimate.value - low),
    }
