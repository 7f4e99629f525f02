"""The latent diffusion model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, check_training, seeds, train
from gengauge.errors import UsageError
from gengauge.model import Condition
from gengauge_plugins.diffusion.denoising import Denoising
from gengauge_plugins.diffusion.latents import ROWS, Latents, encoded, standardised
from gengauge_plugins.diffusion.objective import drawn_ratios, fit_average, noise_like
from gengauge_plugins.diffusion.pipeline import Pipeline, check_shape
from gengauge_plugins.diffusion.schedule import Schedule
from gengauge_plugins.networks import conditions as known
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.drawing import uniform
from gengauge_plugins.networks.first_stage import FirstStage
from gengauge_plugins.networks.residual import TimedResidual
from gengauge_plugins.networks.stages import stage
from gengauge_plugins.networks.storage import load_network, load_state, save_state

_DENSE = 256  # numbers of a code up to which a perceptron is as good as a U-Net, and sooner
_DROPPED = 0.1  # share of conditions left out, for guidance
_PIPELINE = "pipeline"


class LatentDiffusion:
    """An autoencoder is trained first, then diffusion in its codes; samples are decoded.

    The first stage spends ``share`` of the budget, see
    :class:`gengauge_plugins.networks.first_stage.FirstStage`; the codes of all training pictures
    are then made once, standardised a channel, and a network learns to denoise those. Sampling
    draws a code in ``steps`` steps and decodes it, so that the decoder's cost is part of every
    figure of speed; evaluations are those of the denoiser, twice under guidance, and one of the
    decoder.

    With ``condition`` it learns labels or captions, a tenth of them left out for guidance; asked
    for nothing in particular, it draws one of the training examples' own. Captions are read by a
    small network trained along with it; words it never saw count as one unknown word. It has no
    likelihood: the first stage is trained for its reconstructions, not as a distribution.

    Good at: pictures with fewer numbers to denoise than pixels, so more steps a second; codes.
    Breaks at: detail that the first stage has lost, which no diffusion brings back; likelihood.

    See Also:
        :class:`gengauge_plugins.diffusion.pipeline.Pipeline`

    References:
        | High-Resolution Image Synthesis with Latent Diffusion Models (Rombach et al., 2021)
        | https://arxiv.org/abs/2112.10752
        | Classifier-Free Diffusion Guidance (Ho & Salimans, 2022)
        | https://arxiv.org/abs/2207.12598

    Arguments:
        first_stage: ``kl`` or ``vq``.
        condition: ``none``, ``class`` or ``caption``.
        share: Of the budget, spent on the first stage.
        channels: Of a code; 0 is 4 of a quarter of each side, 2 of half of a side below 16.
        codebook: Entries of the codebook of ``vq``.
        encoder: ``dense``, ``conv`` or ``auto``, which convolves pictures of more than 256 values.
            On Fashion-MNIST they give half the Frechet distance of dense ones in the same time.
        width: Channels of its convolutions at half the size; perceptrons are 8 times as wide.
        prediction: What the denoiser answers: ``v``, ``epsilon`` or ``x0``.
        schedule: ``cosine`` or ``linear``.
        hidden: Width of the denoiser's blocks.
        blocks: How many there are.
        sampler: ``ddim``, ``ddpm``, ``dpm++`` or ``heun``.
        steps: Of the sampler.
        guidance: How far samples lean towards what is asked for; 1 is as far as it says.
        ema: Width of the average of the denoiser's weights.
        batch_size: Pictures a step.
        lr: Peak learning rate of both stages.
        pretrained: A folder that diffusers' ``LDMPipeline`` was saved to: nothing is trained then,
            and only ``steps`` counts of all the rest.

    Example:
        >>> from gengauge import Budget, Split
        >>> x = torch.randint(5, (64, 1, 4, 4), generator=torch.Generator().manual_seed(0)).byte()
        >>> data = Dataset("noise", "image", *[Split(x)] * 3, levels=5)
        >>> model = LatentDiffusion(hidden=16, width=4, steps=4)
        >>> model.fit(data, FitRun(0, Budget.parse("20 steps")))
        >>> model.sample(3, None, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 1, 4, 4])
        >>> model.evaluations_per_sample
        5.0
    """

    name = "latent-diffusion"
    model: Latents | Pipeline

    def __init__(
        self,
        first_stage: str = "kl",
        condition: str = "none",
        share: float = 0.25,
        channels: int = 0,
        codebook: int = 256,
        encoder: str = "auto",
        width: int = 32,
        prediction: str = "v",
        schedule: str = "cosine",
        hidden: int = 192,
        blocks: int = 2,
        sampler: str = "dpm++",
        steps: int = 20,
        guidance: float = 1.5,
        ema: float = 0.1,
        batch_size: int = 128,
        lr: float = 4e-3,
        pretrained: str = "",
    ) -> None:
        self.kind, self.condition, self.share = first_stage, condition, share
        self.channels, self.codebook, self.encoder, self.width = channels, codebook, encoder, width
        self.prediction, self.schedule = prediction, schedule
        self.hidden, self.blocks = hidden, blocks
        self.sampler, self.steps, self.guidance = sampler, steps, guidance
        self.ema, self.batch_size, self.lr, self.pretrained = ema, batch_size, lr, pretrained

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Train both stages on ``data.train``, or load ``pretrained`` and take no step."""
        check_training(data, self.name)
        check_varies(data, self.name)
        if data.levels is None:
            raise ValueError(f"{self.name} takes levelled pictures, and {data.id} is continuous")
        if self.pretrained:
            self._adopt(data, run.device)
            return
        conditions = known.learned(self.condition, data, self.name)
        given, held_out = (
            known.given_by(split, conditions) for split in (data.train, data.validation)
        )
        if not len(given[0]):
            raise ValueError(f"no training example of {data.id} has a {self.condition}")
        with stage(run, "first stage", self.share) as part:
            first = self._first_stage(data, part, given[0], held_out[0])
        with stage(run, "diffusion") as part, seeds.global_seed(seeds.named_seed(run.seed, "net")):
            denoising = self._denoising(first, conditions)
            codes = [(standardised(first, x), *rest) for x, *rest in (given, held_out)]
            denoising = self._diffused(part, denoising, conditions, codes[0], codes[1])
        seen = known.remembered(given[1]) if conditions else torch.zeros(0, dtype=torch.int64)
        self.model = Latents(first, denoising, conditions, seen.to(run.device), self.sampler,
                             self.guidance)  # fmt: skip

    def _adopt(self, data: Dataset, device: torch.device) -> None:
        if self.condition != "none":
            raise UsageError(
                f"a pretrained pipeline takes no condition; leave condition={self.condition} out"
            )
        assert data.levels is not None
        self.model = Pipeline(Path(self.pretrained).expanduser(), data.levels).to(device)
        check_shape(self.model, data.event_shape, data.id)

    def _first_stage(self, data: Dataset, run: FitRun, x: Tensor, held_out: Tensor) -> FirstStage:
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            first = FirstStage(
                data.event_shape, data.levels or 2, self.kind, self.channels, self.width,
                self.codebook, network=self.encoder,
            )  # fmt: skip
        first.begin(x)

        def loss(x: Tensor, *, generator: torch.Generator) -> Tensor:
            return first.loss(x, generator)

        train(run, first, loss, (x,), validation=(held_out,) if len(held_out) else None,
              batch_size=self.batch_size, lr=self.lr)  # fmt: skip
        first.requires_grad_(False)
        first.survey(encoded(first, x))
        return first

    def _denoising(self, first: FirstStage, conditions: known.Conditions | None) -> Denoising:
        numbers, channels = math.prod(first.code), first.code[0]
        schedule = Schedule.of(self.schedule, 1000)
        if numbers <= _DENSE:
            hidden = min(self.hidden, 64 * numbers)
            context = conditions.context(hidden) if conditions else None
            network: torch.nn.Module = TimedResidual(numbers, numbers, hidden, self.blocks, context)
            return Denoising(network, schedule, self.prediction)
        from gengauge_plugins.networks.unet import TimedUNet

        widths = (32, 64)
        context = conditions.context(4 * widths[0]) if conditions else None
        network = TimedUNet(channels, channels, widths, context=context)
        return Denoising(network, schedule, self.prediction)

    def _diffused(
        self,
        run: FitRun,
        denoising: Denoising,
        conditions: known.Conditions | None,
        given: tuple[Tensor, ...],
        held_out: tuple[Tensor, ...],
    ) -> Denoising:
        def objective(
            network: Denoising, z: Tensor, rows: Tensor | None = None, *,
            generator: torch.Generator,
        ) -> Tensor:  # fmt: skip
            if rows is not None and conditions is not None:
                dropped = uniform((len(rows),), generator, rows.device) < _DROPPED
                mask = dropped.view(-1, *[1] * (rows.ndim - 1))
                rows = torch.where(mask, conditions.nothing(rows), rows)
            ratios = drawn_ratios(network.schedule, len(z), generator, z.device)
            return network.losses(z, noise_like(z, generator), ratios, rows).mean()

        found = fit_average(
            run, denoising, objective, given, validation=held_out if len(held_out[0]) else None,
            width=self.ema, batch_size=self.batch_size, lr=self.lr,
        )  # fmt: skip
        assert isinstance(found, Denoising)
        return found

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, levels, for ``condition`` if it is given."""
        return self.sample_in(self.steps, n, condition, generator)[0]

    @torch.no_grad()
    def sample_in(
        self, steps: int, n: int, condition: Condition | None, generator: torch.Generator
    ) -> tuple[Tensor, float]:
        """Return ``n`` samples made in ``steps`` steps, and the evaluations behind each."""
        found = self.model.draw(steps, n, condition, generator)
        return found, self.model.evaluations(steps)

    @property
    def step_choices(self) -> Sequence[int]:
        """Steps from too few to more than enough."""
        return (2, 5, 10, 20, 50)

    @property
    def evaluations_per_sample(self) -> float:
        """Evaluations of the denoiser, twice under guidance, and one of the decoder."""
        return self.model.evaluations(self.steps)

    @property
    def alphabet(self) -> int | None:
        """Entries of the codebook; None where codes are floats."""
        return self.model.alphabet

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Return codes of ``x`` ``[n, *event]``: floats ``[n, c, h, w]``, or entries' numbers."""
        return torch.cat(
            [self.model.to_codes(part.to(self._device)) for part in torch.split(x, ROWS)]
        )

    @torch.no_grad()
    def decode_codes(self, codes: Tensor) -> Tensor:
        """Return the pictures ``[n, *event]`` that ``codes`` stand for, levels."""
        parts = [self.model.from_codes(part.to(self._device)) for part in torch.split(codes, ROWS)]
        return torch.cat(parts)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return ``x`` ``[n, *event]`` encoded and decoded, levels."""
        return self.decode_codes(self.encode(x))

    @property
    def n_parameters(self) -> int:
        """Weights and biases of both stages, of the encoder too."""
        return sum(p.numel() for p in self.model.parameters())

    def save(self, folder: Path) -> None:
        """Write both stages into ``folder``, a pipeline in diffusers' own form."""
        if isinstance(self.model, Pipeline):
            save_state(folder, {}, {_PIPELINE: True, "levels": self.model.levels})
            self.model.save(folder / _PIPELINE)
            return
        conditions = self.model.conditions
        config: dict[str, Any] = {
            _PIPELINE: False, "stage": self.model.stage.described(),
            "conditions": conditions.described() if conditions else None,
            "seen": list(self.model.seen.shape),
        }  # fmt: skip
        save_state(folder, self.model.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""

        def build(config: dict[str, Any]) -> Latents:
            first = FirstStage(**{**config["stage"], "shape": tuple(config["stage"]["shape"])})
            conditions = known.restored(config["conditions"], self.name)
            seen = torch.zeros(config["seen"], dtype=torch.int64)
            denoising = self._denoising(first, conditions)
            return Latents(first, denoising, conditions, seen, self.sampler, self.guidance)

        if (folder / _PIPELINE).is_dir():
            levels = load_state(folder, device)[1]["levels"]
            self.model = Pipeline(folder / _PIPELINE, levels).to(device)
        else:
            self.model = load_network(folder, device, build)
