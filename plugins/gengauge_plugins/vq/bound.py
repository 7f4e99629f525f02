"""A distribution over pictures that a trained first stage makes: a prior of codes, and p(x | z)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gengauge_plugins.autoregressive.order import Order
from gengauge_plugins.autoregressive.outputs import Softmax, drawn
from gengauge_plugins.autoregressive.transformer import Cache, Transformer
from gengauge_plugins.networks.conditions import Conditions
from gengauge_plugins.networks.decoders import levelled
from gengauge_plugins.networks.first_stage import FirstStage
from gengauge_plugins.networks.logistic import Bernoulli

_HIDDEN = 64  # channels of the convolutions that tell the noise
_WAYS = 16  # in which what is asked for can matter differently from place to place
_HEADS = 4
_EMBEDDED, _TOLD = 0.3, 0.05  # how high the first embeddings and the first logits' weights are
_PRIOR = 0.5  # examples of every entry in every place that are thought to have been seen


class CodePrior(Transformer):
    """A causal transformer over the places of a code, row by row, and told what is asked for.

    What it knows of the codebook before training is in ``begin_at``: entries that are near each
    other are embedded and told alike, and places have the entries that are frequent there.

    Example:
        >>> prior = CodePrior((4, 4), entries=32, width=16, layers=1, dropout=0.0).eval()
        >>> prior.log_mass(torch.zeros(2, 4, 4, dtype=torch.int64), None).shape
        torch.Size([2])
    """

    def __init__(
        self, shape: tuple[int, int], entries: int, width: int, layers: int, dropout: float
    ) -> None:
        order = Order.of((1, *shape))
        super().__init__(order, Softmax(entries), 0, width, layers, _HEADS, dropout, False)
        self.ways = nn.Linear(width, _WAYS)
        self.of_place = nn.Parameter(torch.zeros(_WAYS, order.length, width))
        self.shares = nn.Parameter(torch.zeros(order.length, entries))

    def _given(self, h: Tensor, y: Tensor | None, first: int = 0) -> Tensor:
        """Return inputs ``h`` ``[n, t, width]`` of places from ``first`` on, told ``y``."""
        if y is None:
            return h
        here = self.of_place[:, first : first + h.shape[1]]
        return h + y[:, None] + torch.einsum("nk,ktw->ntw", self.ways(y), here)

    @torch.no_grad()
    def begin_at(self, entries: Tensor, indices: Tensor) -> None:
        """Start from a codebook ``[k, c]`` and from how often codes ``[n, h, w]`` use it where.

        Without the first, vqgan of captioned shapes needed twice the steps to learn colours.
        """
        spread = (entries - entries.mean(0)) / entries.std(0, correction=0).clamp_min(1e-6)
        wave = _waves(spread.cpu(), self.width, len(self.values) // self.symbols)
        self.values.view(-1, self.symbols, self.width)[:, :-1] = _EMBEDDED * wave
        self.head.weight.copy_(_TOLD * _waves(spread.cpu(), self.width, 1)[0])
        told = indices.flatten(1)
        for place, column in zip(self.shares, told.T, strict=True):
            counts = torch.bincount(column, minlength=len(place)).float() + _PRIOR
            place.copy_((counts / counts.sum()).log())

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return ``[n, length, entries]`` for the output, of codes ``x`` ``[n, length]``."""
        return super().forward(x, y) + self.shares

    def step(self, x: Tensor, y: Tensor | None, cache: Cache) -> Tensor:
        """Return ``[n, entries]`` of the place after ``x`` ``[n, i]``, as the transformer does."""
        return super().step(x, y, cache) + self.shares[x.shape[1]]

    def log_mass(self, indices: Tensor, about: Tensor | None) -> Tensor:
        """Return exact log P(code | about) in nats ``[n]`` of ``indices`` ``[n, h, w]``."""
        told = indices.flatten(1)
        log_p: Tensor = self.output.log_likelihood(told, self(told, about).double())
        return log_p.sum(1)

    def draw(
        self, n: int, about: Tensor | None, generator: torch.Generator, temperature: float,
        guidance: float = 1.0, against: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Return ``n`` codes ``[n, h, w]``, int64, one place after the other.

        With ``guidance`` logits are carried that many times as far from those ``against`` (what is
        said where nothing is asked for) as those ``about`` are.
        """
        guided = about is not None and against is not None and guidance != 1
        if guided:
            about = torch.cat([about, against])  # type: ignore[list-item]
        told = torch.zeros(n, self.order.length, dtype=torch.int64, device=self.values.device)
        cache = self.memory(2 * n if guided else n)
        for i in range(self.order.length):
            before = told[:, :i].repeat(2, 1) if guided else told[:, :i]
            table = self.output.table(self.step(before, about, cache))
            if guided:
                asked, free = table.chunk(2)
                table = free + guidance * (asked - free)
            told[:, i] = drawn(table / temperature, generator)
        return told.view(n, self.order.rows, self.order.columns)


def _waves(entries: Tensor, width: int, count: int) -> Tensor:
    """Return random smooth functions ``[count, k, width]`` of entries ``[k, c]``, 1 high."""
    slopes = torch.randn(count, entries.shape[1], width)
    return torch.sin(entries @ slopes + 3 * torch.randn(count, 1, width))


class Observation(nn.Module):
    """p(x | code): logistic noise in bins around the decoder's picture, its width told by a head.

    The picture itself is not touched: the head is trained when the decoder no longer is.
    """

    def __init__(self, stage: FirstStage, mixtures: int) -> None:
        super().__init__()
        self.noise = levelled(stage.levels, mixtures)
        self.values, outputs = math.prod(stage.shape), self.noise.outputs
        if stage.convolves:
            numbers = stage.shape[0] * outputs * stage.side**2
            self.head: nn.Sequential = nn.Sequential(
                nn.Conv2d(stage.wide, _HIDDEN, 3, padding=1), nn.SiLU(),
                nn.Conv2d(_HIDDEN, numbers, 1),
            )  # fmt: skip
        else:
            self.head = nn.Sequential(nn.Linear(stage.wide, self.values * outputs))
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d | nn.Linear)
        with torch.no_grad():
            last.weight.mul_(0.1)

    def forward(self, stage: FirstStage, codes: Tensor) -> Tensor:
        """Return what the noise reads ``[n, outputs * values]`` of entries ``[n, c, h, w]``."""
        with torch.no_grad():
            planes, features = stage.planes(codes).flatten(1), stage.features(codes)
        told: Tensor = self.head(features)
        told = stage.unfolded(told) if stage.convolves else told
        told = told.reshape(len(codes), self.noise.outputs, self.values)
        if isinstance(self.noise, Bernoulli):
            return (told[:, 0] + planes).clone()
        parts = self.noise.outputs // 3 if self.noise.outputs > 2 else 1
        rest = told[:, self.noise.outputs - 2 * parts :].view(len(codes), parts, 2, self.values)
        start = -torch.arange(1.0, parts + 1, device=planes.device).view(parts, 1)
        placed = torch.stack([rest[:, :, 0] + planes[:, None], rest[:, :, 1] + start], 2)
        return torch.cat([told[:, : self.noise.outputs - 2 * parts].flatten(1),
                          placed.flatten(1)], 1)  # fmt: skip

    def log_mass(self, x: Tensor, told: Tensor) -> Tensor:
        """Return log P(x | code) in nats ``[n]`` of levels ``x``, in the type of ``told``."""
        return self.noise.log_likelihood(x.flatten(1), told).sum(1)


class Likelihood(nn.Module):
    """log p(x) >= log p(code of x) + log p(x | code of x): a prior and noise, trained apart.

    The encoder is a posterior that is sure of one code, whose entropy is zero; the bound is loose
    by what all other codes add. ``context`` turns ``conditions`` into vectors for the prior.
    """

    def __init__(
        self, stage: FirstStage, conditions: Conditions | None, width: int, layers: int,
        dropout: float, mixtures: int,
    ) -> None:  # fmt: skip
        super().__init__()
        assert stage.codebook is not None
        shape = (stage.code[1], stage.code[2])
        self.prior = CodePrior(shape, len(stage.codebook), width, layers, dropout)
        self.observation = Observation(stage, mixtures)
        self.context = conditions.context(width) if conditions else None

    def about(self, rows: Tensor | None) -> Tensor | None:
        """Return vectors ``[n, width]`` of conditions, None where none are learned."""
        return None if self.context is None or rows is None else self.context(rows)

    def of_codes(self, indices: Tensor, rows: Tensor | None) -> Tensor:
        """Return log p(code) in nats ``[n]`` of entries' numbers ``[n, h, w]``."""
        return self.prior.log_mass(indices, self.about(rows))

    def of_pictures(self, stage: FirstStage, x: Tensor, indices: Tensor) -> Tensor:
        """Return log p(x | code) in nats ``[n]`` of levels ``x`` ``[n, *shape]``."""
        told = self.observation(stage, stage.entries(indices))
        if not self.training:  # or the levels' probabilities would not sum to one beyond 1e-6
            told = told.double()
        return self.observation.log_mass(x, told)

    @torch.no_grad()
    def bound(self, stage: FirstStage, x: Tensor, rows: Tensor | None) -> Tensor:
        """Return the bound in nats ``[n]``, float64, of levels ``x`` ``[n, *shape]``."""
        indices = stage.indices(stage.encode(x))
        return self.of_codes(indices, rows) + self.of_pictures(stage, x, indices).double()
