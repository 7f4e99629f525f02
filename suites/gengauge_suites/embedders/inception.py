"""The Inception network that FID, KID and the Inception score are defined with.

The converted TensorFlow weights of 2015 and the extractor are torch-fidelity's, with TensorFlow's
own bilinear resize inside. The spatial features of sFID: Nash et al. 2021, Generating Images with
Sparse Representations, section 5.1, https://arxiv.org/abs/2103.03841, as in the evaluator of
guided-diffusion (``mixed_6/conv``, first seven channels).
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from gengauge.errors import UnsupportedError
from gengauge.specs import WeightsFile
from gengauge_suites.embedders.files import INCEPTION, TF_BILINEAR
from gengauge_suites.embedders.pretrained import Pretrained

POOL = "2048"
SPATIAL = 7  # channels that sFID keeps
_KEPT = 200  # blocks of images whose other half is kept


class InceptionEmbedder(Pretrained[nn.Module]):
    """torch-fidelity's InceptionV3: pool features, class logits and spatial features.

    One pass gives both kinds of features: the kind that was not asked for is kept until it is.
    ``layer`` 64, 192 or 768 gives earlier, averaged features alone; they go by another id.
    """

    def __init__(self, file: WeightsFile = INCEPTION, layer: str = POOL) -> None:
        self.layer = layer
        super().__init__("inception", file, TF_BILINEAR)
        self._kept: dict[tuple[str, str], Tensor] = {}
        if layer != POOL:
            self.id = f"inception/{layer}"

    def _load(self) -> nn.Module:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        extractor: nn.Module = FeatureExtractorInceptionV3(
            "inception-v3-compat", [self.layer], feature_extractor_weights_path=str(self.path)
        )
        return extractor

    def features(self, x: Tensor) -> Tensor:
        """Return the layer's features, pooled, ``[n, 2048]`` of images ``[n, 1 or 3, h, w]``."""
        return self._of_one_pass(x, "features", "spatial")

    def spatial(self, x: Tensor) -> Tensor:
        """Return ``[n, 7 * 17 * 17]`` of images: seven channels of the block ``Mixed_6d``."""
        if self.layer != POOL:
            raise UnsupportedError(f"{self.id} ends before the layer of the spatial features")
        return self._of_one_pass(x, "spatial", "features")

    def _of_one_pass(self, x: Tensor, wanted: str, other: str) -> Tensor:
        key = hashlib.sha256(f"{self.levels}{x.dtype}{list(x.shape)}".encode())
        key.update(x.cpu().contiguous().numpy().tobytes())
        found = self._kept.pop((wanted, key.hexdigest()), None)
        if found is not None:
            return found
        both = self.batched(x, self._embed)
        halves = {"features": both[:, : int(self.layer)], "spatial": both[:, int(self.layer) :]}
        if len(self._kept) >= _KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[other, key.hexdigest()] = halves[other].clone()
        return halves[wanted].clone()

    def _embed(self, part: Tensor) -> Tensor:
        """Return pool and spatial features of bytes ``[b, 3, h, w]`` side by side."""
        network: Any = self.network
        middle: list[Tensor] = []
        hook = network.Mixed_6d.branch1x1.register_forward_hook(
            lambda layer, inputs, output: middle.append(output[:, :SPATIAL].flatten(1))
        )
        try:
            (pooled,) = network(part.to(self.device))
        finally:
            hook.remove()
        return torch.cat([pooled, *middle], dim=1)

    def classes_of(self, features: Tensor) -> Tensor:
        """Return class logits ``[n, 1008]``, without biases, of pool features ``[n, 2048]``.

        The biases are left out as in the reference code of the Inception score.
        """
        head: Any = self.network.fc
        with torch.inference_mode():
            logits: Tensor = features.to(self.device, torch.float32) @ head.weight.T
        return logits.cpu().clone()

    def classes(self, x: Tensor) -> Tensor:
        """Return class logits ``[n, 1008]``, without biases, of images ``[n, 1 or 3, h, w]``."""
        return self.classes_of(self.features(x))
