"""No embedding at all."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


class IdentityEmbedder:
    """Flattens each example and changes no value.

    Grey levels stay whole numbers, so distances are in the data's own units.
    """

    id = "identity"
    sha256 = hashlib.sha256(b"identity: flatten to float64").hexdigest()

    def features(self, x: Tensor) -> Tensor:
        """Return ``x`` ``[n, *event]`` as ``[n, d]``, float64.

        >>> IdentityEmbedder().features(torch.tensor([[[1, 2], [3, 4]]], dtype=torch.uint8))
        tensor([[1., 2., 3., 4.]], dtype=torch.float64)
        """
        return x.flatten(1).to(torch.float64)
