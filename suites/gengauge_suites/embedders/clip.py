"""OpenAI's CLIP, through open_clip: the judge of CLIP score and of CMMD.

Source: Radford et al. 2021, Learning Transferable Visual Models From Natural Language
Supervision, https://arxiv.org/abs/2103.00020. The file is OpenAI's own, a TorchScript archive in
half precision, whose QuickGELU open_clip restores; other copies are conversions.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gengauge.specs import WeightsFile
from gengauge_suites.embedders.files import (
    CLIP_CROP,
    CLIP_STRETCH,
    CLIP_VIT_B_32,
    CLIP_VIT_L_14_336,
)
from gengauge_suites.embedders.images import pictures, stretched
from gengauge_suites.embedders.pretrained import Pretrained

FILES = {"clip/ViT-B-32": CLIP_VIT_B_32, "clip/ViT-L-14-336": CLIP_VIT_L_14_336}


class ClipEmbedder(Pretrained[Any]):
    """Image and text features ``[n, d]`` of one space, not normalised, in float32.

    ``stretch`` resizes both sides as the reference of CMMD does (Jayasumana et al. 2024,
    https://arxiv.org/abs/2401.09603); else images are cropped as OpenAI does.
    """

    def __init__(
        self, network: str, stretch: bool = False, file: WeightsFile | None = None
    ) -> None:
        self.stretch = stretch
        super().__init__(network, file or FILES[network], CLIP_STRETCH if stretch else CLIP_CROP)

    def _load(self) -> Any:
        from open_clip import load_openai_model

        with warnings.catch_warnings():  # torch deprecates the format of OpenAI's file
            warnings.simplefilter("ignore", FutureWarning)
            return load_openai_model(str(self.path), precision="fp32", device="cpu")

    def features(self, x: Tensor) -> Tensor:
        """Return projected image features ``[n, d]`` of images ``[n, 1 or 3, h, w]``."""
        return self.batched(x, self._embed)

    def _embed(self, part: Tensor) -> Tensor:
        out: Tensor = self.network.encode_image(self.prepared(part).to(self.device))
        return out

    def prepared(self, part: Tensor) -> Tensor:
        """Return what the network is given for RGB bytes ``[n, 3, h, w]``: ``[n, 3, s, s]``."""
        from open_clip import image_transform
        from torchvision.transforms.functional import normalize

        visual = self.network.visual
        size = visual.image_size[0]
        if self.stretch:
            shown: Tensor = normalize(
                stretched(part, size), list(visual.image_mean), list(visual.image_std)
            )
            return shown
        transform = image_transform(
            size, is_train=False, mean=visual.image_mean, std=visual.image_std
        )
        return torch.stack([transform(picture) for picture in pictures(part)])

    def text(self, captions: Sequence[str]) -> Tensor:
        """Return projected text features ``[n, d]``; what exceeds 77 tokens is cut off."""
        from open_clip import get_tokenizer

        tokens: Tensor = get_tokenizer("ViT-B-32")(list(captions))  # one vocabulary for all
        with torch.inference_mode():
            parts = [
                self.network.encode_text(part.to(self.device)).to("cpu", torch.float32)
                for part in torch.split(tokens, self.batch)
            ]
        return torch.cat(parts)
