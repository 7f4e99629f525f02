"""What flow matching and bridges share: training data in, samples and checkpoints out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, Split, check_training, dequantise, seeds, train
from gengauge.averaging import PowerAverage
from gengauge.model import Condition
from gengauge_plugins.networks.batches import batch_size
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.conv import convolves
from gengauge_plugins.networks.drawing import below_one, refuse_condition, uniform
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.storage import load_network, save_state
from gengauge_plugins.transport.field import Field, network
from gengauge_plugins.transport.paths import times
from gengauge_plugins.transport.scaling import Scale

_ROWS, _PICTURES = 2048, 256  # states moved at once: keeps memory flat in the number of samples
_COPIES = 4  # of levelled data with fresh noise, from which the scale is taken


class Transport(ABC):
    """A model that carries states along time, and its training on pairs of them."""

    name: str
    heads: int
    steps: int
    guidance: float
    field: Field

    def __init__(
        self, conditional: bool, guidance: float, drop: float, sizes: tuple[int, int, int],
        times: str, batch_size: int, lr: float, ema: float,
    ) -> None:  # fmt: skip
        self.conditional, self.guidance, self.drop, self.sizes = conditional, guidance, drop, sizes
        self.times, self.batch_size, self.lr, self.ema = times, batch_size, lr, ema
        self.shape: tuple[int, ...] = ()
        self.levels: int | None = None
        self.modality = ""

    @abstractmethod
    def _loss(
        self, field: Field, z: Tensor, labels: Tensor | None, generator: torch.Generator
    ) -> Tensor:
        """Return the loss of scaled data ``z`` ``[n, *event]``; ``labels`` pair within classes."""

    def _together(self) -> bool:
        """Return whether all values have one scale: pixels, whose deviations compare."""
        return self.levels is not None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Learn from ``data.train``; the average of the weights over training is kept."""
        check_training(data, self.name)
        check_varies(data, self.name)
        self.shape, self.levels, self.modality = data.event_shape, data.levels, data.modality
        frequency = self._frequency(data)
        kept = self._kept(data)
        scale = self._scale(data, run.generator("scale"))
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            field = self._build(scale, frequency, kept).to(run.device)
        average = PowerAverage(field, self.ema)
        self.field = cast(Field, average.network).eval()

        def loss(x: Tensor, *labels: Tensor, generator: torch.Generator) -> Tensor:
            z = field.scaled(self._floats(x, generator)).float()
            shown = field if field.training else self.field
            return self._loss(shown, z, labels[0] if labels else None, generator)

        held_out = self._batch(data.validation, frequency)
        train(
            run, field, loss, self._batch(data.train, frequency),
            validation=held_out if len(held_out[0]) else None,
            batch_size=batch_size(self.batch_size, self.levels), lr=self.lr, clip=10.0,
            keep_best=False, average=average,
        )  # fmt: skip

    def _kept(self, data: Dataset) -> Tensor:
        """Return the examples ``[m, *event]`` that samples start from: none where it is noise."""
        return data.train.x[:0]

    def _frequency(self, data: Dataset) -> Tensor:
        if not self.conditional:
            return torch.zeros(0)
        labels, classes = training_labels(data, self.name)
        return labels.bincount(minlength=classes) / len(labels)

    def _batch(self, split: Split, frequency: Tensor) -> tuple[Tensor, ...]:
        if not self.conditional:
            return (split.x,)
        if split.labels is None:
            return split.x[:0], torch.zeros(0, dtype=torch.int64)
        known = torch.isin(split.labels, torch.nonzero(frequency).flatten())
        return split.x[known], split.labels[known]

    def _floats(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x if self.levels is None else dequantise(x, self.levels, generator)

    def _scale(self, data: Dataset, generator: torch.Generator) -> Scale:
        x = data.train.x
        copies = x if self.levels is None else x.repeat(_COPIES, *[1] * (x.dim() - 1))
        return Scale.of(self._floats(copies, generator), self._together())

    @property
    def _convolves(self) -> bool:
        return convolves("auto", self.shape)

    def _build(self, scale: Scale, frequency: Tensor, kept: Tensor) -> Field:
        hidden, blocks, channels = self.sizes
        body = network(self.shape, self.heads, len(frequency), hidden, blocks, channels)
        return Field(scale, body, self.heads, frequency, kept)

    def _forgotten(self, labels: Tensor | None, generator: torch.Generator) -> Tensor | None:
        """Return ``labels`` ``[n]``, a share of them replaced by that of no class."""
        if labels is None:
            return None
        gone = uniform((len(labels),), generator, labels.device) < self.drop
        return labels.masked_fill(gone, self.field.classes)

    def _times(self, n: int, generator: torch.Generator, device: torch.device) -> Tensor:
        suits = "uniform" if self.levels is None else "logit-normal"
        return times(n, suits if self.times == "auto" else self.times, generator, device)

    @abstractmethod
    def _source(self, n: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` scaled states ``[n, *event]`` to start from, on the field's device."""

    @abstractmethod
    def _moved(
        self, z: Tensor, labels: Tensor | None, steps: int, generator: torch.Generator
    ) -> Tensor:
        """Return the scaled data that states ``z`` ``[n, *event]`` become in ``steps`` steps."""

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, of the classes ``condition`` ``[n]`` if given."""
        return self.sample_in(self.steps, n, condition, generator)[0]

    @torch.no_grad()
    def sample_in(
        self, steps: int, n: int, condition: Condition | None, generator: torch.Generator
    ) -> tuple[Tensor, float]:
        """Return ``n`` samples made in ``steps`` steps, and the evaluations behind each."""
        labels = self._labels(n, condition, generator)
        z = self._source(n, labels, generator)
        rows = _PICTURES if self._convolves else _ROWS
        parts = torch.split(z, rows)
        asked = [None] * len(parts) if labels is None else list(torch.split(labels, rows))
        moved = [
            self._moved(*part, steps, generator) for part in zip(parts, asked, strict=True)
        ]  # fmt: skip
        x = self.field.scale.inverse(torch.cat(moved)).float()
        return (x if self.levels is None else below_one(x)), self._cost(steps)

    def _labels(
        self, n: int, condition: Condition | None, generator: torch.Generator
    ) -> Tensor | None:
        if not self.conditional:
            refuse_condition(condition, self.name)
            return None
        if condition is not None:
            return asked_labels(condition, n, self.field.seen, self.name).to(self.field.device)
        frequency = self.field.frequency.to(generator.device)
        drawn = torch.multinomial(frequency, n, replacement=True, generator=generator)
        return drawn.to(self.field.device)

    def _guided(self, z: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return the field's answers, those for ``labels`` taken further from those for none."""
        found = self.field(z, t, labels)
        if labels is None or self.guidance == 1:
            return cast(Tensor, found)
        return torch.lerp(self.field(z, t, None), found, self.guidance)

    @abstractmethod
    def _evaluations(self, steps: int) -> float:
        """Return the network evaluations behind a sample of ``steps`` steps, guidance aside."""

    def _cost(self, steps: int) -> float:
        return self._evaluations(steps) * (2 if self.conditional and self.guidance != 1 else 1)

    @property
    def step_choices(self) -> tuple[int, ...]:
        """Numbers of steps that make sense."""
        return (1, 2, 4, 8, 16, 32)

    @property
    def evaluations_per_sample(self) -> float:
        """Network evaluations behind a sample; guidance counts 2."""
        return self._cost(self.steps)

    @property
    def n_parameters(self) -> int:
        """Weights and biases of the network."""
        return sum(p.numel() for p in self.field.parameters())

    def log_base(self, x: Tensor) -> Tensor:
        """Return the log-density of the noise in nats ``[n]`` of states ``x`` in data units."""
        z = self.field.scaled(x).flatten(1)
        constant = z.shape[1] * math.log(2 * math.pi)
        return self.field.scale.log_det - 0.5 * (z.square().sum(1) + constant)

    def save(self, folder: Path) -> None:
        """Write the averaged network, its scale and shapes into ``folder``."""
        config = {
            "shape": list(self.shape), "levels": self.levels, "classes": self.field.classes,
            "kept": len(self.field.kept),
        }  # fmt: skip
        save_state(folder, self.field.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.field = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Field:
        self.shape, self.levels = tuple(config["shape"]), config["levels"]
        blank = Scale(torch.ones(self.shape), torch.ones(self.shape))
        kept = torch.zeros(config["kept"], *self.shape)
        return self._build(blank, torch.zeros(config["classes"]), kept)
