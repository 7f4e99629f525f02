"""CLIPs through open_clip: the judges of CLIP score, R-precision and CMMD.

Source: Radford et al. 2021, Learning Transferable Visual Models From Natural Language
Supervision, https://arxiv.org/abs/2103.00020. All go one way: pixels are prepared as the
network's own configuration says, captions read by its own tokenizer; only where the network and
its tokenizer come from differs (``openai_clip``, ``local_clip``).
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from gengauge.errors import UnsupportedError
from gengauge_suites.embedders.images import pictures, stretched
from gengauge_suites.embedders.pretrained import Networked

Tokenizer = Callable[..., Tensor]  # (texts, context_length=) -> [n, context_length]


class Clip(Networked[Any]):
    """Image and text features ``[n, d]`` of one space, not normalised, in float32.

    ``stretch`` resizes both sides as the reference of CMMD does (Jayasumana et al. 2024,
    https://arxiv.org/abs/2401.09603); else as the network's configuration says: OpenAI's resize
    the shorter side with Pillow's bicubic filter and crop the centre.
    """

    stretch = False

    @abstractmethod
    def _tokenizer(self) -> Tokenizer:
        """Return what turns captions into numbers."""

    def _check_captions(self, captions: Sequence[str]) -> None:
        """Raise ``ValueError`` for a caption that says nothing."""
        for i, caption in enumerate(captions):
            if not caption.strip():
                raise ValueError(f"caption {i} is empty; give {self.id} one that says something")

    def _check_images(self, x: Tensor) -> None:
        """Raise ``ValueError`` for images that the network was not made for."""

    def features(self, x: Tensor) -> Tensor:
        """Return projected image features ``[n, d]`` of images ``[n, 1 or 3, h, w]``."""
        self._check_images(x)
        return self.batched(x, self._embed)

    def _embed(self, part: Tensor) -> Tensor:
        out: Tensor = self.network.encode_image(self.prepared(part).to(self.device))
        return out

    def embed(self, x: Tensor) -> Tensor:
        """Return features ``[n, d]`` of float levels ``[n, 1 or 3, h, w]``, with their gradient.

        Resizing is torch's, which rounds nothing: where an image must be resized, features differ
        from those of ``features`` by what Pillow's rounding to bytes does, below one per cent.
        """
        self._check_images(x)
        network = self._network.on(x.device)
        top = 1.0 if self.levels is None else self.levels - 1.0
        unit = x.to(network.logit_scale.dtype).expand(-1, 3, -1, -1) / top
        out: Tensor = network.encode_image(self._normal(self._resized(unit)))
        return out

    @property
    def _rules(self) -> Any:
        """How images are resized and normalised: open_clip's ``PreprocessCfg``."""
        from open_clip.model import get_model_preprocess_cfg
        from open_clip.transform import PreprocessCfg

        return PreprocessCfg(**get_model_preprocess_cfg(self.network.visual))

    def _size(self) -> tuple[int, int]:
        size = self._rules.size
        height, width = (size, size) if isinstance(size, int) else size
        return height, width

    def prepared(self, part: Tensor) -> Tensor:
        """Return what the network is given for RGB bytes ``[n, 3, h, w]``: ``[n, 3, s, s]``."""
        from open_clip.transform import image_transform_v2

        if self.stretch:
            return self._normal(stretched(part, self._size()[0]))
        if tuple(part.shape[2:]) == self._size():  # Pillow would leave them as they are
            return self._normal(part.to(torch.float32) / 255)
        transform = image_transform_v2(self._rules, is_train=False)
        return torch.stack([transform(picture) for picture in pictures(part)])

    def _normal(self, unit: Tensor) -> Tensor:
        """Return values in ``[0, 1]`` less the mean, over the deviation of the network's data."""
        from torchvision.transforms.functional import normalize

        normal: Tensor = normalize(unit, list(self._rules.mean), list(self._rules.std))
        return normal

    def _resized(self, unit: Tensor) -> Tensor:
        """Return ``unit`` ``[n, 3, h, w]`` at the network's size, differentiable."""
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.functional import center_crop, resize

        size, rules = list(self._size()), self._rules
        if list(unit.shape[2:]) == size:
            return unit
        kernel = InterpolationMode(rules.interpolation)
        if self.stretch:
            whole: Tensor = resize(unit, size, InterpolationMode.BICUBIC, antialias=True)
            return whole
        if rules.resize_mode == "squash":
            squashed: Tensor = resize(unit, size, kernel, antialias=True)
            return squashed.clamp(0, 1)
        if rules.resize_mode != "shortest" or size[0] != size[1]:
            raise UnsupportedError(
                f"{self.id} cannot steer: images are resized to {size} by '{rules.resize_mode}', "
                "and only 'shortest' to a square and 'squash' are differentiated"
            )
        shorter = resize(unit, size[:1], kernel, antialias=True)
        cropped: Tensor = center_crop(shorter, size)
        return cropped.clamp(0, 1)  # Pillow keeps to bytes, which bicubic filters overshoot

    def text(self, captions: Sequence[str]) -> Tensor:
        """Return projected text features ``[n, d]``.

        Warns of captions that are too long, whose ends are cut off. ``ValueError`` for a caption
        that says nothing, or where there is none.
        """
        said = list(captions)
        if not said:
            raise ValueError(f"no captions were given; give {self.id} at least one")
        self._check_captions(said)
        with torch.inference_mode():
            parts = [
                self.network.encode_text(part.to(self.device)).to("cpu", torch.float32)
                for part in torch.split(self._tokens(said), self.batch)
            ]
        return torch.cat(parts)

    def _tokens(self, captions: list[str]) -> Tensor:
        """Return the numbers of ``captions`` ``[n, length]``, and warn of those that were cut."""
        tokenizer, length = self._tokenizer(), int(self.network.context_length)
        tokens: Tensor = tokenizer(captions, context_length=length)
        # with room for one more, the end of a caption that was cut stands elsewhere
        roomy = tokenizer(captions, context_length=length + 1)
        if cut := int((roomy[:, :length] != tokens).any(1).sum()):
            warnings.warn(
                f"{self.id} reads {length} tokens, the first and the last among them; what "
                f"{cut} of {len(captions)} captions say after them is cut off",
                stacklevel=3,
            )
        return tokens
