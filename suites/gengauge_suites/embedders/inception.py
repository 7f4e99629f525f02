"""The Inception network that FID, KID and the Inception score are defined with.

The converted TensorFlow weights of 2015 and the extractor are torch-fidelity's, with TensorFlow's
own bilinear resize inside. The spatial features of sFID: Nash et al. 2021, Generating Images with
Sparse Representations, section 5.1, https://arxiv.org/abs/2103.03841, as in the evaluator of
guided-diffusion (``mixed_6/conv``, first seven channels).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from gengauge.specs import WeightsFile
from gengauge_suites.embedders.files import INCEPTION, TF_BILINEAR
from gengauge_suites.embedders.pretrained import Pretrained

POOL = "2048"
_SPATIAL = 7  # channels that sFID keeps


class InceptionEmbedder(Pretrained[nn.Module]):
    """torch-fidelity's InceptionV3: pool features, class logits and spatial features.

    ``layer`` 64, 192 or 768 gives earlier, averaged features; they go by another id.
    """

    def __init__(self, file: WeightsFile = INCEPTION, layer: str = POOL) -> None:
        self.layer = layer
        super().__init__("inception", file, TF_BILINEAR)
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
        return self.batched(x, lambda part: self._pool(part))

    def _pool(self, part: Tensor) -> Tensor:
        out: tuple[Tensor, ...] = self.network(part.to(self.device))
        return out[0]

    def classes_of(self, features: Tensor) -> Tensor:
        """Return class logits ``[n, 1008]``, without biases, of pool features ``[n, 2048]``."""
        head: Any = self.network.fc
        with torch.inference_mode():
            logits: Tensor = features.to(self.device, torch.float32) @ head.weight.T
        return logits.cpu().clone()

    def classes(self, x: Tensor) -> Tensor:
        """Return class logits ``[n, 1008]``, without biases, of images ``[n, 1 or 3, h, w]``.

        The biases are left out as in the reference code of the Inception score.
        """
        return self.classes_of(self.features(x))

    def spatial(self, x: Tensor) -> Tensor:
        """Return ``[n, 7 * 17 * 17]`` of images: seven channels of the block ``Mixed_6d``."""
        return self.batched(x, lambda part: self._middle(part))

    def _middle(self, part: Tensor) -> Tensor:
        network: Any = self.network
        with _Stop.at(network.Mixed_6d.branch1x1) as stop, suppress(_Reached):
            network(part.to(self.device))
        return stop.output[:, :_SPATIAL].flatten(1)


class _Reached(Exception):
    """The layer that was asked for has been computed; the rest of the network is not needed."""


class _Stop:
    """Keeps the output of a layer and ends the pass there."""

    output: Tensor

    @classmethod
    def at(cls, layer: nn.Module) -> _Stop:
        stop = cls()
        stop._handle = layer.register_forward_hook(stop._keep)
        return stop

    _handle: Any

    def _keep(self, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        self.output = output
        raise _Reached

    def __enter__(self) -> _Stop:
        return self

    def __exit__(self, *error: object) -> None:
        self._handle.remove()
