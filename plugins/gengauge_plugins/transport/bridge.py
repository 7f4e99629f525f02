"""The Schroedinger bridge, learned without simulation."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from gengauge import Dataset
from gengauge.errors import UnsupportedError
from gengauge_plugins.networks.drawing import normal
from gengauge_plugins.transport import plans, solvers
from gengauge_plugins.transport.base import Transport
from gengauge_plugins.transport.field import Field
from gengauge_plugins.transport.paths import beside, bridge, bridge_end, bridge_flow
from gengauge_plugins.transport.sources import Pool, drawn, each_once, pool

_SOFT = 0.01  # keeps what the network is multiplied by below ten at both ends


class SchroedingerBridge(Transport):
    """The likeliest way of Brownian motion from one distribution to another: [SF]2M.

    Pairs of source and target come from the entropic transport plan of each 128 of a batch, whose
    regularisation 2 sigma^2 is that of Brownian motion with deviation ``sigma``. States come from
    the Brownian bridge of a pair, and the network learns the mean way and the mean noise of all
    bridges through a state: flow and score are sums of the two, so that samples can follow the
    stochastic equation or the flow with the same marginals. The stochastic equation is followed by
    the steps of Euler and Maruyama, shorter towards the data, the last without noise.

    The source is ``noise`` (standard normal once the data is scaled), the id of another dataset of
    the same shape and levels, or ``class:3``, the training examples of that class. Targets are all
    training examples; with ``conditional`` those of the class that is asked for, and pairs stay
    within it. Samples start from held-out source examples, of the validation split, which training
    has not seen, and each is used once before any is used again; of a class without any, from
    those of training. They are kept with the checkpoint. ``sigma`` is in units of the data's
    deviation, one for all values except in tables, so that transport is by distances in the data.

    Good at: ways between two data sets with no pairs known, and a source that is kept in sight.
    Breaks at: small ``sigma`` with small batches, whose plans are not those of the whole; there is
    a likelihood only where the source is noise, that of the flow.

    References:
        | Simulation-free Schroedinger bridges via score and flow matching (Tong et al., 2023)
        | https://arxiv.org/abs/2307.03672
        | Diffusion Schroedinger Bridge (De Bortoli et al., 2021), https://arxiv.org/abs/2106.01357

    Arguments:
        source: ``noise``, a dataset's id, or ``class:`` and a number.
        sigma: Deviation that Brownian motion has at time 1, in the data's deviations.
        sampler: ``sde``, the stochastic equation, or ``ode``, its flow by midpoint steps.
        conditional: Whether to learn the class too.
        guidance: How far the answers for a class are taken from those for none; 1 leaves them.
        drop: Share of labels that are hidden in training, which guidance needs.
        steps: Steps from source to data.
        times: As in :class:`gengauge_plugins.transport.flow_matching.FlowMatching`.
        hidden: Width of the perceptron, at most 64 a dimension.
        blocks: Residual blocks of the perceptron.
        channels: Channels of the U-Net at full resolution, for pictures of more than 256 values.
        batch_size: Examples a step; 0 chooses, see
            :func:`gengauge_plugins.networks.batches.batch_size`.
        lr: Peak learning rate.
        ema: Width of the average, see :class:`gengauge.averaging.PowerAverage`.

    Example:
        >>> from gengauge import Budget, FitRun, Split
        >>> x = torch.randn(512, 2, generator=torch.Generator().manual_seed(0)) + 5
        >>> data = Dataset("cloud", "points", Split(x), Split(x[:100]), Split(x[:0]))
        >>> model = SchroedingerBridge(hidden=16)
        >>> model.fit(data, FitRun(0, Budget.parse("20 steps")))
        >>> model.sample(500, None, torch.Generator().manual_seed(0)).mean(0).sub(5).abs().lt(0.5)
        tensor([True, True])
    """

    name = "schroedinger-bridge"
    heads = 2
    pool: Pool | None = None

    def __init__(
        self,
        source: str = "noise",
        sigma: float = 0.5,
        sampler: str = "sde",
        conditional: bool = False,
        guidance: float = 1.0,
        drop: float = 0.1,
        steps: int = 20,
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
        self.source, self.sigma, self.sampler, self.steps = source, sigma, sampler, steps

    def _together(self) -> bool:
        return self.modality != "table"

    def _kept(self, data: Dataset) -> Tensor:
        self.pool = pool(self.source, data, self.name)
        return super()._kept(data) if self.pool is None else self.pool.kept

    def _loss(
        self, field: Field, z: Tensor, labels: Tensor | None, generator: torch.Generator
    ) -> Tensor:
        start = self._drawn(field, len(z), generator)
        start = plans.coupled(start, z, labels, plans.entropically(self.sigma), generator)
        t = self._times(len(z), generator, z.device)
        noise = normal(tuple(z.shape), generator, z.device)
        state = bridge(start, z, t, noise, self.sigma)
        drift, push = self._split(field(state, t, self._forgotten(labels, generator)), t)
        at = beside(t, z)
        found = push * (at * (1 - at)).sqrt()  # its noise: of deviation 1 at all times
        return (drift - (z - start)).square().mean() + (found - noise).square().mean()

    def _split(self, found: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expected drift and push of the network's answers ``[n, 2, *event]``."""
        drift, push = found.unbind(1)
        at = beside(t, drift)
        return drift, push / (at * (1 - at) + _SOFT).sqrt()

    def _drawn(self, field: Field, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` scaled states for training to start from."""
        if self.pool is None:
            return normal((n, *self.shape), generator, field.device)
        x = self._floats(drawn(self.pool.train, n, generator), generator)
        return field.scaled(x).float()

    def _source(self, n: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        kept = self.field.kept
        if not len(kept):
            return normal((n, *self.shape), generator, self.field.device)
        x = self._floats(each_once(kept, n, generator), generator)
        return self.field.scaled(x).float()

    def _answers(self, z: Tensor, t: float, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        at = torch.full((len(z),), t, device=z.device)
        return *self._split(self._guided(z, at, labels), at), at

    def _moved(
        self, z: Tensor, labels: Tensor | None, steps: int, generator: torch.Generator
    ) -> Tensor:
        if self.sampler == "ode":

            def velocity(z: Tensor, t: float) -> Tensor:
                drift, push, at = self._answers(z, t, labels)
                return bridge_flow(drift, push, at, self.sigma)

            return solvers.solve(velocity, z, 0.0, 1.0, steps, "midpoint")
        for t, after in itertools.pairwise(_moments(steps)):
            end = bridge_end(z, *self._answers(z, t, labels), self.sigma)
            z = torch.lerp(z, end, (after - t) / (1 - t))
            if after < 1:  # what the last step would add is noise that no later one takes away
                deviation = self.sigma * (after - t) ** 0.5
                z = z + deviation * normal(tuple(z.shape), generator, z.device)
        return z

    def _evaluations(self, steps: int) -> float:
        return float(steps * (2 if self.sampler == "ode" else 1))

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """Return dx/dt ``[n, *event]`` at ``t`` ``[n]``, 0 at the data, in data units, float64."""
        z = self.field.scaled(x).float()
        at = 1 - t.to(z)  # the bridge's own time runs towards the data
        drift, push = self._split(self._guided(z, at, None), at)
        found = bridge_flow(drift, push, at, self.sigma)
        return -found.double() * self.field.scale.spread

    def log_base(self, x: Tensor) -> Tensor:
        """Return the log-density of the noise in nats ``[n]``; of other sources none is known."""
        if self.source != "noise":
            raise UnsupportedError(
                f"{self.name} from {self.source} has no likelihood: the density it starts from is "
                "not known; take source=noise"
            )
        return super().log_base(x)


def _moments(steps: int) -> list[float]:
    """Return the times from 0 to 1 between ``steps`` steps, closer towards the end.

    On normal data the variance of samples is three times as near to its closed form as with equal
    steps when the data is narrow, and as near when it is wide.

    >>> [round(t, 2) for t in _moments(4)]
    [0.0, 0.35, 0.65, 0.88, 1.0]
    """
    return [1 - (1 - step / steps) ** 1.5 for step in range(steps + 1)]
