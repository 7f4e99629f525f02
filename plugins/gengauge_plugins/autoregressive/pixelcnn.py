"""Masked convolutions over pictures, whole or one value at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.autoregressive.order import Order
from gengauge_plugins.autoregressive.outputs import Output
from gengauge_plugins.networks.logistic import scaled

_HIGH = 3  # rows that the first convolution looks up


def gated(h: Tensor) -> Tensor:
    """Return half the channels of ``h`` ``[n, 2 c, ...]``, each opened by one of the others."""
    told, gate = h.chunk(2, 1)
    return torch.tanh(told) * torch.sigmoid(gate)


@dataclass
class Cache:
    """What drawing keeps: each layer's inputs, of the row above and just to the left.

    ``handed`` is what each layer gives to the values of the row that is being drawn.
    """

    above: list[Tensor]  # [n, width, 1, columns]
    left: list[Tensor]  # [n, width, 1, channels]
    handed: list[Tensor]  # [n, 2 width, 1, columns]


class Layer(nn.Module):
    """A step of both stacks: of what lies above a row, and of what stands left of a value."""

    def __init__(self, width: int, channels: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.side, self.back = channels, channels
        self.above = nn.Conv2d(width, 2 * width, (2, 2 * channels + 1))
        self.above_out = nn.Conv2d(width, width, 1)
        self.left = nn.Conv2d(width, 2 * width, (1, channels + 1))
        self.down = nn.Conv2d(2 * width, 2 * width, 1)
        self.left_out = nn.Conv2d(width, width, 1)
        self.classes = nn.Embedding(classes, 4 * width) if classes else None
        self.dropout = nn.Dropout(dropout)

    def _of(self, y: Tensor | None) -> tuple[Tensor | float, Tensor | float]:
        if self.classes is None or y is None:
            return 0.0, 0.0
        first, second = self.classes(y)[:, :, None, None].chunk(2, 1)
        return first, second

    def higher(self, v: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the next ``v`` of all but the first row of ``v`` ``[n, c, r + 1, columns]``.

        Beside it: what is handed to the values of those rows ``[n, 2 c, r, columns]``.
        """
        pre = self.above(F.pad(v, (self.side, self.side))) + self._of(y)[0]
        return v[:, :, 1:] + self.above_out(self.dropout(gated(pre))), self.down(pre)

    def across(self, h: Tensor, handed: Tensor, y: Tensor | None) -> Tensor:
        """Return the next ``h`` of all but the first ``back`` columns of ``h``."""
        pre = self.left(h) + handed + self._of(y)[1]
        out: Tensor = h[..., self.back :] + self.left_out(self.dropout(gated(pre)))
        return out


class PixelCNN(nn.Module):
    """Gated masked convolutions: each value of a picture from those above it and left of it.

    Two stacks, so that nothing above is out of sight: one sees the rows above a row, the other
    what stands left of a value, and is handed the first. A value sees no further up than three
    rows and one for each layer, but learned maps of row and column tell both where they are.
    Colours of a pixel stand side by side.

    Values are drawn with both stacks' inputs kept: the first goes down a row at a time, the
    second a value at a time, and nothing is computed twice.

    References:
        | Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016)
        | https://arxiv.org/abs/1606.05328
        | Fast Generation for Convolutional Autoregressive Models (Ramachandran et al., 2017)
        | https://arxiv.org/abs/1704.06001
    """

    def __init__(
        self, order: Order, output: Output, classes: int, width: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.order, self.output, self.width = order, output, width
        self.back = 3 * order.channels  # values left of a value that the first convolution sees
        self.side = 2 * order.channels
        self.first_above = nn.Conv2d(2, width, (_HIGH, 2 * self.side + 1))
        self.first_left = nn.Conv2d(2, width, (1, self.back))
        self.above_at = nn.Parameter(torch.zeros(width, order.rows, order.columns))
        self.left_at = nn.Parameter(torch.zeros(width, order.rows, order.columns))
        made = [Layer(width, order.channels, classes, dropout) for _ in range(layers)]
        self.layers: Iterable[Layer] = nn.ModuleList(made)  # type: ignore[assignment]
        self.last, self.head = nn.Conv2d(width, width, 1), nn.Conv2d(width, output.numbers, 1)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.copy_(output.start())  # type: ignore[union-attr]

    def _seen(self, x: Tensor) -> Tensor:
        """Return planes ``[n, 2, ...]`` of ``x``: from -1 to 1, and ones, which padding lacks."""
        value = scaled(x, self.output.levels)
        return torch.stack([value, torch.ones_like(value)], 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return ``[n, length, numbers]`` for the output, of values ``x`` ``[n, length]``."""
        seen = self._seen(x.view(len(x), -1, self.order.columns))
        v = self.first_above(F.pad(seen[:, :, :-1], (self.side, self.side, _HIGH, 0)))
        v = v + self.above_at
        h = self.first_left(F.pad(seen[..., :-1], (self.back, 0))) + self.left_at
        for layer in self.layers:
            v, handed = layer.higher(F.pad(v, (0, 0, 1, 0)), y)
            h = layer.across(F.pad(h, (layer.back, 0)), handed, y)
        return self._told(h).flatten(2).transpose(1, 2)

    def _told(self, h: Tensor) -> Tensor:
        out: Tensor = self.head(F.silu(self.last(F.silu(h))))
        return out

    def memory(self, n: int) -> Cache:
        """Return room for what drawing ``n`` examples keeps."""
        wide = self.above_at.new_zeros(n, self.width, 1, self.order.columns)
        return Cache([wide for _ in self.layers], [], [])

    def step(self, x: Tensor, y: Tensor | None, cache: Cache) -> Tensor:
        """Return ``[n, numbers]`` of the place after ``x`` ``[n, i]``; ``cache`` has those before.

        Every place from the first on must have been asked for, in order.
        """
        row, column = divmod(x.shape[1], self.order.columns)
        if column == 0:
            self._next_row(x, y, row, cache)
        near = x[:, max(row * self.order.columns, x.shape[1] - self.back) :]
        h = F.pad(self._seen(near)[:, :, None], (self.back - near.shape[1], 0))
        h = self.first_left(h) + self.left_at[:, row : row + 1, column : column + 1]
        for i, layer in enumerate(self.layers):
            cache.left[i] = torch.cat([cache.left[i][..., -layer.back :], h], -1)
            h = layer.across(cache.left[i], cache.handed[i][..., column : column + 1], y)
        return self._told(h)[:, :, 0, 0]

    def _next_row(self, x: Tensor, y: Tensor | None, row: int, cache: Cache) -> None:
        """Take the first stack down to ``row``, which begins after ``x``, and start it anew."""
        columns = self.order.columns
        rows = min(row, _HIGH)
        near = x[:, (row - rows) * columns :].view(len(x), rows, columns)
        seen = F.pad(self._seen(near), (self.side, self.side, _HIGH - rows, 0))
        v = self.first_above(seen) + self.above_at[:, row : row + 1]
        cache.handed = []
        for i, layer in enumerate(self.layers):
            both = torch.cat([cache.above[i], v], 2)
            cache.above[i] = v
            v, handed = layer.higher(both, y)
            cache.handed.append(handed)
        start = v.new_zeros(len(x), self.width, 1, self.order.channels)
        cache.left = [start for _ in self.layers]
