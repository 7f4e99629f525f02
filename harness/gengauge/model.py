"""What a model is, and what it may be able to do: small Protocols found by ``isinstance``.

A model's class is constructed with its parameters alone, ``Target(**parameters)``; everything
it must remember between ``fit`` and ``sample`` goes through ``save`` and ``load``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from gengauge import likelihood
from gengauge.data import Dataset, Split
from gengauge.training import FitRun

# what samples are asked for: labels [n] of classes, captions, or beginnings [n, p] of text
Condition = Tensor | Sequence[str]


def asked_of(kind: str, split: Split, data: Dataset) -> Condition | None:
    """Return what to ask a model for, so as to get the like of the examples of ``split``.

    ``kind`` is one of ``gengauge.specs.CONDITIONS``; None where the data does not know it. A
    prefix is the first half of a text's tokens, ``[n, length // 2]``.
    """
    if kind == "prefix":
        return split.x[:, : data.dimensions // 2] if data.modality == "text" else None
    return split.labels if kind == "class" else split.captions


@runtime_checkable
class Model(Protocol):
    """The four verbs every model has.

    On levelled data ``sample`` returns either integers ``0 .. levels - 1`` or floats in
    ``[0, 1)``, which the harness turns into levels as the inverse of its dequantisation
    ``y = (x + u) / levels``. On continuous data it returns floats in the data's own units.
    """

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Learn from ``data.train`` (``data.validation`` for choices) within ``run.budget``.

        A fit whose process is killed goes on from its last checkpoint if it trains by
        ``gengauge.train``, ``run.loop`` or ``run.once``; any other trains anew.
        """
        ...

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``; randomness comes from ``generator`` alone.

        A model whose spec lists the condition ``class`` or ``caption`` takes ``n`` labels or
        captions and returns the sample of each in its place. One that lists ``prefix`` takes
        tokens ``[n, p]``, p below the length of a text, and returns texts that begin with them.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write everything ``load`` needs into ``folder``."""
        ...

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        ...


@runtime_checkable
class Reconstructor(Protocol):
    """Encodes and decodes data."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction of ``x`` ``[n, *event]``, in the form ``sample`` returns."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Puts data into codes that can be stored in its place, and decodes them."""

    @property
    def alphabet(self) -> int | None:
        """How many values an integer of a code can have, 0 on; None where codes are floats."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """Return codes ``[n, *code]`` of ``x`` ``[n, *event]``: integers, or floats."""
        ...

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Return the data that ``codes`` stand for, in the form ``sample`` returns.

        Floats may come back less exact than ``encode`` gave them.
        """
        ...


@runtime_checkable
class Traverses(Protocol):
    """Can walk along its latents, one at a time, to show what each of them means."""

    def traverse(self, rows: int, steps: int) -> Tensor:
        """Return data ``[r, steps, *event]``: a row for each of the latents that tell most.

        Each row starts from the same latents and moves one of them through its range; there are
        at most ``rows``, none where no latent tells anything. Floats in the data's units; on
        levelled data 0 to 1.
        """
        ...


@runtime_checkable
class Clusterer(Protocol):
    """Assigns data to clusters."""

    def responsibilities(self, x: Tensor) -> Tensor:
        """Return each cluster's posterior probability ``[n, clusters]``."""
        ...


@runtime_checkable
class Denoiser(Protocol):
    """Removes Gaussian noise."""

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Return the clean guess of ``x`` ``[n, *event]``, floats with noise ``sigma`` on them.

        Both are in the data's own units (grey levels on levelled data), and so is ``sigma``.
        """
        ...


@runtime_checkable
class Inpainter(Protocol):
    """Fills in what is missing of data: samples given the values that are known."""

    def inpaint(self, x: Tensor, known: Tensor, generator: torch.Generator) -> Tensor:
        """Return data like ``x`` ``[n, *event]``, in the form ``sample`` returns.

        Values where ``known``, bool of the same shape, is true are those of ``x``; what ``x`` has
        elsewhere is not looked at.
        """
        ...


@runtime_checkable
class Classifier(Protocol):
    """Says to which class data belongs."""

    def class_probabilities(self, x: Tensor) -> Tensor:
        """Return each class's posterior probability ``[n, classes]`` of ``x`` ``[n, *event]``."""
        ...


