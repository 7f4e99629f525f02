"""A causal transformer over the values of an example, whole or one value at a time."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.autoregressive.order import Order
from gengauge_plugins.autoregressive.outputs import Output

_PRIOR = 20.0  # tokens that a context is thought to have had before any is counted
Cache = list[tuple[Tensor, Tensor]]


class Block(nn.Module):
    """Attention to what came before, then a perceptron, each added to what it was given."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.asked = nn.Linear(width, 3 * width, bias=False)
        self.answered = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def _split(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values ``[n, heads, t, width / heads]``."""
        n, t, width = h.shape
        parts = self.asked(self.norms[0](h)).view(n, t, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def _rest(self, h: Tensor, heard: Tensor) -> Tensor:
        h = h + self.dropout(self.answered(heard.transpose(1, 2).flatten(2)))
        inner = F.gelu(self.wide(self.norms[1](h)), approximate="tanh")
        out: Tensor = h + self.dropout(self.narrow(inner))
        return out

    def forward(self, h: Tensor) -> Tensor:
        """Return ``[n, t, width]``, where place i heard of places 0 to i."""
        q, k, v = self._split(h)
        return self._rest(h, F.scaled_dot_product_attention(q, k, v, is_causal=True))

    def step(self, h: Tensor, i: int, known: tuple[Tensor, Tensor]) -> Tensor:
        """Return place ``i`` ``[n, 1, width]``, its key and value written beside those before."""
        q, k, v = self._split(h)
        keys, values = known
        keys[:, :, i : i + 1], values[:, :, i : i + 1] = k, v
        heard = F.scaled_dot_product_attention(q, keys[:, :, : i + 1], values[:, :, : i + 1])
        return self._rest(h, heard)


class Transformer(nn.Module):
    """What comes next at every place of an example, from what came before it alone.

    The input of place i is a sum of embeddings: of its neighbours among the values before it
    (:meth:`Order.neighbours`), of its row, column and colour, and of the class. So attention is
    free for what lies further back, which on short training is worth most of a bit.

    References:
        | Attention Is All You Need (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762
        | On Layer Normalization in the Transformer Architecture (Xiong et al., 2020)
        | https://arxiv.org/abs/2002.04745
    """

    places: Tensor

    def __init__(
        self, order: Order, output: Output, classes: int, width: int, layers: int, heads: int,
        dropout: float, text: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.order, self.output, self.width, self.heads = order, output, width, heads
        near = order.neighbours()
        self.register_buffer("places", near + 1, persistent=False)  # 0 is outside
        self.symbols = output.levels + 1  # the last one stands for outside
        self.values = nn.Parameter(self._smooth(near.shape[1]))
        self.rows = nn.Parameter(0.02 * torch.randn(order.rows, 1, width))
        self.columns = nn.Parameter(0.02 * torch.randn(order.columns, width))
        self.classes = nn.Embedding(classes, width) if classes else None
        self.pairs = nn.Parameter(torch.zeros(self.symbols, output.numbers)) if text else None
        self.dropout = nn.Dropout(dropout)
        made = [Block(width, heads, dropout) for _ in range(layers)]
        self.blocks: Iterable[Block] = nn.ModuleList(made)  # type: ignore[assignment]
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, output.numbers)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.copy_(output.start())

    def _smooth(self, neighbours: int) -> Tensor:
        """Return first embeddings ``[neighbours * symbols, width]``.

        Levels of a picture start from embeddings that change slowly from level to level.
        """
        own = torch.randn(neighbours, self.symbols, self.width)
        if len(self.order.shape) == 3:
            level = torch.linspace(-1, 1, self.symbols - 1)[:, None]
            wave = torch.sin(level * 2 * torch.randn(neighbours, 1, self.width) + own[:, :1])
            own = torch.cat([wave, own[:, -1:]], 1)
        return 0.2 * own.flatten(0, 1)

    def _embedded(self, x: Tensor, first: int, last: int) -> Tensor:
        """Return inputs ``[n, last - first, width]`` of those places, from values ``[n, any]``."""
        near = self.places[first:last]
        padded = F.pad(x, (1, 0), value=self.symbols - 1)
        # what has not been told yet is never looked up: its column may be missing
        symbols = padded[:, near.clamp_max(x.shape[1])]
        offsets = torch.arange(near.shape[1], device=x.device) * self.symbols
        bags = (symbols + offsets).flatten(0, 1)
        h = F.embedding_bag(bags, self.values, mode="sum").view(len(x), last - first, -1)
        where = (self.rows + self.columns).flatten(0, 1)
        return h + where[first:last]

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        """Start from the counts of neighbouring tokens in ``x`` ``[n, length]``, if this is text.

        Networks take most of a short training to find them out.
        """
        if self.pairs is None:
            return
        tokens = self.symbols - 1
        before = F.pad(x[:, :-1], (1, 0), value=tokens)
        pairs = torch.bincount((before * tokens + x).flatten(), minlength=self.symbols * tokens)
        counts = pairs.view(self.symbols, tokens).double()
        share = (counts.sum(0) + 1) / (counts.sum() + tokens)
        self.pairs.copy_((counts + share * _PRIOR).log() - (counts.sum(1)[:, None] + _PRIOR).log())

    def _told(self, h: Tensor, before: Tensor) -> Tensor:
        """Return numbers for the output of ``h``, the value just ``before`` each being known."""
        out: Tensor = self.head(self.norm(h))
        return out if self.pairs is None else out + self.pairs[before]

    def _given(self, h: Tensor, y: Tensor | None) -> Tensor:
        return h if self.classes is None or y is None else h + self.classes(y)[:, None]

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return ``[n, length, numbers]`` for the output, of values ``x`` ``[n, length]``."""
        h = self.dropout(self._given(self._embedded(x, 0, self.order.length), y))
        for block in self.blocks:
            h = block(h)
        return self._told(h, F.pad(x[:, :-1], (1, 0), value=self.symbols - 1))

    def memory(self, n: int) -> Cache:
        """Return room for the keys and values of ``n`` examples."""
        room = (n, self.heads, self.order.length, self.width // self.heads)
        like = self.values
        return [(like.new_empty(room), like.new_empty(room)) for _ in self.blocks]

    def step(self, x: Tensor, y: Tensor | None, cache: Cache) -> Tensor:
        """Return ``[n, numbers]`` of the place after ``x`` ``[n, i]``; ``cache`` has those before.

        Every place from the first on must have been asked for, in order.
        """
        i = x.shape[1]
        h = self._given(self._embedded(x, i, i + 1), y)
        for block, known in zip(self.blocks, cache, strict=True):
            h = block.step(h, i, known)
        before = x[:, -1:] if i else x.new_full((len(x), 1), self.symbols - 1)
        return self._told(h, before)[:, 0]
