"""Pictures spoilt in known ways, which a distance must put in order."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

ORDER = ("real", "shift", "light blur", "light noise", "strong blur", "one class", "uniform noise")


def spoilt(x: Tensor, one_class: Tensor) -> dict[str, Tensor]:
    """Return ``x`` uint8 ``[n, c, h, w]`` spoilt ever more, in the order above.

    ``one_class`` are pictures of a single class, which are repeated to as many.
    """
    generator = torch.Generator().manual_seed(0)
    noise = 8 * torch.randn(x.shape, generator=generator)
    made = (
        x,
        x.roll(1, -1),
        gaussian_blur(x, 5, 0.5),
        (x + noise).round().clamp(0, 255).to(torch.uint8),
        gaussian_blur(x, 9, 1.5),
        one_class.repeat(len(x) // len(one_class) + 1, 1, 1, 1)[: len(x)],
        torch.randint(256, x.shape, generator=generator).to(torch.uint8),
    )
    return dict(zip(ORDER, made, strict=True))