@runtime_checkable
class Captioner(Protocol):
    """Describes data in words."""

    def caption(self, x: Tensor, generator: torch.Generator) -> Sequence[str]:
        """Return a caption of each of ``x`` ``[n, *event]``."""
        ...


@runtime_checkable
class JointSampler(Protocol):
    """Draws data and descriptions of it at once, given neither."""

    def sample_pairs(self, n: int, generator: torch.Generator) -> tuple[Tensor, Sequence[str]]:
        """Return ``n`` samples ``[n, *event]``, in the form ``sample`` returns, and captions."""
        ...


@runtime_checkable
class TakesSteps(Protocol):
    """Samples with more or fewer network evaluations, better or worse."""

    @property
    def step_choices(self) -> Sequence[int]:
        """Step counts that make sense for this model, rising."""
        ...

    def sample_in(
        self, steps: int, n: int, condition: Condition | None, generator: torch.Generator
    ) -> tuple[Tensor, float]:
        """Return ``n`` samples made in ``steps`` steps, and the evaluations behind each."""
        ...


@runtime_checkable
class Guided(Protocol):
    """Was optimised against embedders, which then must not judge it."""

    @property
    def guides(self) -> Sequence[str]:
        """Ids or weight hashes of the embedders that steered training or sampling."""
        ...


@runtime_checkable
class Adapted(Protocol):
    """Was fine-tuned from a base model, to classes that the base had never seen.

    Everything it has over its base is scored as a difference: what it won on the new classes,
    what it lost on the old ones, and what that took.
    """

    @property
    def new_classes(self) -> Sequence[int]:
        """Labels of the classes it was adapted to; all others are the base's own."""
        ...

    @property
    def adapter_parameters(self) -> int:
        """Fitted numbers that are stored beside the base."""
        ...

    @property
    def base_parameters(self) -> int:
        """Fitted numbers of the base."""
        ...

    @property
    def adaptation_seconds(self) -> float:
        """Seconds the adaptation took, the base's own training left out."""
        ...

    def sample_base(self, n: int, condition: Condition, generator: torch.Generator) -> Tensor:
        """Return what the base alone answers, from the same noise as ``sample``.

        Asked for a new class, it gives samples of no class in particular.
        """
        ...


@runtime_checkable
class CountsNFE(Protocol):
    """States how many network evaluations one sample costs (guidance counts 2)."""

    @property
    def evaluations_per_sample(self) -> float:
        """Function evaluations behind one sample."""
        ...


@runtime_checkable
class CountsParameters(Protocol):
    """States the number of fitted numbers it holds."""

    @property
    def n_parameters(self) -> int:
        """Fitted numbers, shared ones counted once."""
        ...


CAPABILITIES: dict[str, type] = {
    "density": likelihood.Density,
    "mass": likelihood.Mass,
    "latent-variable": likelihood.LatentVariable,
    "class-density": likelihood.ClassDensity,
    "class-mass": likelihood.ClassMass,
    "class-latent-variable": likelihood.ClassLatentVariable,
    "variational-bound": likelihood.VariationalBound,
    "latent-decoder": likelihood.LatentDecoder,
    "observation-model": likelihood.ObservationModel,
    "gaussian-diffusion": likelihood.GaussianDiffusion,
    "diffusion-decoder": likelihood.DiffusionDecoder,
    "probability-flow": likelihood.ProbabilityFlow,
    "reconstructor": Reconstructor,
    "encoder": Encoder,
    "traversal": Traverses,
    "clusterer": Clusterer,
    "denoiser": Denoiser,
    "inpainter": Inpainter,
    "classifier": Classifier,
    "captioner": Captioner,
    "joint-sampler": JointSampler,
    "steps": TakesSteps,
    "adapted": Adapted,
}


def capabilities(model: object) -> tuple[str, ...]:
    """Return the names of the capabilities ``model`` has."""
    return tuple(name for name, protocol in CAPABILITIES.items() if isinstance(model, protocol))
