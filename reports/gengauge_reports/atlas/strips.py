"""What a model draws as training goes on, each dataset a strip: the data, then every stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from gengauge import guarded
from gengauge.gather import Trial
from gengauge_reports.atlas.drawing import Frame, dots, shade
from gengauge_reports.atlas.ways import Chart, Stage
from gengauge_reports.figures import cloud, data_uri

_CELLS = 400  # a side of a density, at most
_LINES = 5  # of text
_NO_SHADE = Markup("")


@dataclass(frozen=True)
class Panel:
    """One picture of a strip: points with their density, an image, or a text."""

    kind: str
    path: str = ""
    shade: Markup = _NO_SHADE
    uri: str = ""
    text: str = ""
    outside: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything to be seen."""
        return bool(self.path or self.uri or self.text)


@dataclass(frozen=True)
class Shot:
    """One stage of a strip: how far training had come, and what it drew or why nothing."""

    share: float | None
    budget: str
    panel: Panel
    missing: str = ""


@dataclass(frozen=True)
class View:
    """How a dataset is looked at: the frame and the scale of density that all panels share."""

    chart: Chart
    frame: Frame | None
    peak: float
    real: Panel


def view(chart: Chart) -> View:
    """Return the view of a dataset, its real examples in it."""
    folders = (t.store.dataset_folder(chart.name) for t in chart.trials)
    for folder in folders:
        found = cloud(folder / "points.json")
        if found:
            xs, ys = ([v for v in found[k] if v is not None] for k in ("x", "y"))
            frame = Frame.around(xs, ys)
            grid = _grid(found)
            peak = float(grid[2].max()) if grid else 0.0
            return View(chart, frame, peak, _points(found, frame, peak))
        if panel := _picture(folder / "real.png") or _text(folder / "real.txt"):
            return View(chart, None, 0.0, panel)
    return View(chart, None, 0.0, Panel("none"))


def strip(seen: View, stages: Sequence[Stage]) -> list[Shot]:
    """Return what each stage drew; empty where no stage has left anything to be seen."""
    shots = [_shot(seen, stage) for stage in stages]
    return shots if any(s.panel or s.missing for s in shots) else []


def _shot(seen: View, stage: Stage) -> Shot:
    trial = stage.shown
    if trial is None:
        failed = stage.row.trials[0]
        status = str(failed.record["status"]).replace("_", " ")
        return Shot(stage.share, stage.budget, Panel("none"), f"{status}: {failed.reason}")
    return Shot(stage.share, stage.budget, _drawn(seen, trial))


def _drawn(seen: View, trial: Trial) -> Panel:
    folder = trial.store.trial_folder(trial.key)
    if seen.real.kind == "points":
        found = cloud(folder / "points.json")
        return _points(found, seen.frame, seen.peak) if found else Panel("none")
    return _picture(folder / "samples.png") or _text(folder / "samples.txt")


def _points(found: dict[str, Any], frame: Frame | None, peak: float) -> Panel:
    if frame is None:
        return Panel("none")
    path, outside = dots(frame, found["x"], found["y"])
    grid = _grid(found)
    return Panel("points", path, shade(frame, *grid, peak) if grid else _NO_SHADE, outside=outside)


def _grid(found: dict[str, Any]) -> tuple[list[float], list[float], NDArray[np.float64]] | None:
    """Return the axes and the values ``[len(y), len(x)]`` of a density, None for what is none."""
    density = found.get("density")
    if not density:
        return None
    x, y = density["x"], density["y"]
    whole = not any(v is None for v in (*x, *y)) and 1 < len(x) <= _CELLS and 1 < len(y) <= _CELLS
    if not whole or x[-1] <= x[0] or y[-1] <= y[0]:
        return None
    if len(density["z"]) != len(y) or any(len(line) != len(x) for line in density["z"]):
        return None
    z = np.nan_to_num(np.array(density["z"], dtype=np.float64), posinf=0.0)
    return x, y, z.clip(min=0)


def _picture(path: Path) -> Panel:
    return Panel("image", uri=data_uri(path))


def _text(path: Path) -> Panel:
    lines = guarded.artifact_text(path).splitlines()[:_LINES]
    return Panel("text", text="\n".join(lines))
