"""Captions and the images drawn for them, beside a record: reports show them side by side."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image
from torch import Tensor

from gengauge.data import Dataset
from gengauge.errors import DivergedError, UnsupportedError
from gengauge.evidence import Evidence
from gengauge.store import write_json

SHOWN = 12  # captions
NAME = "captioned.json"


def save_real(dataset: Dataset, folder: Path) -> None:
    """Write the first test captions with their real images, where the data has captions."""
    captions = dataset.test.captions
    if dataset.modality == "image" and captions:
        folder.mkdir(parents=True, exist_ok=True)
        _save(captions, dataset.test.x, dataset.levels, folder)


def save_drawn(evidence: Evidence, folder: Path, *, measured: bool) -> None:
    """Write the first test captions with the model's images, where it takes captions.

    These are what was ``measured``, or else drawn for this alone.
    """
    if evidence.dataset.modality != "image" or "caption" not in evidence.conditions:
        return
    try:
        drawn = evidence.conditional("caption", None if measured else SHOWN)
    except (UnsupportedError, DivergedError):  # what it means for the scores is said there
        return
    _save(drawn.captions or (), drawn.samples, evidence.dataset.levels, folder)


def _save(captions: Sequence[str], x: Tensor, levels: int | None, folder: Path) -> None:
    pairs = zip(captions[:SHOWN], x[:SHOWN], strict=True)
    rows = [{"caption": caption, "png": _png(image, levels)} for caption, image in pairs]
    write_json(folder / NAME, {"rows": rows})


def _png(image: Tensor, levels: int | None) -> str:
    """Return an image ``[C, H, W]`` as PNG in base64."""
    share = image.double() / (levels - 1) if levels else image.double()
    pixels = (share.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    grey = pixels.shape[2] == 1
    file = BytesIO()
    Image.fromarray(pixels[:, :, 0] if grey else pixels).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()
