"""The classes a model was trained on, and how labels take part in a decoder's prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Classes:
    """Labels that have examples, ``seen`` ``[m]`` rising, with their frequencies ``[m]``.

    ``count`` is the number of classes, those without an example included.

    Example:
        >>> classes = Classes.of(torch.tensor([2, 0, 2, 2]), 4)
        >>> classes.seen, classes.frequency
        (tensor([0, 2]), tensor([0.2500, 0.7500], dtype=torch.float64))
        >>> classes.at(torch.tensor([-3.0, -0.7, -0.6, 3.0]))
        tensor([0, 0, 2, 2])
    """

    seen: Tensor
    frequency: Tensor
    count: int

    @classmethod
    def of(cls, labels: Tensor, count: int) -> Classes:
        """Return the classes of training ``labels`` ``[n]``."""
        seen, members = torch.unique(labels.cpu(), return_counts=True)
        return cls(seen, members.double() / len(labels), count)

    def at(self, u: Tensor) -> Tensor:
        """Return the label ``[...]`` that a standard normal number ``u`` ``[...]`` stands for.

        The number's quantile, cut by the frequencies: so a label can be one of the latents of a
        decoder whose prior must have a density.
        """
        share = torch.special.ndtr(u.detach().double()).cpu()
        which = torch.searchsorted(self.frequency.cumsum(0), share)
        return self.seen[which.clamp_max(len(self.seen) - 1)].to(u.device)

    def described(self) -> dict[str, Any]:
        """Return all there is to know, as JSON has it."""
        return {
            "seen": self.seen.tolist(), "frequency": self.frequency.tolist(), "count": self.count
        }  # fmt: skip

    @classmethod
    def restored(cls, known: dict[str, Any]) -> Classes:
        """Return the classes that ``described`` wrote."""
        seen = torch.tensor(known["seen"], dtype=torch.int64)
        frequency = torch.tensor(known["frequency"], dtype=torch.float64)
        return cls(seen, frequency, known["count"])
