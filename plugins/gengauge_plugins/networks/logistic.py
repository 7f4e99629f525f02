"""Distributions over levels that decoders give: logistic noise in bins, mixtures of it, coins."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gengauge_plugins.networks.drawing import uniform


class DiscretisedLogistic(nn.Module):
    """Logistic noise integrated over each level's bin: an exact mass on ``0 .. levels - 1``.

    The edge bins take the tails, so the levels' probabilities sum to one at any location.

    References:
        | Improved Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016)
        | https://arxiv.org/abs/1606.04934

    Example:
        >>> decoder, h = DiscretisedLogistic(17), torch.tensor([[0.3, -1.0]])
        >>> every = torch.arange(17).view(17, 1)
        >>> round(float(decoder.log_likelihood(every, h.expand(17, 2)).exp().sum()), 5)
        1.0
    """

    outputs = 2

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def inputs(self, x: Tensor) -> Tensor:
        """Return levels ``x`` scaled to ``[-1, 1]``, float32."""
        return scaled(x, self.levels)

    def _location_scale(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the location in levels, free to leave the range, and the inverse scale."""
        location, log_scale = h.chunk(2, dim=-1)
        half = (self.levels - 1) / 2
        # a scale far under one level is a certainty already; the bound keeps gradients finite
        inverse = torch.exp(-log_scale.clamp(-5.0, 5.0)) / (half / 4)
        return (location + 1.0) * half, inverse

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """Return log P(x | h) in nats ``[..., n, d]`` of levels ``x`` ``[n, d]``.

        With a, b the bin's edges, sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - e^(b - a)):
        three logarithms that are accurate however far out the bin lies.
        """
        location, inverse = self._location_scale(h)
        centred = x.to(h.dtype) - location
        upper = F.logsigmoid((centred + 0.5) * inverse)
        lower = F.logsigmoid((0.5 - centred) * inverse)
        gap = torch.log(-torch.expm1(-inverse))
        first, last = x == 0, x == self.levels - 1
        zero = torch.zeros((), dtype=h.dtype, device=h.device)
        gap = torch.where(first | last, zero, gap)
        return torch.where(last, zero, upper) + torch.where(first, zero, lower) + gap

    def expected(self, h: Tensor) -> Tensor:
        """Return E[x | h] = sum over j of P(x >= j), in levels ``[..., n, d]``.

        The location itself is no mean: it may lie far outside the range, with a wide scale.
        """
        location, inverse = self._location_scale(h)
        expected = torch.zeros_like(location)
        for level in range(1, self.levels):  # one by one: all at once is levels times the memory
            expected = expected + torch.sigmoid((location - level + 0.5) * inverse)
        return expected

    def mean(self, h: Tensor) -> Tensor:
        """Return the level nearest to the expected one."""
        return nearest_level(self.expected(h), self.levels)

    def centre(self, h: Tensor) -> Tensor:
        """Return the centre of the expected level's bin, 0 to 1."""
        return (self.expected(h) + 0.5) / self.levels

    def sample(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """Return levels drawn from P(x | h)."""
        location, inverse = self._location_scale(h)
        u = uniform(tuple(location.shape), generator, h.device).clamp(1e-7, 1 - 1e-7)
        return nearest_level(location + torch.logit(u) / inverse, self.levels)


class LogisticMixture(nn.Module):
    """A mixture of discretised logistics at every value, independent between values.

    One logistic has one mode; a grey level that is either background or ink has two. ``h``
    holds each component's logit, then each one's location and log-scale.

    References:
        | PixelCNN++ (Salimans et al., 2017), whose pixels depend on each other as well
        | https://arxiv.org/abs/1701.05517

    Example:
        >>> decoder, h = LogisticMixture(256, 3), torch.linspace(-2, 1, 9).view(1, 9)
        >>> every = torch.arange(256).view(256, 1)
        >>> round(float(decoder.log_likelihood(every, h.expand(256, 9)).exp().sum()), 5)
        1.0
    """

    def __init__(self, levels: int, components: int) -> None:
        super().__init__()
        self.levels, self.components, self.outputs = levels, components, 3 * components
        self.part = DiscretisedLogistic(levels)

    def inputs(self, x: Tensor) -> Tensor:
        """Return levels ``x`` scaled to ``[-1, 1]``, float32."""
        return scaled(x, self.levels)

    def _parts(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-weights ``[..., n, m, d]`` and each part's outputs ``[..., n, m, 2 d]``."""
        d = h.shape[-1] // self.outputs
        logits, rest = h[..., : self.components * d], h[..., self.components * d :]
        shape = (*h.shape[:-1], self.components, -1)
        return logits.reshape(shape).log_softmax(-2), rest.reshape(shape)

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """Return log P(x | h) in nats ``[..., n, d]`` of levels ``x`` ``[n, d]``."""
        weights, parts = self._parts(h)
        return torch.logsumexp(weights + self.part.log_likelihood(x.unsqueeze(-2), parts), -2)

    def _expected(self, h: Tensor) -> Tensor:
        weights, parts = self._parts(h)
        return (weights.exp() * self.part.expected(parts)).sum(-2)

    def mean(self, h: Tensor) -> Tensor:
        """Return the level nearest to the expected one."""
        return nearest_level(self._expected(h), self.levels)

    def centre(self, h: Tensor) -> Tensor:
        """Return the centre of the expected level's bin, 0 to 1."""
        return (self._expected(h) + 0.5) / self.levels

    def sample(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """Return levels drawn from P(x | h): a component by its weight, then its logistic."""
        weights, parts = self._parts(h)
        edges = weights.exp().cumsum(-2)
        shape = (*edges.shape[:-2], 1, edges.shape[-1])
        chosen = (uniform(shape, generator, h.device) > edges[..., :-1, :]).sum(-2, keepdim=True)
        location, scale = parts.chunk(2, dim=-1)
        picked = [part.gather(-2, chosen).squeeze(-2) for part in (location, scale)]
        return self.part.sample(torch.cat(picked, -1), generator)


class Bernoulli(nn.Module):
    """A coin for every value of two levels: ``h`` is its logit, one output a value.

    A discretised logistic of two levels is the same coin with a parameter to spare.

    Example:
        >>> Bernoulli().log_likelihood(torch.tensor([[0], [1]]), torch.zeros(2, 1)).exp()
        tensor([[0.5000],
                [0.5000]])
    """

    outputs = 1
    levels = 2

    def inputs(self, x: Tensor) -> Tensor:
        """Return levels ``x`` scaled to ``[-1, 1]``, float32."""
        return scaled(x, 2)

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """Return log P(x | h) in nats ``[..., n, d]`` of levels ``x`` ``[n, d]``."""
        return F.logsigmoid(scaled(x, 2).to(h.dtype) * h)

    def mean(self, h: Tensor) -> Tensor:
        """Return the likelier level."""
        return nearest_level(h.sigmoid(), 2)

    def centre(self, h: Tensor) -> Tensor:
        """Return the centre of the expected level's bin, 0 to 1."""
        return (h.sigmoid() + 0.5) / 2

    def sample(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """Return levels drawn from P(x | h)."""
        return (uniform(tuple(h.shape), generator, h.device) < h.sigmoid()).to(torch.uint8)


def scaled(x: Tensor, levels: int) -> Tensor:
    """Return levels ``x`` as floats from -1 to 1, float32; where there is one level, it is -1."""
    return x.to(torch.float32) * (2.0 / max(1, levels - 1)) - 1.0


def nearest_level(value: Tensor, levels: int) -> Tensor:
    """Return the integers ``0 .. levels - 1`` nearest to ``value``, in the datasets' type."""
    dtype = torch.uint8 if levels <= 256 else torch.int64
    return value.round().clamp(0, levels - 1).to(dtype)
