"""What the plots of the page show, as plain data; colours and layout are the page's own affair."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gengauge import guarded
from gengauge.aggregate import Estimate
from gengauge.gather import Trial
from gengauge_reports.notation import header
from gengauge_reports.table import Column, Row, Table

Json = dict[str, Any]
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_POINTS = 300  # of a curve: more than a small plot has pixels for


def significant(value: float, digits: int = 4) -> float | None:
    """Round to ``digits`` significant digits, so that the page stays small; None if not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def curves(table: Table) -> list[Json]:
    """Return the learning curves of each model, one a seed; losses are each model's own."""
    found = []
    for row in table.models:
        lines = [line for trial in row.trials if (line := _curve(trial))]
        if lines:
            found.append({"model": row.label, "lines": lines})
    return found


def _curve(trial: Trial) -> Json | None:
    points = trial.store.curve(trial.key)
    train = thinned([p for p in points if p.get("train_loss") is not None])
    validation = thinned([p for p in points if p.get("validation_loss") is not None])
    if max(len(train), len(validation)) < 2:
        return None  # a point is no curve: what counts once learns nothing on the way
    return {
        "seed": trial.seed,
        "train": _line(train, "train_loss"),
        "validation": _line(validation, "validation_loss"),
    }


def thinned(points: Sequence[Json]) -> list[Json]:
    """Return at most 300 of the points, evenly spread, the first and the last among them."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    step = (len(points) - 1) / (_MOST_POINTS - 1)
    return [points[round(i * step)] for i in range(_MOST_POINTS)]


def _line(points: Iterable[Json], key: str) -> Json:
    points = list(points)
    return {
        "step": [p.get("step") for p in points],
        "seconds": [p.get("seconds") for p in points],
        "loss": [significant(p[key], 5) for p in points],
    }


def trade_offs(table: Table) -> Json | None:
    """Return each model's quality by metric beside its training time and its sampling speed."""
    speed = next((c for c in table.columns if c.metric == "samples_per_second"), None)
    quality = [c for c in table.columns if c.suite != "speed" and _scored(c, table.models) > 0]
    training = [training_seconds(r) for r in table.models]
    costs = [c for c in (*training, *(speed and r.estimate(speed) for r in table.models)) if c]
    if not quality or not table.models or not costs:  # samples that were given cost nothing known
        return None
    reals = [r for r in table.controls if r.trials[0].model.get("base") == "real"]
    metrics = [
        {
            "title": f"{header(c)}{f', {c.qualifier}' if c.qualifier else ''}",
            "unit": c.extra_unit,
            "headline": c.headline,
            "real": _value(reals[0].sound(c)) if reals else None,
            "values": [_value(r.sound(c)) for r in table.models],
        }
        for c in sorted(quality, key=lambda c: (not c.headline, -_scored(c, table.models)))
    ]
    return {
        "models": [r.label for r in table.models],
        "training": training,
        "speed": [_value(r.estimate(speed)) if speed else None for r in table.models],
        "metrics": metrics,
    }


def _scored(column: Column, rows: Iterable[Row]) -> int:
    return sum(r.estimate(column) is not None for r in rows)


def _value(estimate: Estimate | None) -> Json | None:
    if estimate is None:
        return None
    above = None if estimate.high is None else estimate.high - estimate.value
    below = None if estimate.low is None else estimate.value - estimate.low
    return {"v": estimate.value, "above": above, "below": below, "kind": estimate.kind}


def training_seconds(row: Row) -> float | None:
    """Return the mean training time of the seeds that finished."""
    times = [
        float(t.record["training"]["seconds"])
        for t in row.trials
        if t.ok and (t.record.get("training") or {}).get("seconds") is not None
    ]
    return sum(times) / len(times) if times else None


def clouds(table: Table, trials: Sequence[Trial]) -> list[Json]:
    """Return the true points, then each model's, every one with its density where known."""
    found = []
    for trial in trials:
        truth = trial.store.dataset_folder(table.dataset) / "points.json"
        if points := cloud(truth):
            found.append({"model": None, "title": "data", **points})
            break
    for row in (*table.models, *table.controls):
        for trial in row.trials:
            path = trial.store.trial_folder(trial.key) / "points.json"
            if trial.ok and (points := cloud(path)):
                found.append({"model": row.label, "title": row.label, **points})
                break
    return found


def cloud(path: Path) -> Json | None:
    """Return the points and the density of a file beside a record, None where it holds none."""
    content = guarded.artifact_json(path)
    try:
        return _points(content) if content else None
    except (LookupError, TypeError, ValueError, ArithmeticError):  # not as we write them
        return None


def _points(content: Json) -> Json:
    density = content.get("density")
    if density is not None:
        density = {
            "x": [significant(v) for v in density["x"]],
            "y": [significant(v) for v in density["y"]],
            "z": [[significant(v, 3) for v in line] for line in density["z"]],
        }
    samples = content.get("samples") or content.get("points") or []
    return {
        "x": [significant(p[0]) for p in samples],
        "y": [significant(p[1]) for p in samples],
        "density": density,
    }


def grids(table: Table, trials: Sequence[Trial]) -> list[Json]:
    """Return the sample grids as data URIs: real pictures first, then models, then controls."""
    return _samples(table, trials, ("real.png", "samples.png"), "uri", data_uri)


def texts(table: Table, trials: Sequence[Trial]) -> list[Json]:
    """Return samples of text: real ones first, then models, then controls."""
    return _samples(table, trials, ("real.txt", "samples.txt"), "text", guarded.artifact_text)


def completions(table: Table, trials: Sequence[Trial]) -> list[Json]:
    """Return how real beginnings of text went on, then how models and controls go on from them."""
    names = ("completions.txt", "completions.txt")
    found = _samples(table, trials, names, "text", guarded.artifact_text)
    return found if any(sheet["role"] != "data" for sheet in found) else []


def _samples(
    table: Table,
    trials: Sequence[Trial],
    names: tuple[str, str],
    key: str,
    read: Callable[[Path], str],
) -> list[Json]:
    """Return what ``read`` gives of two files: one beside the real data, one beside a trial."""
    real, drawn = names
    found: list[Json] = []
    for trial in trials:
        if content := read(trial.store.dataset_folder(table.dataset) / real):
            found.append({"title": "real data", key: content, "role": "data", "seed": None})
            break
    for row in (*table.models, *table.controls):
        role = "control" if row.control else "model"
        for trial in (t for t in row.trials if t.ok):
            if content := read(trial.store.trial_folder(trial.key) / drawn):
                found.append({"title": row.label, key: content, "role": role, "seed": trial.seed})
                break
    return found


def data_uri(path: Path) -> str:
    """Return a PNG file as a data URI; empty where it is missing or no PNG."""
    content = guarded.artifact(path)
    if not content.startswith(_PNG):
        return ""
    return "data:image/png;base64," + base64.b64encode(content).decode()
