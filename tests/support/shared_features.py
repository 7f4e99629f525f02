"""Features that gengauge and its peers are both given, and an embedder that hands them on."""

from __future__ import annotations

import pytest
import torch


def clouds(n, m, d, seed=0):
    """Correlated features with an offset, as networks give them; float32 values in float64."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator) / d**0.5
    x = torch.randn(n, d, generator=generator) @ mix + 2
    y = 1.1 * torch.randn(m, d, generator=generator) @ mix + 2.05
    return x.double(), y.double()


class Itself:
    """The embedder that is no embedder."""

    id, sha256 = "identity", "0"

    def features(self, x):
        return x.flatten(1).double()


def peer(module):
    """The module of a peer; a test without it is skipped and says what to install."""
    return pytest.importorskip(
        module, reason=f"{module} is a test requirement: pip install 'gengauge[test]'"
    )
