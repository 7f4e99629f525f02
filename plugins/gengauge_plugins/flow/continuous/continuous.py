"""The continuous normalising flow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, Split, check_training, dequantise, seeds, train
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.flow.continuous.network import Network
from gengauge_plugins.flow.continuous.whiten import Whiten
from gengauge_plugins.flow.kinds import log_normal
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.drawing import below_one, normal, refuse_condition, uniform
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.storage import load_network, save_state

_FEW = 4  # dimensions whose divergence is summed exactly by default
_HIDDEN_LABELS = 0.2  # share of examples trained on without their label
_STEPS = (1, 2, 4, 8, 16, 32)


class ContinuousFlow:
    """A continuous normalising flow: a neural differential equation carries data to noise.

    Training maximises the likelihood through the solver: the noise's density and the integral of
    the divergence, summed exactly or estimated by one random vector an example (Hutchinson's
    trace). Its paths' roughness is penalised, so that few steps solve them. Data is whitened, and
    dequantised where it has levels, with fresh noise at every step. The likelihood is a numerical
    solution and is reported as an estimate. With labels a fifth of the examples hide theirs: the
    same network without a label is the density of all data. A column of floats that never varies
    has no density, and examples that are all equal teach nothing: ``fit`` raises ``ValueError``.

    Good at: smooth densities, by one small network that samples in as many steps as one likes.
    Breaks at: time: every training step solves the equation, so few steps fit into a minute;
    pictures beyond 8 x 8, and modes far apart, between which threads of density stay.

    See Also:
        :class:`gengauge_plugins.flow.continuous.field.Field`

    References:
        | FFJORD: Free-form Continuous Dynamics for Scalable Reversible Generative Models
        | (Grathwohl et al., 2019), https://arxiv.org/abs/1810.01367

        | Neural Ordinary Differential Equations (Chen et al., 2018)
        | https://arxiv.org/abs/1806.07366

        | How to Train Your Neural ODE (Finlay et al., 2020), for the penalty
        | https://arxiv.org/abs/2002.02798

    Arguments:
        hidden: Width of the field's hidden layers; 0 is 64 up to 16 dimensions, else 128.
        depth: Hidden layers.
        steps: Runge-Kutta steps in training, of four evaluations each.
        sampling_steps: As many behind a sample.
        trace: ``exact``, ``hutchinson``, or ``auto``: exact up to 4 dimensions.
        penalty: Weight of the paths' roughness.
        conditional: Learn from class labels.
        batch_size: Examples a step; 0 is 128 of levelled and 256 of continuous data.
        lr: Peak learning rate.

    Example:
        >>> from gengauge import Budget
        >>> x = 5 + torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
        >>> data = Dataset("cloud", "points", Split(x), Split(x[:100]), Split(x[:0]))
        >>> model = ContinuousFlow(hidden=16, batch_size=64)
        >>> model.fit(data, FitRun(0, Budget.parse("40 steps")))
        >>> model.velocity(x[:3], torch.zeros(3)).shape
        torch.Size([3, 2])
        >>> abs(float(model.sample(300, None, torch.Generator().manual_seed(0)).mean()) - 5) < 0.3
        True
    """

    def __init__(
        self,
        hidden: int = 0,
        depth: int = 2,
        steps: int = 3,
        sampling_steps: int = 8,
        trace: str = "auto",
        penalty: float = 1e-4,
        conditional: bool = False,
        batch_size: int = 0,
        lr: float = 2e-2,
    ) -> None:
        self.hidden, self.depth = hidden, depth
        self.steps, self.sampling_steps = steps, sampling_steps
        self.trace, self.penalty = trace, penalty
        self.conditional, self.batch_size, self.lr = conditional, batch_size, lr
        self.shape: tuple[int, ...] = ()
        self.levels: int | None = None
        self.classes = 0
        self.seen = torch.zeros(0, dtype=torch.int64)
        self.network: Network

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Maximise the likelihood of ``data.train`` through the solver."""
        check_training(data, "continuous-flow")
        check_varies(data, "continuous-flow")
        self.shape, self.levels = data.event_shape, data.levels
        if self.conditional:
            labels, self.classes = training_labels(data, "continuous-flow")
            self.seen = torch.unique(labels)
        x = data.train.x.flatten(1)
        scaled, noise = x.double(), 0.0
        if self.levels is not None:
            scaled, noise = (scaled + 0.5) / self.levels, 1 / self.levels / math.sqrt(12)
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            self.network = self._build(Whiten.of(scaled, noise))
        held_out = self._given(data.validation)
        train(run, self.network, self._loss, self._given(data.train),
              validation=held_out if len(held_out[0]) else None,
              batch_size=self.batch_size or (256 if self.levels is None else 128), lr=self.lr,
              clip=10.0)  # fmt: skip

    def _given(self, split: Split) -> tuple[Tensor, ...]:
        """Return what a step sees of a split: those of no known class are left out."""
        x = split.x.flatten(1)
        if not self.conditional:
            return (x,)
        if split.labels is None:
            return x[:0], torch.zeros(0, dtype=torch.int64)
        known = torch.isin(split.labels.cpu(), self.seen)
        return x[known], split.labels[known].long()

    def _loss(
        self, x: Tensor, labels: Tensor | None = None, *, generator: torch.Generator
    ) -> Tensor:
        """Return the negative log-likelihood with its penalty, nats a dimension."""
        if self.levels is not None:
            x = dequantise(x, self.levels, generator)
        if labels is not None:
            hidden = uniform((len(x),), generator, x.device) < _HIDDEN_LABELS
            labels = labels.masked_fill(hidden, -1)
        z = self.network.whiten(x).float()
        signs = None
        if self.trace == "hutchinson" or (self.trace == "auto" and z.shape[1] > _FEW):
            half = uniform(tuple(z.shape), generator, z.device) < 0.5
            signs = torch.where(half, -1.0, 1.0)[None]
        noise, log_det, rough = self.network.to_noise(z, labels, signs)
        log_prob = log_normal(noise) + log_det.double() + self.network.whiten.log_det
        loss: Tensor = (self.penalty * rough - log_prob).mean() / z.shape[1]
        return loss

    def _build(self, whiten: Whiten) -> Network:
        hidden = self.hidden or (64 if math.prod(self.shape) <= 16 else 128)
        return Network(whiten, hidden=hidden, depth=self.depth, classes=self.classes,
                       steps=self.steps)  # fmt: skip

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """Return dx/dt ``[n, *event]``, float64, at times ``t`` ``[n]``: 0 is data, 1 noise."""
        return self.network.velocity(x.flatten(1), t).view(x.shape)

    def log_base(self, x: Tensor) -> Tensor:
        """Return the log-density of states ``x`` ``[n, *event]`` at t = 1, nats ``[n]``."""
        return self.network.log_base(x.flatten(1))

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, float32; in ``[0, 1)`` for levelled data.

        They are of the classes ``condition`` ``[n]`` if given, else of the density of all.
        """
        return self.sample_in(self.sampling_steps, n, condition, generator)[0]

    @property
    def step_choices(self) -> Sequence[int]:
        """Runge-Kutta steps that make sense, rising."""
        return _STEPS

    @torch.no_grad()
    def sample_in(
        self, steps: int, n: int, condition: Condition | None, generator: torch.Generator
    ) -> tuple[Tensor, float]:
        """Return ``n`` samples made in ``steps`` steps, and the evaluations behind each."""
        labels = self._asked(condition, n)
        noise = normal((n, math.prod(self.shape)), generator, self._device)
        x = self.network.from_noise(noise, labels, steps).float().view(n, *self.shape)
        return x if self.levels is None else below_one(x), 4.0 * steps

    def _asked(self, condition: Condition | None, n: int) -> Tensor | None:
        if not self.conditional:
            refuse_condition(condition, "continuous-flow")
        if condition is None:
            return None
        if not len(self.seen):
            raise UnsupportedError("continuous-flow was trained without labels")
        return asked_labels(condition, n, self.seen, "continuous-flow").to(self._device)

    @property
    def evaluations_per_sample(self) -> float:
        """Four evaluations of the field a step."""
        return 4.0 * self.sampling_steps

    @property
    def n_parameters(self) -> int:
        """Weights and biases of the field."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write weights, whitening, shapes and classes into ``folder``."""
        config = {
            "shape": list(self.shape), "levels": self.levels, "classes": self.classes,
            "seen": self.seen.tolist(),
        }  # fmt: skip
        save_state(folder, self.network.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.network = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Network:
        self.shape, self.levels = tuple(config["shape"]), config["levels"]
        self.classes = config["classes"]
        self.seen = torch.tensor(config["seen"], dtype=torch.int64)
        return self._build(Whiten(math.prod(self.shape)))
