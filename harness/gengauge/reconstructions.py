"""Test images beside what a model makes of them: as they are, with noise, or half hidden."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gengauge.artifacts import image_grid
from gengauge.evidence import Evidence
from gengauge.model import Denoiser, Inpainter, Reconstructor
from gengauge.store import write_json
from gengauge.units import in_units

SIDE = 4  # images in a row and in a column of the sheet
NOISE = 0.2  # deviation, as a share of the data's range


def save_reconstructions(evidence: Evidence, folder: Path) -> None:
    """Write ``reconstructions.png`` and ``.json``, which names the columns of each group.

    A group is a test image, its reconstruction, the image with noise, the image after that noise
    was removed, the image with its right half hidden, and with that half filled in: as far as the
    model can do each. One that can do none has no picture, and neither have floats, which have no
    agreed black and white.
    """
    model, levels = evidence.model, evidence.dataset.levels
    if not isinstance(model, Reconstructor | Denoiser | Inpainter) or levels is None:
        return
    x = evidence.reference[: SIDE * SIDE]
    columns = {"test image": x}
    with torch.no_grad():
        if isinstance(model, Reconstructor):
            raw = model.reconstruct(x.to(evidence.device)).detach().cpu()
            columns["reconstruction"] = in_units(raw, len(x), evidence.dataset)[0]
        if isinstance(model, Denoiser):
            sigma = NOISE * (levels - 1)
            noisy = _noisy(x, sigma, evidence.generator("reconstructions"))
            guess = model.denoise(noisy.to(evidence.device), sigma).detach().cpu()
            columns |= {"with noise": _whole(noisy, levels), "denoised": _whole(guess, levels)}
        if isinstance(model, Inpainter):
            columns |= _filled(model, x, evidence)
    image_grid(side_by_side(list(columns.values()), levels), levels, SIDE).save(
        folder / "reconstructions.png"
    )
    content = {"columns": list(columns), "noise": NOISE if isinstance(model, Denoiser) else None}
    write_json(folder / "reconstructions.json", content)


def _filled(model: Inpainter, x: Tensor, evidence: Evidence) -> dict[str, Tensor]:
    """Return images without their right halves, and what the model puts there."""
    known = torch.ones_like(x, dtype=torch.bool)
    known[..., x.shape[-1] // 2 :] = False
    hidden = torch.where(known, x, 0)
    seed = evidence.generator("inpainting").initial_seed()
    stream = torch.Generator(evidence.device).manual_seed(seed)
    raw = model.inpaint(hidden.to(evidence.device), known.to(evidence.device), stream)
    filled, _ = in_units(raw.detach().cpu(), len(x), evidence.dataset)
    return {"half hidden": hidden, "filled in": filled}


def _noisy(x: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    noise = torch.randn(x.shape, generator=generator)
    return x.to(torch.float32) + sigma * noise


def _whole(x: Tensor, levels: int) -> Tensor:
    return x.nan_to_num(0.0).round().clamp(0, levels - 1).to(torch.int64)


def side_by_side(columns: list[Tensor], levels: int) -> Tensor:
    """Return images ``[n, C, H, W']``: ``columns`` of ``[n, C, H, W]``, thin lines between them.

    A wider line ends each group.
    """
    line = torch.full_like(columns[0][..., :1], levels // 2, dtype=torch.int64)
    parts = [part for x in columns for part in (x.to(torch.int64), line)]
    return torch.cat([*parts, line, line], -1)
