"""Files beside a record: sample grids, point clouds, curves and per-example values.

Reports read these and never a tensor.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from gengauge.data import Dataset
from gengauge.errors import DivergedError, UnsupportedError
from gengauge.evidence import Evidence
from gengauge.likelihood import Density
from gengauge.metric import Score
from gengauge.model import Traverses
from gengauge.store import write_json

_LINE_END = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
GRID, POINTS, CELLS, TEXTS = 8, 1000, 80, 12
LATENTS, STEPS = 8, 9  # rows and columns of a traversal


def save_samples(samples: Tensor, clamped: float, folder: Path) -> None:
    """Write samples ``[n, *event]`` losslessly, with the share of values that were clamped."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"samples.{os.getpid()}.tmp"  # another run may draw the same
    save_file({"samples": samples.contiguous()}, temporary, {"clamped": repr(clamped)})
    temporary.replace(folder / "samples.safetensors")


def load_samples(folder: Path) -> tuple[Tensor, float] | None:
    """Return the stored samples ``[n, *event]`` and their clamped share, or None."""
    path = folder / "samples.safetensors"
    if not path.exists():
        return None
    with safe_open(path, "pt") as stored:
        return stored.get_tensor("samples"), float(stored.metadata()["clamped"])


def save_curve(curve: list[dict[str, float]], folder: Path) -> None:
    """Write a learning curve, one JSON line a point, numbers that are not finite left out."""
    finite = [{k: v for k, v in point.items() if np.isfinite(v)} for point in curve]
    lines = [json.dumps(point) + "\n" for point in finite]
    (folder / "curve.jsonl").write_text("".join(lines))


def save_per_example(scores: dict[str, Score], folder: Path) -> bool:
    """Write each score's per-example values ``[n]``, added to those already there."""
    parts = {name: score.per_example for name, score in scores.items()}
    parts |= {f"{name}.raw": score.raw for name, score in scores.items()}
    values = {n: x.to(torch.float64).contiguous() for n, x in parts.items() if x is not None}
    if values:
        path = folder / "per_example.safetensors"
        before = load_file(path) if path.exists() else {}
        temporary = folder / f"per_example.{os.getpid()}.tmp"
        save_file({**before, **values}, temporary)
        temporary.replace(path)
    return bool(values)


def save_picture(evidence: Evidence, folder: Path) -> None:
    """Write what a reader should see of a trial's samples."""
    if evidence.dataset.modality == "image":
        image_grid(evidence.samples, evidence.dataset.levels).save(folder / "samples.png")
    elif evidence.dataset.modality == "points" and evidence.dataset.event_shape == (2,):
        write_json(folder / "points.json", _points(evidence))
    elif evidence.dataset.modality == "text":
        _save_texts(evidence.samples, evidence.dataset, folder / "samples.txt")
        if "prefix" in evidence.conditions:
            _save_completions(evidence, folder / "completions.txt")


def save_traversals(evidence: Evidence, folder: Path) -> None:
    """Write ``traversals.png``, a latent a row, where the model can walk along its latents."""
    model = evidence.model
    if evidence.dataset.modality != "image" or not isinstance(model, Traverses):
        return
    with torch.no_grad():
        walks = model.traverse(LATENTS, STEPS).cpu()
    if len(walks):
        image_grid(walks.flatten(0, 1), None, STEPS, len(walks)).save(folder / "traversals.png")


def save_reference(dataset: Dataset, folder: Path) -> None:
    """Write the real examples that pictures of samples are shown beside."""
    folder.mkdir(parents=True, exist_ok=True)
    if dataset.modality == "image":
        image_grid(dataset.test.x, dataset.levels).save(folder / "real.png")
    elif dataset.modality == "points" and dataset.event_shape == (2,):
        truth = None if dataset.truth is None else _density(dataset.truth.log_prob, dataset)
        points = {"points": _rounded(dataset.test.x[:POINTS]), "density": truth}
        write_json(folder / "points.json", points)
    elif dataset.modality == "text":
        _save_texts(dataset.test.x, dataset, folder / "real.txt")
        _save_texts(dataset.test.x, dataset, folder / "completions.txt", dataset.dimensions // 2)


def image_grid(x: Tensor, levels: int | None, cells: int = GRID, rows: int = 0) -> Image.Image:
    """Return the first images of ``x`` ``[n, C, H, W]`` as one picture, ``cells`` in a row.

    There are ``rows`` of them, or as many as cells in a row.
    """
    rows = rows or cells
    images = x[: rows * cells].to(torch.float64)
    images = images / (levels - 1) if levels else images
    scale = max(1, 32 // images.shape[-2])  # by height: pairs are wider than high
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    n, channels, height, width = pixels.shape
    step_y, step_x = height * scale + 2, width * scale + 2
    sheet = np.full((rows * step_y + 2, cells * step_x + 2, channels), 128, dtype=np.uint8)
    for i in range(n):
        top, left = 2 + i // cells * step_y, 2 + i % cells * step_x
        tile = np.kron(pixels[i].transpose(1, 2, 0), np.ones((scale, scale, 1), dtype=np.uint8))
        sheet[top : top + height * scale, left : left + width * scale] = tile
    return Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet)


def _save_texts(x: Tensor, dataset: Dataset, path: Path, given: int = 0) -> None:
    """Write a dozen texts of tokens ``x`` ``[n, length]``, one a line; their line ends become ⏎.

    Where the first tokens were ``given``, an arrow ⟶ stands before the rest.
    """
    parts = [dataset.text(x[:TEXTS, :given]), dataset.text(x[:TEXTS, given:])]
    whole = [f"{begun} ⟶ {rest}" if given else rest for begun, rest in zip(*parts, strict=True)]
    lines = [_LINE_END.sub("⏎", text) for text in whole]
    shown = ["".join(c if c.isprintable() else "�" for c in line) + "\n" for line in lines]
    path.write_text("".join(shown), encoding="utf-8")


def _save_completions(evidence: Evidence, path: Path) -> None:
    """Write how the model goes on from the beginnings of a dozen test texts, where it can."""
    try:
        drawn = evidence.conditional("prefix", TEXTS)
    except (UnsupportedError, DivergedError):  # what it means for the score is said there
        return
    given = 0 if drawn.prefixes is None else drawn.prefixes.shape[1]
    _save_texts(drawn.samples, evidence.dataset, path, given)


def _points(evidence: Evidence) -> dict[str, Any]:
    model = evidence.model
    density = None
    if isinstance(model, Density):
        density = _density(lambda x: model.log_prob(x.to(evidence.device)), evidence.dataset)
    return {"samples": _rounded(evidence.samples[:POINTS]), "density": density}


def _density(log_prob: Any, dataset: Dataset) -> dict[str, Any] | None:
    low, high = dataset.test.x.min(0).values, dataset.test.x.max(0).values
    margin = 0.1 * (high - low)
    x, y = (
        torch.linspace(float(low[i] - margin[i]), float(high[i] + margin[i]), CELLS) for i in (0, 1)
    )
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
    with torch.no_grad():
        z = log_prob(grid).to("cpu", torch.float64).exp().reshape(CELLS, CELLS)
    if not bool(torch.isfinite(z).all()):
        return None
    return {"x": _rounded(x), "y": _rounded(y), "z": _rounded(z)}


def _rounded(values: Tensor) -> Any:
    return np.round(values.to(torch.float64).numpy(), 5).tolist()
