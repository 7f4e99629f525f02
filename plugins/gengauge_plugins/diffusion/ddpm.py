"""The denoising diffusion model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, Split, check_training, seeds
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.diffusion import samplers
from gengauge_plugins.diffusion.answers import ROWS, Answers
from gengauge_plugins.diffusion.guidance import Guide
from gengauge_plugins.diffusion.network import (
    Form,
    Network,
    blank_logits,
    build,
    level_logits,
    scaling_of,
)
from gengauge_plugins.diffusion.objective import denoising_loss, fit_average
from gengauge_plugins.diffusion.pretrained import Pretrained
from gengauge_plugins.diffusion.schedule import Schedule
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.drawing import normal, refuse_condition
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.storage import load_network, save_state

_CONVOLVED, _LEVELLED, _CONTINUOUS = 64, 128, 256  # examples a step


class DDPM(Answers):
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
    batches. Likelihoods, ``denoise`` and ``inpaint`` are those of no class in
    particular.

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
        sampler: ``ddpm``, ``ddim``, ``dpm++`` or ``heun``; ``auto`` takes ``ddpm`` where
            levels are predicted and ``dpm++`` elsewhere, or what a pretrained model came with.
        steps: Steps of the sampler, at most as many; Heun's cost two evaluations each.
        ema: Width of the average, see :class:`gengauge.averaging.PowerAverage`.
        network: ``mlp``, ``unet``, or ``auto``: a U-Net for pictures of more than 256 values.
        hidden: Width of the perceptron; the U-Net has an eighth as many channels in full
            size.
        blocks: Residual blocks of the perceptron, of the U-Net at each resolution.
        batch_size: Examples a step; 0 is 64 for a U-Net, else 128 of levelled and 256 of
            continuous data.
        lr: Peak learning rate.
        pretrained: Folder of a ``DDPMPipeline`` or ``DDIMPipeline`` that diffusers saved; its
            network, schedule and scheduler are taken as they are, and nothing is trained.

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
        16.0
    """

    name = "ddpm"

    def __init__(
        self,
        conditional: bool = False,
        guidance: float = 1.0,
        guidance_kind: str = "free",
        prediction: str = "auto",
        schedule: str = "cosine",
        timesteps: int = 1000,
        sampler: str = "auto",
        steps: int = 16,
        ema: float = 0.1,
        network: str = "auto",
        hidden: int = 128,
        blocks: int = 3,
        batch_size: int = 0,
        lr: float = 4e-3,
        pretrained: str = "",
    ) -> None:
        self.conditional, self.guidance, self.guidance_kind = conditional, guidance, guidance_kind
        self.prediction = prediction
        self.schedule = Schedule.of(schedule, timesteps)
        self.sampler, self.steps = sampler, min(steps, timesteps)
        self.pretrained = pretrained
        self.elsewhere: Pretrained | None = None
        self.ema, self.kind, self.hidden, self.blocks = ema, network, hidden, blocks
        self.batch_size, self.lr = batch_size, lr

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Learn to remove noise from ``data.train``."""
        check_training(data, self.name)
        check_varies(data, self.name)
        if self.pretrained:
            self._take(Pretrained.of(self.pretrained), data, run)
            return
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
            run, made, denoising_loss, self._batch(data.train, made),
            validation=held_out if len(held_out[0]) else None, width=self.ema,
            batch_size=self.batch_size or self._batch_size,
            lr=self.lr,
        )  # fmt: skip
        assert isinstance(average, Network)
        self.network = average

    @property
    def _batch_size(self) -> int:
        if self.form.convolves:
            return _CONVOLVED
        return _CONTINUOUS if self.form.levels is None else _LEVELLED

    def _take(self, elsewhere: Pretrained, data: Dataset, run: FitRun) -> None:
        """Take over a model trained elsewhere: ``data`` says what its pictures are like."""
        if data.levels is None or data.event_shape != elsewhere.shape or self.conditional:
            raise UnsupportedError(
                f"{self.pretrained} makes pictures {list(elsewhere.shape)} of any class, and "
                f"{data.id} has {list(data.event_shape)}; take data of that shape, with levels, "
                "and conditional=false"
            )
        self.form = Form(data.event_shape, data.levels, 0, "unet", "v", 0, 0, "free")
        self._adopt(elsewhere, scaling_of(data))
        self.network.to(run.device)

    def _adopt(self, elsewhere: Pretrained, scaling: tuple[Tensor, Tensor]) -> Network:
        self.elsewhere, denoising = elsewhere, elsewhere.denoising
        self.schedule = denoising.schedule
        self.network = Network(denoising, None, *scaling, torch.zeros(0)).eval()
        return self.network

    def _batch(self, split: Split, network: Network) -> tuple[Tensor, ...]:
        x = network.scaled(split.x).float()
        if not self.conditional:
            return (x,)
        if split.labels is None:
            return x[:0], torch.zeros(0, dtype=torch.int64)
        known = torch.isin(split.labels, torch.nonzero(network.frequency).flatten())
        return x[known], split.labels[known]

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
                parts.append(self._sampled(guide, shape, steps, generator))
        return self._in_units(torch.cat(parts)), self._cost(steps)

    def _sampled(
        self, guide: Guide, shape: tuple[int, ...], steps: int, generator: torch.Generator
    ) -> Tensor:
        device = self._device
        if self.elsewhere is None or self.sampler != "auto":
            return samplers.sample(
                guide, self.schedule, shape, self._sampler, steps, generator, device
            )
        noise = normal(shape, generator, device)
        stepper = self.elsewhere.stepper(steps)
        return samplers.run(stepper, self.schedule.log_ratios, guide, noise, generator)

    def _cost(self, steps: int) -> float:
        calls = samplers.evaluations(self._sampler, steps)
        if self.elsewhere is not None and self.sampler == "auto":
            calls = len(self.elsewhere.stepper(steps).timesteps)
        return float(self._looks * calls)

    @property
    def _sampler(self) -> str:
        if self.sampler != "auto":
            return self.sampler
        # noise that a step leaves on levels is cleaned by the next, and sharper than an equation's
        return "ddpm" if self.form.predicts == "levels" else "dpm++"

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

    @property
    def _looks(self) -> int:
        some = torch.zeros(1, dtype=torch.int64) if len(self.network.frequency) else None
        return self._guide(1, some).looks

    @property
    def step_choices(self) -> Sequence[int]:
        """Step counts from the roughest to where nothing is gained any more."""
        return [s for s in (3, 6, 12, 25) if s <= self.schedule.steps]

    @property
    def evaluations_per_sample(self) -> float:
        """Evaluations of networks behind one sample: two a step under guidance."""
        return self._cost(self.steps)

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write weights, shapes and classes into ``folder``."""
        made = {} if self.elsewhere is None else {"elsewhere": self.elsewhere.described()}
        save_state(folder, self.network.state_dict(), {**asdict(self.form), **made})

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.network = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Network:
        known = config.pop("elsewhere", None)
        self.form = Form(**{**config, "shape": tuple(config["shape"])})
        shape = (1,) if self.form.levels is not None else self.form.shape
        blank = torch.ones(shape, dtype=torch.float64)
        if known is not None:
            return self._adopt(Pretrained.restored(known), (blank, blank))
        return build(self.form, self.schedule, (blank, blank), blank_logits(self.form),
                     torch.zeros(self.form.classes))  # fmt: skip
