"""The denoising diffusion model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, Split, check_training, seeds
from gengauge.model import Condition
from gengauge_plugins.diffusion import samplers
from gengauge_plugins.diffusion.denoising import LevelDenoising
from gengauge_plugins.diffusion.guidance import Guide
from gengauge_plugins.diffusion.likelihoods import Flow, last_deviation, log_normal, log_rounded
from gengauge_plugins.diffusion.network import (
    Form,
    Network,
    blank_logits,
    build,
    level_logits,
    scaling_of,
)
from gengauge_plugins.diffusion.objective import (
    drawn_ratios,
    fit_average,
    noise_like,
    without_some,
)
from gengauge_plugins.diffusion.schedule import Schedule, alpha_sigma
from gengauge_plugins.networks.batches import batch_size as chosen_batch
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.drawing import below_one, refuse_condition
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.storage import load_network, save_state

_DROPPED = 0.1  # share of labels left out, for guidance without a classifier
ROWS = 1024  # states denoised at once


class DDPM:
    """A denoising diffusion: noise is added in small steps, and a network learns to remove it.

    Data is the end of a chain that starts at Gaussian noise. A network guesses the clean state
    behind every noisy one; the chain, or a differential equation with the same densities, follows
    its guesses. Floats are standardised, levels go to -1 .. 1, and up to 32 levels are given a
    probability each, see :class:`gengauge_plugins.diffusion.denoising.LevelDenoising`. A column of
    floats that never varies has no density, and examples that are all equal teach nothing:
    ``fit`` raises ``ValueError``.

    Labels take part if ``conditional``. With ``guidance_kind=free`` a tenth of them are left out,
    so that one network knows classes and none; with ``classifier`` the network knows none, and a
    perceptron of two blocks learns to tell the classes of noisy data, on the same steps and
    batches. Likelihoods and ``denoise`` are those of no class in particular.

    Good at: the quality and coverage of samples, and bounds on likelihood among the best.
    Breaks at: speed: a sample costs tens of evaluations, and guidance beyond 1 trades variety
    for typical samples (``recall`` tells).

    See Also:
        :func:`gengauge_plugins.diffusion.samplers.sample`
        :class:`gengauge_plugins.diffusion.guidance.Guide`

    References:
        | Denoising Diffusion Probabilistic Models (Ho et al., 2020)
        | https://arxiv.org/abs/2006.11239
        | Score-Based Generative Modeling through Stochastic Differential Equations
        | (Song et al., 2021), https://arxiv.org/abs/2011.13456
        | Denoising Diffusion Implicit Models (Song et al., 2021), sampler ddim
        | https://arxiv.org/abs/2010.02502
        | DPM-Solver++ (Lu et al., 2022), sampler dpm++, https://arxiv.org/abs/2211.01095
        | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022),
        | sampler heun, https://arxiv.org/abs/2206.00364

    Arguments:
        conditional: Whether samples can be asked for by class.
        guidance: How many times as far samples lean towards their class as it says; at 1 the class
            as it is.
        guidance_kind: ``free`` or ``classifier``, see above.
        prediction: What the network says: ``epsilon``, ``v``, ``x0`` or ``levels``, see
            :class:`gengauge_plugins.diffusion.denoising.Denoising`; ``auto`` takes ``levels`` for
            up to 32 of them and ``v`` for the rest.
        schedule: ``cosine`` or ``linear``, see
            :class:`gengauge_plugins.diffusion.schedule.Schedule`.
        timesteps: Steps of the chain that is learned.
        sampler: ``ddpm``, ``ddim``, ``dpm++`` or ``heun``.
        steps: Steps of the sampler, at most as many; Heun's cost two evaluations each.
        ema: Width of the average, see :class:`gengauge_plugins.networks.averaging.PowerAverage`.
        network: ``mlp``, ``unet``, or ``auto``: a U-Net for pictures of more than 256 values.
        hidden: Width of the perceptron; the U-Net has a sixteenth as many channels in full size.
        blocks: Residual blocks of the perceptron, of the U-Net at each resolution.
        batch_size: Examples a step; 0 chooses, see
            :func:`gengauge_plugins.networks.batches.batch_size`.
        lr: Peak learning rate.

    Example:
        >>> from gengauge import Budget
        >>> x = 5 + torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
        >>> data = Dataset("cloud", "points", Split(x), Split(x[:100]), Split(x[:0]))
        >>> model = DDPM(hidden=32, blocks=1)
        >>> model.fit(data, FitRun(0, Budget.parse("50 steps")))
        >>> drawn = model.sample(200, None, torch.Generator().manual_seed(0))
        >>> drawn.mean(0).sub(5).abs().lt(1)
        tensor([True, True])
        >>> model.evaluations_per_sample
        20.0
    """

    name = "ddpm"
    network: Network
    form: Form

    def __init__(
        self,
        conditional: bool = False,
        guidance: float = 1.0,
        guidance_kind: str = "free",
        prediction: str = "auto",
        schedule: str = "cosine",
        timesteps: int = 1000,
        sampler: str = "dpm++",
        steps: int = 20,
        ema: float = 0.1,
        network: str = "auto",
        hidden: int = 256,
        blocks: int = 3,
        batch_size: int = 0,
        lr: float = 2e-3,
    ) -> None:
        self.conditional, self.guidance, self.guidance_kind = conditional, guidance, guidance_kind
        self.prediction = prediction
        self.schedule = Schedule.of(schedule, timesteps)
        self.sampler, self.steps = sampler, min(steps, timesteps)
        self.ema, self.kind, self.hidden, self.blocks = ema, network, hidden, blocks
        self.batch_size, self.lr = batch_size, lr

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Learn to remove noise from ``data.train``."""
        check_training(data, self.name)
        check_varies(data, self.name)
        frequency = torch.zeros(0)
        if self.conditional:
            labels, classes = training_labels(data, self.name)
            frequency = labels.bincount(minlength=classes) / len(labels)
        self.form = Form(data.event_shape, data.levels, len(frequency), self.kind,
                         self.prediction, self.hidden, self.blocks, self.guidance_kind)  # fmt: skip
        logits = level_logits(data) if self.form.predicts == "levels" else torch.zeros(0)
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            made = build(self.form, self.schedule, scaling_of(data), logits, frequency)
        held_out = self._batch(data.validation, made)
        average = fit_average(
            run, made, _objective, self._batch(data.train, made),
            validation=held_out if len(held_out[0]) else None, width=self.ema,
            batch_size=chosen_batch(self.batch_size, data.levels), lr=self.lr,
        )  # fmt: skip
        assert isinstance(average, Network)
        self.network = average

    def _batch(self, split: Split, network: Network) -> tuple[Tensor, ...]:
        x = network.scaled(split.x).float()
        if not self.conditional:
            return (x,)
        if split.labels is None:
            return x[:0], torch.zeros(0, dtype=torch.int64)
        known = torch.isin(split.labels, torch.nonzero(network.frequency).flatten())
        return x[known], split.labels[known]

    @property
    def _device(self) -> torch.device:
        return self.network.shift.device

    @torch.no_grad()
    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, float32; in ``[0, 1)`` for levelled data.

        A conditional model draws labels as often as training had them where none are asked for.
        """
        return self.sample_in(self.steps, n, condition, generator)[0]

    def sample_in(
        self, steps: int, n: int, condition: Condition | None, generator: torch.Generator
    ) -> tuple[Tensor, float]:
        """Return ``n`` samples in ``steps`` steps, and the evaluations behind each."""
        labels = self._labels(n, condition, generator)
        parts = []
        with torch.no_grad():
            for start in range(0, n, ROWS):
                some = None if labels is None else labels[start : start + ROWS]
                shape = (min(ROWS, n - start), *self.form.shape)
                guide = self._guide(shape[0], some)
                parts.append(
                    samplers.sample(
                        guide, self.schedule, shape, self.sampler, steps, generator, self._device
                    )
                )
        x = self._in_units(torch.cat(parts))
        return x, float(self._looks * samplers.evaluations(self.sampler, steps))

    def _labels(
        self, n: int, condition: Condition | None, generator: torch.Generator
    ) -> Tensor | None:
        frequency = self.network.frequency
        if not len(frequency):
            refuse_condition(condition, self.name)
            return None
        if condition is not None:
            seen = torch.nonzero(frequency).flatten()
            return asked_labels(condition, n, seen, self.name).to(self._device)
        share = frequency.to(generator.device)
        return torch.multinomial(share, n, replacement=True, generator=generator).to(self._device)

    def _guide(self, n: int, labels: Tensor | None = None) -> Guide:
        """Return what denoises ``n`` states, towards ``labels`` ``[n]`` where there are any."""
        network = self.network
        nothing = torch.full((n,), self.form.classes, device=self._device)
        return Guide(network.denoising, labels, nothing if network.free else None, self.guidance,
                     network.classifier)  # fmt: skip

    @property
    def _looks(self) -> int:
        some = torch.zeros(1, dtype=torch.int64) if len(self.network.frequency) else None
        return self._guide(1, some).looks

    def _in_units(self, states: Tensor) -> Tensor:
        x = states.double() * self.network.spread + self.network.shift
        if self.form.levels is None:
            return x.float()
        return below_one(((x + 0.5) / self.form.levels).float())

    def _guess(self, states: Tensor, log_ratios: Tensor) -> Tensor:
        """Return x_0 ``[n, *event]`` of no class in particular, within the data's range."""
        guess: Tensor = self._unasked(states, log_ratios)
        return guess if self.form.levels is None else guess.clamp(-1, 1)

    def _unasked(self, states: Tensor, log_ratios: Tensor) -> Tensor:
        guide = self._guide(len(states))
        out: Tensor = guide.denoising(states, log_ratios, guide.nothing)
        return out

    @property
    def step_choices(self) -> Sequence[int]:
        """Step counts from the roughest to where nothing is gained any more."""
        return [s for s in (3, 6, 12, 25) if s <= self.schedule.steps]

    @property
    def evaluations_per_sample(self) -> float:
        """Evaluations of networks behind one sample: two a step under guidance."""
        return float(self._looks * samplers.evaluations(self.sampler, self.steps))

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return sum(p.numel() for p in self.network.parameters())

    def alphas_cumprod(self) -> Tensor:
        """Return the signal's share ``[T]`` of the variance after each step."""
        return self.schedule.alphas_cumprod

    def scaling(self) -> tuple[Tensor, Tensor]:
        """Return shift and spread of the states."""
        return self.network.shift, self.network.spread

    def predict(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, None]:
        """Return the guess of x_0 behind ``x_t`` at steps ``t`` ``[n]``; the variance is fixed."""
        ratios = self.schedule.log_ratios.to(t.device)[t]
        return self._guess(x_t.float(), ratios), None

    @torch.no_grad()
    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Return the clean guess of ``x`` ``[n, *event]`` with noise ``sigma`` on it."""
        network = self.network
        ratio = sigma / network.spread.square().mean().sqrt()
        ratios = ratio.log().clamp(self.schedule.least, self.schedule.most).expand(len(x))
        states = network.scaled(x.to(self._device))
        alpha, _ = alpha_sigma(ratios, states)
        parts = zip(
            torch.split((alpha * states).float(), ROWS), torch.split(ratios, ROWS), strict=True
        )
        guess = torch.cat([self._guess(*part) for part in parts]).double()
        return (guess * network.spread + network.shift).float()

    def log_reconstruction(self, x: Tensor, x_1: Tensor) -> Tensor:
        """Return log p(x | x_1) in nats ``[n]``: of levels a mass, else a normal density."""
        ratios = self.schedule.log_ratios.to(x_1.device)[:1].expand(len(x))
        denoising, levels = self.network.denoising, self.form.levels
        if isinstance(denoising, LevelDenoising):
            nothing = self._guide(len(x)).nothing
            return denoising.log_levels(x.to(x_1.device), x_1.float(), ratios, nothing)
        mean = self._guess(x_1.float(), ratios) * self.network.spread + self.network.shift
        deviation = self.network.spread * last_deviation(self.schedule)
        if levels is None:
            return log_normal(x.to(x_1.device), mean, deviation).flatten(1).sum(1)
        return log_rounded(x.to(x_1.device), mean, deviation, levels).flatten(1).sum(1)

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the probability flow's velocity ``[n, *event]`` at times ``t`` ``[n]``."""
        return self._flow.velocity(x, t)

    def log_base(self, x: Tensor) -> Tensor:
        """Return the log-density of the flow's base ``[n]`` in nats."""
        return self._flow.log_base(x)

    @property
    def _flow(self) -> Flow:
        """The probability flow; levels have gaps, where what has less noise has no density."""
        network, levels, start = self.network, self.form.levels, self.schedule.least
        shift, spread = network.shift, network.spread
        if levels is not None:
            start = max(start, math.log(2 / (levels - 1) / math.sqrt(12)))
            shift, spread = (shift + 0.5) / levels, spread / levels
        return Flow(self._unasked, start, self.schedule.most, shift, spread)

    def save(self, folder: Path) -> None:
        """Write weights, shapes and classes into ``folder``."""
        save_state(folder, self.network.state_dict(), {**asdict(self.form)})

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.network = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Network:
        self.form = Form(**{**config, "shape": tuple(config["shape"])})
        shape = (1,) if self.form.levels is not None else self.form.shape
        blank = torch.ones(shape, dtype=torch.float64)
        return build(self.form, self.schedule, (blank, blank), blank_logits(self.form),
                     torch.zeros(self.form.classes))  # fmt: skip


def _objective(network: Network, x: Tensor, *labels: Tensor, generator: torch.Generator) -> Tensor:
    denoising, classifier = network.denoising, network.classifier
    ratios = drawn_ratios(denoising.schedule, len(x), generator, x.device)
    eps = noise_like(x, generator)
    condition = None
    if network.free:
        condition = without_some(labels[0], len(network.frequency), _DROPPED, generator)
    loss = denoising.losses(x, eps, ratios, condition).mean()
    if classifier is not None:
        alpha, sigma = alpha_sigma(ratios, x)
        logs = classifier(alpha * x + sigma * eps, ratios)
        loss = loss + torch.nn.functional.nll_loss(logs, labels[0])
    return loss
