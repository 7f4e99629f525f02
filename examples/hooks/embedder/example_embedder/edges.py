"""Histograms of edge directions, as in HOG (Dalal & Triggs 2005)."""

import hashlib
import math
from dataclasses import dataclass

import torch

DIRECTIONS = 8
VERSION = "edges 1"  # raise it when the features change: distances are then not compared


@dataclass(frozen=True)
class Edges:
    """Counts of edge directions, weighed by how sharp edges are, in each quarter."""

    levels: int | None = None
    id: str = "example/edges"

    @property
    def sha256(self):
        """What decides the features: there are no weights."""
        return hashlib.sha256(f"{VERSION} {DIRECTIONS} {self.levels}".encode()).hexdigest()

    def for_levels(self, levels):
        """Return this embedder for pictures of ``levels``."""
        return Edges(levels)

    def features(self, x):
        """Return features ``[n, 4 * DIRECTIONS]`` of pictures ``[n, C, H, W]``."""
        grey = x.double().mean(1) / (self.levels or 1)
        down, right = torch.gradient(torch.nn.functional.pad(grey, (1, 1, 1, 1)), dim=(1, 2))
        sharp = torch.hypot(down, right)
        turn = (torch.atan2(down, right) / math.pi % 1 * DIRECTIONS).long() % DIRECTIONS
        each = torch.nn.functional.one_hot(turn, DIRECTIONS) * sharp[..., None]
        quarters = torch.nn.functional.adaptive_avg_pool2d(each.permute(0, 3, 1, 2), 2)
        return quarters.flatten(1).float()
