"""What a network says of the next value: a distribution over its levels, drawn from or scored."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gengauge_plugins.networks.drawing import uniform
from gengauge_plugins.networks.logistic import LogisticMixture

_MANY = 64  # levels from which their order matters more than a probability of each


class Softmax(nn.Module):
    """A probability of each level, whose order it does not know.

    Example:
        >>> output, h = Softmax(3), torch.zeros(1, 2, 3)
        >>> output.log_likelihood(torch.tensor([[0, 2]]), h).exp()
        tensor([[0.3333, 0.3333]])
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels, self.numbers = levels, levels

    def start(self) -> Tensor:
        """Return the bias ``[numbers]`` that training starts from."""
        return torch.zeros(self.levels)

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """Return log P(x | h) in nats ``[n, d]`` of ``x`` ``[n, d]``, ``h`` ``[n, d, numbers]``."""
        return h.log_softmax(-1).gather(-1, x.long().unsqueeze(-1)).squeeze(-1)

    def table(self, h: Tensor) -> Tensor:
        """Return every level's log-probability ``[n, levels]``, float64, of ``h`` ``[n, k]``."""
        return h.double().log_softmax(-1)

    def draw(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """Return one level ``[n]``, int64, of each of ``h`` ``[n, numbers]``."""
        return drawn(self.table(h), generator)


class Logistics(nn.Module):
    """A mixture of discretised logistics, which knows that neighbouring levels are alike.

    See Also:
        :class:`gengauge_plugins.networks.logistic.LogisticMixture`
    """

    def __init__(self, levels: int, mixtures: int) -> None:
        super().__init__()
        self.levels, self.mixtures = levels, mixtures
        self.mixture = LogisticMixture(levels, mixtures)
        self.numbers = self.mixture.outputs

    def start(self) -> Tensor:
        """Return the bias ``[numbers]`` that training starts from: locations side by side."""
        locations = torch.linspace(-1, 1, self.mixtures + 2)[1:-1]
        parts = torch.stack([locations, torch.full_like(locations, -0.5)], 1)
        return torch.cat([torch.zeros(self.mixtures), parts.flatten()])

    def log_likelihood(self, x: Tensor, h: Tensor) -> Tensor:
        """Return log P(x | h) in nats ``[n, d]`` of ``x`` ``[n, d]``, ``h`` ``[n, d, numbers]``."""
        return self.mixture.log_likelihood(x, h.transpose(1, 2).flatten(1))

    def table(self, h: Tensor) -> Tensor:
        """Return every level's log-probability ``[n, levels]``, float64, of ``h`` ``[n, k]``."""
        every = torch.arange(self.levels, device=h.device).expand(len(h), -1)
        return self.log_likelihood(every, h.double().unsqueeze(1).expand(-1, self.levels, -1))

    def draw(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """Return one level ``[n]``, int64, of each of ``h`` ``[n, numbers]``."""
        return self.mixture.sample(h, generator)[:, 0].long()


Output = Softmax | Logistics


def output_of(kind: str, levels: int, mixtures: int) -> Output:
    """Return the output of ``kind``: softmax, logistics, or auto, which is softmax to 64 levels."""
    if kind == "auto":
        kind = "softmax" if levels <= _MANY else "logistics"
    return Softmax(levels) if kind == "softmax" else Logistics(levels, mixtures)


def drawn(log_probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Return a level ``[n]`` drawn from each row of ``log_probabilities`` ``[n, levels]``.

    They need not sum to one.

    >>> log_p = torch.tensor([[0.0, -torch.inf], [-torch.inf, 3.0]]).double()
    >>> drawn(log_p, torch.Generator().manual_seed(0))
    tensor([0, 1])
    """
    below = log_probabilities.softmax(-1).cumsum(-1)
    u = uniform((len(below), 1), generator, below.device, torch.float64)
    # scaled to the last edge, which rounding may leave below one
    return (u * below[:, -1:] >= below).sum(-1).clamp_max(below.shape[-1] - 1)
