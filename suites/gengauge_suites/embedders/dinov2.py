"""DINOv2, the encoder behind FD-DINOv2.

Source: Stein et al. 2023, Exposing flaws of generative model evaluation metrics,
https://arxiv.org/abs/2306.04675 (ViT-L/14, class token, Pillow's bicubic to 224 x 224); the
network: Oquab et al. 2023, https://arxiv.org/abs/2304.07193. It is built by timm, which takes the
original file from a folder; torch.hub, which torch-fidelity uses, must reach GitHub to build it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge.specs import WeightsFile
from gengauge_suites.embedders.files import DINOV2_SQUASH, DINOV2_VIT_L_14
from gengauge_suites.embedders.images import squashed
from gengauge_suites.embedders.pretrained import Pretrained

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE, PATCH = 224, 14
_OFFSET = 0.1  # the authors' guard against rounding; it shifts the resampled grid a little


class Dinov2Embedder(Pretrained[nn.Module]):
    """The normalised class token ``[n, 1024]`` of DINOv2 ViT-L/14."""

    def __init__(
        self, network: str = "vit_large_patch14_dinov2", file: WeightsFile = DINOV2_VIT_L_14
    ) -> None:
        self._architecture = network
        super().__init__("dinov2", file, DINOV2_SQUASH)

    def _load(self) -> nn.Module:
        return load(self.path, self._architecture)

    def features(self, x: Tensor) -> Tensor:
        """Return the class token's features ``[n, d]`` of images ``[n, 1 or 3, h, w]``."""
        return self.batched(x, self._embed)

    def _embed(self, part: Tensor) -> Tensor:
        shown = squashed(part, SIZE).to(self.device, torch.float32) / 255
        mean, std = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (MEAN, STD))
        out: Tensor = self.network((shown - mean) / std)
        return out


def load(path: Any, architecture: str) -> nn.Module:
    """Return timm's ``architecture`` for 224 x 224 with the authors' weights from ``path``."""
    import timm

    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    state.pop("mask_token", None)  # used in training alone
    state["pos_embed"] = resampled(state["pos_embed"], SIZE // PATCH)
    network: nn.Module = timm.create_model(
        architecture, pretrained=False, num_classes=0, img_size=SIZE
    )
    network.load_state_dict(state)
    return network


def resampled(position: Tensor, side: int) -> Tensor:
    """Return position embeddings ``[1, 1 + s * s, d]`` for ``side`` patches a side.

    As ``interpolate_pos_encoding`` of the authors' code does it: bicubic without antialiasing, by
    a scale that is a little too large. timm's own resampling is antialiased and gives others.
    """
    old = round((position.shape[1] - 1) ** 0.5)
    grid = position[:, 1:].reshape(1, old, old, -1).permute(0, 3, 1, 2)
    scale = (side + _OFFSET) / old
    grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
    return torch.cat([position[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
