"""Brings images of any levels to what published networks take: RGB bytes, resized by their rule."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F


def as_bytes(x: Tensor, levels: int | None) -> Tensor:
    """Return images ``[n, 1 or 3, h, w]`` as RGB bytes ``[n, 3, h, w]``, uint8.

    Levels ``0 .. levels - 1`` are spread evenly over 0 .. 255 (256 levels stay as they are), floats
    in ``[0, 1]`` (``levels`` None) are rounded to the nearest byte, grey is repeated. Raises
    ``ValueError`` for other shapes.

    >>> as_bytes(torch.tensor([[[[0, 8, 16]]]]), 17)[0, :, 0].tolist()
    [[0, 128, 255], [0, 128, 255], [0, 128, 255]]
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"pretrained embedders take images [n, 1 or 3, h, w], not {list(x.shape)}")
    if levels != 256:
        unit = x.to(torch.float64) if levels is None else x.to(torch.float64) / (levels - 1)
        x = (unit * 255).round().clamp(0, 255)
    return x.to(torch.uint8).expand(-1, 3, -1, -1)


def pictures(x: Tensor) -> list[Image.Image]:
    """Return bytes ``[n, 3, h, w]`` as Pillow images, whose resizing the references use."""
    return [Image.fromarray(np.ascontiguousarray(one.permute(1, 2, 0).numpy())) for one in x.cpu()]


def squashed(x: Tensor, size: int) -> Tensor:
    """Return bytes ``[n, 3, h, w]`` resized to ``[n, 3, size, size]`` by Pillow's bicubic filter.

    Both sides are fitted, nothing is cropped and values are rounded to bytes, as dgm-eval does.
    torch's own antialiased filter differs by up to two grey levels.
    """
    small = [p.resize((size, size), Image.Resampling.BICUBIC) for p in pictures(x)]
    return torch.stack([torch.from_numpy(np.array(p)).permute(2, 0, 1) for p in small])


def stretched(x: Tensor, size: int) -> Tensor:
    """Return bytes ``[n, 3, h, w]`` as floats in about ``[0, 1]``, ``[n, 3, size, size]``.

    Antialiased bicubic (Keys, a = -1/2) of floats, neither rounded nor clamped, as
    ``jax.image.resize`` does it in the reference of CMMD.
    """
    unit = x.to(torch.float32) / 255
    return F.interpolate(unit, (size, size), mode="bicubic", antialias=True)
