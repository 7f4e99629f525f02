"""Flow matching: straight paths from noise to data."""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge_plugins.networks.drawing import normal
from gengauge_plugins.transport import plans, solvers
from gengauge_plugins.transport.base import Transport
from gengauge_plugins.transport.field import Field
from gengauge_plugins.transport.paths import beside, straight


class FlowMatching(Transport):
    """A velocity field that carries normal noise to data, learned by regression on lines.

    Each example is joined to one draw of noise by a straight line, and the network learns the mean
    velocity of all lines through a state. With ``coupling=ot`` a batch's examples and draws are
    matched so that the lines are short in all: paths cross less, and so are straighter. Within a
    class, when labels are looked at: a plan over the whole batch would skew the classes. The field
    is what is expected of normal data of the same scale, plus the network's answer; with
    ``coupling=ot`` that is the network alone.

    Levelled data is dequantised afresh at every step and samples are clamped to its range. The
    likelihood is that of the flow without guidance and, when labels are looked at, of no class in
    particular. Without a label asked for, classes are drawn as often as they were in training.

    Good at: sharp and varied samples in few evaluations, and a likelihood besides.
    Breaks at: hard edges, which ask for many steps near the data; likelihoods of data whose pixels
    hardly vary, which need long training.

    References:
        | Flow Matching for Generative Modeling (Lipman et al., 2022)
        | https://arxiv.org/abs/2210.02747
        | Flow Straight and Fast: Rectified Flow (Liu et al., 2022), https://arxiv.org/abs/2209.03003
        | Improving and generalizing flow-based generative models with minibatch optimal transport
        | (Tong et al., 2023), https://arxiv.org/abs/2302.00482
        | Classifier-Free Diffusion Guidance (Ho & Salimans, 2022), https://arxiv.org/abs/2207.12598

    Arguments:
        coupling: ``independent``, or ``ot``: the cheapest matching of each 128 of a batch.
        conditional: Whether to learn the class too.
        guidance: How far the velocity for a class is taken from that for none; 1 leaves it.
        drop: Share of labels that are hidden in training, which guidance needs.
        solver: ``euler``, ``midpoint``, ``heun`` or ``rk4``, of equal steps.
        steps: Steps from noise to data.
        times: Distribution of times in training, see
            :func:`gengauge_plugins.transport.paths.times`; ``auto`` is ``logit-normal`` on levelled
            data and ``uniform`` else.
        hidden: Width of the perceptron, at most 64 a dimension.
        blocks: Residual blocks of the perceptron.
        channels: Channels of the U-Net at full resolution, for pictures of more than 256 values.
        batch_size: Examples a step; 0 chooses, see
            :func:`gengauge_plugins.networks.batches.batch_size`.
        lr: Peak learning rate.
        ema: Width of the average, see :class:`gengauge.averaging.PowerAverage`.

    Example:
        >>> from gengauge import Budget, Dataset, FitRun, Split
        >>> x = torch.randn(512, 2, generator=torch.Generator().manual_seed(0)) + 5
        >>> data = Dataset("cloud", "points", Split(x), Split(x[:100]), Split(x[:0]))
        >>> model = FlowMatching(hidden=16)
        >>> model.fit(data, FitRun(0, Budget.parse("20 steps")))
        >>> model.sample(500, None, torch.Generator().manual_seed(0)).mean(0).sub(5).abs().lt(0.5)
        tensor([True, True])
    """

    name = "flow-matching"
    heads = 1

    def __init__(
        self,
        coupling: str = "independent",
        conditional: bool = False,
        guidance: float = 1.0,
        drop: float = 0.1,
        solver: str = "midpoint",
        steps: int = 10,
        times: str = "auto",
        hidden: int = 384,
        blocks: int = 3,
        channels: int = 16,
        batch_size: int = 0,
        lr: float = 4e-3,
        ema: float = 0.05,
    ) -> None:
        sizes = (hidden, blocks, channels)
        super().__init__(conditional, guidance, drop, sizes, times, batch_size, lr, ema)
        self.coupling, self.solver, self.steps = coupling, solver, steps

    def _loss(
        self, field: Field, z: Tensor, labels: Tensor | None, generator: torch.Generator
    ) -> Tensor:
        noise = normal(tuple(z.shape), generator, z.device)
        if self.coupling == "ot":
            noise = plans.coupled(noise, z, labels, plans.exactly, generator)
        t = self._times(len(z), generator, z.device)
        state, target = straight(z, noise, t)
        asked = self._forgotten(labels, generator)
        found = self._rate(field(self._seen(state, t), t, asked), state, t)
        return (found - target).square().mean()

    def _seen(self, z: Tensor, t: Tensor) -> Tensor:
        """Return states ``z`` at ``t`` with the deviation 1."""
        return z / _deviation(beside(t, z))

    def _rate(self, found: Tensor, z: Tensor, t: Tensor) -> Tensor:
        """Return the velocity of scaled states ``z`` at ``t``, given the network's answer."""
        if self.coupling == "ot":
            return found[:, 0]
        at = beside(t, z)
        deviation = _deviation(at)
        return (2 * at - 1) / deviation.square() * z + found[:, 0] / deviation

    def _velocity(self, z: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        return self._rate(self._guided(self._seen(z, t), t, labels), z, t)

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """Return dx/dt ``[n, *event]`` at ``t`` ``[n]``, 0 at the data, in data units, float64."""
        z = self.field.scaled(x).float()
        found = self._velocity(z, t.to(z), None)
        return found.double() * self.field.scale.spread

    def _source(self, n: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        return normal((n, *self.shape), generator, self.field.device)

    def _moved(
        self, z: Tensor, labels: Tensor | None, steps: int, generator: torch.Generator
    ) -> Tensor:
        def velocity(z: Tensor, t: float) -> Tensor:
            return self._velocity(z, torch.full((len(z),), t, device=z.device), labels)

        return solvers.solve(velocity, z, 1.0, 0.0, steps, self.solver)

    def _evaluations(self, steps: int) -> float:
        return float(steps * solvers.COST[self.solver])


def _deviation(at: Tensor) -> Tensor:
    """Return the deviation of states at times ``at``, source and data being uncorrelated."""
    return (at.square() + (1 - at).square()).sqrt()
