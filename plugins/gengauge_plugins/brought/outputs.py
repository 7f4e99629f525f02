"""Brings what strangers' models return into the data's own form: shape, size and levels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gengauge.errors import DivergedError, UsageError

_MODES = {"bicubic": "bicubic", "bilinear": "bilinear", "box": "area", "nearest": "nearest-exact"}


def as_tensor(made: Any, name: str) -> Tensor:
    """Return samples as a tensor on the CPU: tensors, arrays, data frames, lists of pictures.

    ``UsageError`` for anything else.
    """
    if isinstance(made, Tensor):
        return made.detach().cpu()
    if isinstance(made, tuple) and len(made) == 2 and not isinstance(made[0], int | float):
        return as_tensor(made[0], name)  # scikit-learn's mixtures return the components as well
    if isinstance(made, list | tuple) and made and hasattr(made[0], "getbands"):
        return _pictures(made)
    try:
        if isinstance(made, list | tuple) and made and isinstance(made[0], Tensor):
            return torch.stack([row.detach().cpu() for row in made])
        array = np.asarray(made)
        if array.dtype.kind not in "fiub" or array.ndim == 0:
            raise TypeError(f"values of type {array.dtype}")
        return torch.from_numpy(np.ascontiguousarray(array))
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(made).__name__
        raise UsageError(
            f"{name} returned a {kind} that is no array ({error}); return a tensor, an array or a "
            "list of pictures, one for each sample"
        ) from None


def _pictures(made: Any) -> Tensor:
    """Return PIL pictures as levels ``[n, C, H, W]``."""
    planes = [np.asarray(p if p.mode in ("L", "RGB") else p.convert("RGB")) for p in made]
    rows = [torch.from_numpy(x.copy()).reshape(*x.shape[:2], -1).permute(2, 0, 1) for x in planes]
    if len({row.shape for row in rows}) > 1:
        raise ValueError("the pictures differ in shape")
    return torch.stack(rows)


def shaped(
    x: Tensor, n: int, shape: tuple[int, ...], data: str, name: str, resize: str = "none"
) -> Tensor:
    """Return ``x`` as ``[n, *shape]``: flat rows and channels that come last are put in order.

    Pictures of another size are resized by the rule ``resize``. ``UsageError`` says which numbers
    of samples, channels or pixels differ, and what to do.
    """
    if len(x) != n:
        raise UsageError(
            f"{name} returned {len(x)} samples where {n} were asked for; return one for each"
        )
    if tuple(x.shape[1:]) == shape:
        return x
    if x.ndim == 2 and x.shape[1] == math.prod(shape):
        return x.reshape(n, *shape)
    if len(shape) == 3 and x.ndim in (3, 4):
        x = _channels_first(x, shape[0])
        if x.shape[1] != shape[0]:
            raise UsageError(
                f"{name} makes pictures of {x.shape[1]} channels, and those of {data} have "
                f"{shape[0]}; take data it was trained for"
            )
        if tuple(x.shape[1:]) == shape:
            return x
        if resize != "none":
            return _resized(x, shape[1:], resize)
    advice = "take data it was trained for"
    if len(shape) == 3 and x.ndim == 4:
        advice += ", or a rule to resize by, such as resize=bicubic"
    raise UsageError(
        f"{name} makes samples of shape {list(x.shape[1:])}, and those of {data} have "
        f"{list(shape)}; {advice}"
    )


def _channels_first(x: Tensor, channels: int) -> Tensor:
    if x.ndim == 3:  # grey pictures without their one channel
        return x.unsqueeze(1)
    last = x.shape[-1] in (1, 3, 4) and x.shape[1] not in (1, 3, 4)
    return x.movedim(-1, 1) if last or (x.shape[-1] == channels != x.shape[1]) else x


def _resized(x: Tensor, size: tuple[int, ...], rule: str) -> Tensor:
    """Return floats of the wanted size; integers come back as integers of the same range."""
    mode = _MODES[rule]
    smooth: dict[str, Any] = (
        {"antialias": True, "align_corners": False} if mode.startswith("bi") else {}
    )
    made = F.interpolate(x.to(torch.float32), size, mode=mode, **smooth)
    if x.is_floating_point():
        return made
    return made.round().clamp(int(x.min()), int(x.max())).to(x.dtype)


def in_levels(x: Tensor, range_: str, levels: int | None, name: str) -> Tensor:
    """Return the levels nearest to outputs of ``range_``; integers and continuous data stay.

    What lies outside the range stays outside, so that the record can say how much that was.
    ``DivergedError`` where values are not finite, ``UsageError`` where nobody said the range.
    """
    if x.dtype == torch.bool:
        x = x.to(torch.uint8)
    if levels is None or not x.is_floating_point():
        return x
    bad = int((~torch.isfinite(x)).flatten(1).any(1).sum())
    if bad:
        raise DivergedError(f"{bad} of {len(x)} samples of {name} hold values that are not finite")
    if range_ == "unsaid":
        raise UsageError(
            f"{name} returned floats from {float(x.min()):.3g} to {float(x.max()):.3g}, and nobody "
            "said what stands for black and white; give range=-1..1, range=0..1 or range=levels"
        )
    low, high = {"-1..1": (-1.0, 1.0), "0..1": (0.0, 1.0)}.get(range_, (0.0, levels - 1.0))
    return ((x.double() - low) / (high - low) * (levels - 1)).round().long()
