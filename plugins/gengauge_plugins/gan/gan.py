"""The generative adversarial network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, check_training, seeds
from gengauge.model import Condition
from gengauge_plugins.gan.game import Duel
from gengauge_plugins.gan.networks import Generator, discriminator, generator_body
from gengauge_plugins.networks.adversarial import alternate
from gengauge_plugins.networks.conditions import Conditions, given_by
from gengauge_plugins.networks.conv import convolves
from gengauge_plugins.networks.drawing import below_one, normal, refuse_condition
from gengauge_plugins.networks.storage import load_network, save_state

_LEVELLED, _CONTINUOUS = 64, 256  # examples a step
ROWS = 1024  # rows decoded at once: keeps memory flat in the number of samples


class GAN:
    """A generator that learns from a discriminator's gradient, with no density to fit.

    It assumes that data lies where a network can carry a small normal latent, and that a second
    network sees what is wrong with samples while both are learning. Levels are taken at the
    centres of their bins. After training the average of the generator's weights is all that is
    kept. A value that never varies is learned as the constant it is, and so is data that is all
    alike.

    Good at: sharp samples in one pass, from few training steps and few examples.
    Breaks at: coverage: modes shrink or go missing without a sign in either loss (``modes_covered``
    and ``recall`` tell), sample density within a mode is too narrow, and there is no likelihood
    but that of samples with noise added (``ais``).

    See Also:
        :class:`gengauge_plugins.gan.cgan.CGAN`
        :func:`gengauge_plugins.networks.adversarial.alternate`

    References:
        | Generative Adversarial Networks (Goodfellow et al., 2014)
        | https://arxiv.org/abs/1406.2661
        | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018)
        | https://arxiv.org/abs/1801.04406
        | GANs Trained by a Two Time-Scale Update Rule (Heusel et al., 2017)
        | https://arxiv.org/abs/1706.08500
        | Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
        | Networks (Radford et al., 2015), https://arxiv.org/abs/1511.06434

    Arguments:
        loss: ``non-saturating`` (Goodfellow et al.), ``hinge`` or ``wgan-gp``, see
            :func:`gengauge_plugins.gan.losses.discriminator_loss`.
        spectral_norm: Whether the discriminator's weights have norm 1, see
            :class:`gengauge_plugins.gan.networks.Discriminator`.
        r1: Weight of half the squared slope of the discriminator at the data; not used by
            ``wgan-gp``, whose penalty wants slopes of 1.
        r1_every: Discriminator steps from one such penalty, that many times as strong, to the next.
        gp: Weight of the gradient penalty of ``wgan-gp``. Gulrajani et al. took 10, and 0.1 on toy
            data: with few steps the critic of 10 stays too stiff (eight Gaussians keep 6 modes).
        lr: Adam's rate for the generator; both rates fade over the last fifth of training.
        lr_discriminator: Adam's rate for the discriminator: two time-scales if it differs.
        n_critic: Discriminator steps for one of the generator; 0 is 3 with ``wgan-gp`` and 1 else.
        ema: Width of the average, see :class:`gengauge.averaging.PowerAverage`.
        latent: Dimensions of the standard normal latent, at most twice the data's.
        hidden: Width of the three hidden layers of either perceptron, at most 64 a dimension; of
            convolutions 32 times the channels at full resolution.
        network: ``dense``, ``conv``, or ``auto``, see
            :func:`gengauge_plugins.networks.conv.convolves`.
        batch_size: Examples a step; 0 is 64 of levelled and 256 of continuous data.

    Example:
        >>> from gengauge import Budget, Split
        >>> x = torch.randn(256, 2, generator=torch.Generator().manual_seed(0)) + 5
        >>> data = Dataset("cloud", "points", Split(x), Split(x), Split(x))
        >>> model = GAN(hidden=16)
        >>> model.fit(data, FitRun(0, Budget.parse("50 steps")))
        >>> model.sample(500, None, torch.Generator().manual_seed(0)).mean(0).sub(5).abs().lt(1)
        tensor([True, True])
    """

    name = "gan"
    network: Generator

    def __init__(
        self,
        loss: str = "non-saturating",
        spectral_norm: bool = False,
        r1: float = 0.3,
        r1_every: int = 4,
        gp: float = 0.1,
        lr: float = 2e-3,
        lr_discriminator: float = 2e-3,
        n_critic: int = 0,
        ema: float = 0.1,
        latent: int = 32,
        hidden: int = 256,
        network: str = "auto",
        batch_size: int = 0,
    ) -> None:
        self.loss, self.spectral_norm, self.r1, self.r1_every = loss, spectral_norm, r1, r1_every
        self.gp, self.rates = gp, (lr, lr_discriminator)
        self.n_critic = n_critic or (3 if loss == "wgan-gp" else 1)
        self.ema = ema
        self.latent, self.hidden, self.kind = latent, hidden, network
        self.batch_size = batch_size
        self.shape: tuple[int, ...] = ()
        self.levels: int | None = None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Play the game on ``data.train``; ``ValueError`` where that is a single example."""
        check_training(data, self.name)
        if len(data.train) < 2:
            raise ValueError(
                f"{self.name} needs at least 2 training examples, and {data.id} has 1: what varies "
                "cannot be learned from it"
            )
        self.shape, self.levels = data.event_shape, data.levels
        conditions = self._learned(data)
        batch = given_by(data.train, conditions)
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            game = self._game(data, *batch[1:])
        held_out = given_by(data.validation, conditions)
        average = alternate(
            run, game, batch,
            validation=held_out if len(held_out[0]) else None,
            batch_size=self.batch_size or self._batch,
            rates=self.rates, turns=self.n_critic, width=self.ema,
        )  # fmt: skip
        self.network = cast(Generator, average)

    def _learned(self, data: Dataset) -> Conditions | None:
        """Return what samples can be asked for: nothing."""
        return None

    def _game(self, data: Dataset, rows: Tensor | None = None) -> Duel:
        """Return both players, untrained, and their rules; ``rows`` are the data's conditions."""
        player = self._generator(self._standards(data))
        opponent = discriminator(0, self.shape, self._width, self._convolve, self.spectral_norm)
        return Duel(player, opponent, **self._rules)

    def _standards(self, data: Dataset) -> tuple[Tensor, Tensor]:
        """Return shift and scale ``[*event]`` of the data."""
        if self.levels is None:
            x = data.train.x.double()
            return x.mean(0), x.std(0).clamp_min(1e-6)
        return torch.full(self.shape, 0.5), torch.full(self.shape, 0.5)

    @property
    def _rules(self) -> dict[str, Any]:
        return {"kind": self.loss, "r1": self.r1, "r1_every": self.r1_every, "gp": self.gp,
                "levels": self.levels}  # fmt: skip

    def _generator(self, standards: tuple[Tensor, Tensor], told: int = 0) -> Generator:
        """Return a generator of latents and ``told`` more numbers."""
        latent = min(self.latent, 2 * math.prod(self.shape))
        body = generator_body(latent + told, self.shape, self._width, self._convolve)
        return Generator(body, latent, *standards, bounded=self.levels is not None)

    @property
    def _batch(self) -> int:
        """Return the examples of a step where nothing else is said."""
        return _CONTINUOUS if self.levels is None else _LEVELLED

    @property
    def _width(self) -> int:
        return min(self.hidden, 64 * math.prod(self.shape))

    @property
    def _convolve(self) -> bool:
        return convolves(self.kind, self.shape)

    @property
    def _device(self) -> torch.device:
        return self.network.shift.device

    @torch.no_grad()
    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, float32; in ``[0, 1)`` for levelled data."""
        refuse_condition(condition, self.name)
        latents = torch.split(self.draw_prior(n, generator), ROWS)
        return self._finished([self.decode(part) for part in latents])

    def _finished(self, parts: list[Tensor]) -> Tensor:
        x = torch.cat(parts)
        return x if self.levels is None else below_one(x)

    def draw_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` standard normal latents ``[n, latent]``."""
        return normal((n, self.network.latent), generator, self._device)

    def log_prior(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats ``[n]``."""
        return -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))

    def decode(self, z: Tensor) -> Tensor:
        """Return data ``[n, *event]`` as floats; 0 to 1 on levelled data."""
        return self.network.decode(z)

    @property
    def evaluations_per_sample(self) -> float:
        """One pass through the generator."""
        return 1.0

    @property
    def n_parameters(self) -> int:
        """Weights and biases of the generator; the discriminator is not kept."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write the generator and its shapes into ``folder``."""
        save_state(folder, self.network.state_dict(), self._described())

    def _described(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "levels": self.levels}

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.network = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Generator:
        self.shape, self.levels = tuple(config["shape"]), config["levels"]
        return self._generator(self._blank)

    @property
    def _blank(self) -> tuple[Tensor, Tensor]:
        return torch.ones(self.shape), torch.ones(self.shape)
