"""The networks of a diffusion over data: what suits its shape, its levels and its classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gengauge import Dataset
from gengauge_plugins.diffusion.denoising import Denoising, LevelDenoising, degree
from gengauge_plugins.diffusion.guidance import NoisyClassifier
from gengauge_plugins.diffusion.schedule import Schedule
from gengauge_plugins.networks.residual import TimedResidual
from gengauge_plugins.networks.timed import LabelContext

FEW = 32  # levels up to which each is given a probability of its own
_DENSE = 256  # values up to which a perceptron is as good as a U-Net, and sooner


@dataclass(frozen=True)
class Form:
    """What decides a network's form: the data's shape, levels and classes, and the parameters.

    ``classes`` is 0 where labels play no part; ``guidance`` is ``free`` or ``classifier``.
    """

    shape: tuple[int, ...]
    levels: int | None
    classes: int
    network: str
    prediction: str
    hidden: int
    blocks: int
    guidance: str

    @property
    def convolves(self) -> bool:
        """Whether the network is a U-Net; ``ValueError`` where it cannot be and should."""
        picture = len(self.shape) == 3
        if self.network == "unet" and not picture:
            raise ValueError(
                f"a U-Net needs pictures [c, h, w], and the data has shape {list(self.shape)}; "
                "take network=mlp"
            )
        wide = picture and math.prod(self.shape) > _DENSE
        return self.network == "unet" or (self.network == "auto" and wide)

    @property
    def predicts(self) -> str:
        """What the network's answer means; ``ValueError`` for levels that the data has not."""
        if self.prediction == "levels" and self.levels is None:
            raise ValueError("prediction=levels needs levelled data; take v, epsilon or x0")
        if self.prediction != "auto":
            return self.prediction
        return "levels" if self.levels is not None and self.levels <= FEW else "v"

    def body(self, inputs: int, outputs: int, classes: int) -> nn.Module:
        """Return a timed network with ``inputs`` and ``outputs`` planes for each of the state's."""
        context = classes and self._context(classes)
        if not self.convolves:
            values = math.prod(self.shape)
            return TimedResidual(values * inputs, values * outputs, self.width, self.blocks,
                                 context or None)  # fmt: skip
        from gengauge_plugins.networks.unet import TimedUNet  # diffusers' models take seconds

        return TimedUNet(self.shape[0] * inputs, self.shape[0] * outputs, self._widths,
                         self.blocks, context or None)  # fmt: skip

    @property
    def width(self) -> int:
        """Width of perceptrons: points and short rows need no more than 64 a dimension."""
        return min(self.hidden, 64 * math.prod(self.shape))

    @property
    def _widths(self) -> tuple[int, ...]:
        """Channels of the U-Net: an eighth of ``hidden`` in full size, in multiples of 8."""
        first = max(8, self.hidden // 64 * 8)
        return first, 2 * first, 4 * first

    def _context(self, classes: int) -> LabelContext:
        return LabelContext(classes, 4 * self._widths[0] if self.convolves else self.width)


class Network(nn.Module):
    """All that is trained: a denoiser, and where one is to guide a classifier of noisy data.

    With the affine map from data to states, and the share ``[classes]`` of each class in training.
    """

    shift: Tensor
    spread: Tensor
    frequency: Tensor

    def __init__(
        self,
        denoising: Denoising,
        classifier: NoisyClassifier | None,
        shift: Tensor,
        spread: Tensor,
        frequency: Tensor,
    ) -> None:
        super().__init__()
        self.denoising, self.classifier = denoising, classifier
        self.register_buffer("shift", shift.double().clone())
        self.register_buffer("spread", spread.double().clone())
        self.register_buffer("frequency", frequency.double().clone())

    def scaled(self, x: Tensor) -> Tensor:
        """Return data ``[n, *event]`` in the units of states, float64."""
        return (x.double() - self.shift) / self.spread

    @property
    def free(self) -> bool:
        """Whether the denoiser itself knows the classes."""
        return bool(len(self.frequency)) and self.classifier is None


def build(form: Form, schedule: Schedule, scaling: tuple[Tensor, Tensor], logits: Tensor,
          frequency: Tensor) -> Network:  # fmt: skip
    """Return an untrained network; its weights come from torch's global stream.

    ``logits`` are those of :class:`LevelDenoising`; they are not looked at where it is not used.
    """
    classifies = bool(form.classes) and form.guidance == "classifier"
    known = 0 if classifies else form.classes
    denoising: Denoising
    if form.predicts == "levels":
        levels = form.levels or 0
        body = form.body(2, degree(levels), known)
        denoising = LevelDenoising(body, schedule, levels, logits)
    else:
        denoising = Denoising(form.body(1, 1, known), schedule, form.predicts)
    classifier = None
    if classifies:
        values = math.prod(form.shape)
        judge = TimedResidual(values, form.classes, form.width, 2)
        classifier = NoisyClassifier(judge, schedule)
    return Network(denoising, classifier, *scaling, frequency)


def scaling_of(data: Dataset) -> tuple[Tensor, Tensor]:
    """Return shift and spread of ``data.train``: levels to -1 .. 1, floats to deviation 1."""
    if data.levels is not None:
        half = torch.full((1,), (data.levels - 1) / 2, dtype=torch.float64)
        return half, half
    x = data.train.x.double()
    return x.mean(0), x.std(0)


def level_logits(data: Dataset) -> Tensor:
    """Return the log-frequency ``[c, levels, ...]`` of each value's levels, smoothed by half."""
    levels = torch.arange(data.levels or 0)
    x = data.train.x.cpu()
    counts = torch.stack([(x == level).sum(0) for level in levels], 1)
    return ((counts + 0.5) / (len(x) + 0.5 * len(levels))).log()


def blank_logits(form: Form) -> Tensor:
    """Return what stands for ``level_logits`` until the saved ones are loaded."""
    return torch.zeros(form.shape[0], form.levels or 0, *form.shape[1:])
