"""The order in which values are told: each one knows those before it, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BEFORE = (1, 2, 3, 4)  # tokens of text that are given directly, not by attention
# rows and pixels from the value to its neighbours in a picture, all of them told before it
_AROUND = (
    (0, -1), (0, -2), (0, -3), (-1, -2), (-1, -1), (-1, 0), (-1, 1), (-1, 2), (-2, -1), (-2, 0),
    (-2, 1), (-3, 0),
)  # fmt: skip


@dataclass(frozen=True)
class Order:
    """Values of one example in the order of reading: rows, pixels of a row, colours of a pixel.

    Text is a single row. A picture is seen as ``rows`` of ``columns`` values, the colours of a
    pixel beside each other, of which every ``channels``-th is of one colour.

    Example:
        >>> order = Order.of((3, 2, 2))
        >>> order.rows, order.columns, order.channels
        (2, 6, 3)
        >>> told = order.told(torch.arange(12).view(1, 3, 2, 2))
        >>> told.tolist()
        [[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]]
        >>> bool((order.shown(told) == torch.arange(12).view(1, 3, 2, 2)).all())
        True
    """

    shape: tuple[int, ...]
    rows: int
    columns: int
    channels: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Order:
        """Return the order of examples of ``shape``: a picture ``[C, H, W]``, else one row."""
        if len(shape) == 3:
            channels, height, width = shape
            return cls(shape, height, width * channels, channels)
        return cls(shape, 1, int(torch.Size(shape).numel()), 1)

    @property
    def length(self) -> int:
        """How many values an example has."""
        return self.rows * self.columns

    def told(self, x: Tensor) -> Tensor:
        """Return the values ``[n, length]`` of ``x`` ``[n, *shape]`` in their order."""
        return (x.movedim(1, -1) if len(self.shape) == 3 else x).flatten(1)

    def shown(self, told: Tensor) -> Tensor:
        """Return examples ``[n, *shape]`` of values ``[n, length]`` in their order."""
        if len(self.shape) != 3:
            return told.view(-1, *self.shape)
        channels, height, width = self.shape
        return told.view(-1, height, width, channels).movedim(-1, 1).contiguous()

    def neighbours(self) -> Tensor:
        """Return the places ``[length, k]`` of values that each one knows best, -1 if outside.

        All come before it: for text the last few; for a picture the pixels to its left and
        above in its own colour, and the colours of its own pixel that were told already.
        """
        place = torch.arange(self.length)
        if self.rows == 1 and self.channels == 1:
            found = [place - back for back in _BEFORE if back < self.length]
            return torch.stack([*found, place - self.length], 1).clamp_min(-1)
        row, column = place // self.columns, place % self.columns
        found = []
        for down, right in _AROUND:
            r, c = row + down, column + right * self.channels
            inside = (r >= 0) & (c >= 0) & (c < self.columns)
            found.append(torch.where(inside, r * self.columns + c, -1))
        for back in range(1, self.channels):
            found.append(torch.where(column % self.channels >= back, place - back, -1))
        # the one just before is a neighbour of none where a row or another pixel begins
        begins = column % self.columns == 0 if self.channels == 1 else column % self.channels == 0
        return torch.stack([*found, torch.where(begins, place - 1, -1)], 1)
