"""The diffusion model that is fine-tuned to new classes by an adapter of low rank."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, Split, check_training
from gengauge.errors import UsageError
from gengauge.model import Condition
from gengauge_plugins.diffusion import adapters
from gengauge_plugins.diffusion.ddpm import DDPM
from gengauge_plugins.diffusion.network import Network
from gengauge_plugins.diffusion.specs_more import LORA
from gengauge_plugins.networks.batches import batch_size as chosen_batch
from gengauge_plugins.networks.labels import training_labels
from gengauge_plugins.networks.stages import stage

_STATE = "lora.json"


class DDPMLoRA:
    """A class-conditional diffusion of some classes, the base, and an adapter to new ones.

    The base learns the old classes, or is loaded. To each of its layers a product of two thin
    matrices is then added, and to its table of classes a row for each new one, which begins as
    that of no class in particular; those alone are trained, on examples of the new classes alone.
    What the base has forgotten under the adapter, and what it won, is what the adaptation metrics
    tell: more rank wins more and forgets more.

    Samples are those of the adapted network, merged: of the classes asked for, old or new, or as
    often as training data has them. ``sample_base`` draws from the base and the same noise; asked
    for a new class it can only give something of no class in particular. The checkpoint holds the
    base and the adapter apart, the adapter in peft's own form.

    Good at: new classes from few numbers and few steps.
    Breaks at: the old classes, which drift towards the new ones the more, the higher the rank.

    See Also:
        :class:`gengauge_plugins.diffusion.ddpm.DDPM`

    References:
        | LoRA: Low-Rank Adaptation of Large Language Models (Hu et al., 2021)
        | https://arxiv.org/abs/2106.09685

    Arguments:
        base: Checkpoint folder of a ``ddpm`` that was trained with ``conditional``; empty: one is
            trained first.
        new: Labels of the new classes, as in ``8+9``; empty is the last fifth of those that have
            training examples, one at least.
        rank: Of the matrices added to each layer.
        alpha: Their product is added ``alpha / rank`` times; 0 is ``rank``, so once.
        share: Of the budget, spent on the base, unless that is loaded.
        lr_adapter: Peak learning rate of the adapter; ``lr`` is the base's.
        **shared: As in :class:`gengauge_plugins.diffusion.ddpm.DDPM`, some of them with defaults
            of their own: :data:`gengauge_plugins.diffusion.specs_more.LORA`.

    Example:
        >>> from gengauge import Budget
        >>> y = torch.arange(300) % 3
        >>> x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)) + 4 * y[:, None]
        >>> data = Dataset("three", "points", *[Split(x, y)] * 3)
        >>> model = DDPMLoRA(hidden=32, blocks=1, rank=2)
        >>> model.fit(data, FitRun(0, Budget.parse("60 steps")))
        >>> model.new_classes, model.adapter_parameters < model.base_parameters
        ((2,), True)
    """

    name = "ddpm-lora"
    base_model: DDPM
    adapted: DDPM
    new_classes: Sequence[int]

    def __init__(
        self,
        base: str = "",
        new: str = "",
        rank: int = 8,
        alpha: int = 0,
        share: float = 0.8,
        lr_adapter: float = 1e-2,
        **shared: Any,
    ) -> None:
        self.base, self.new, self.rank, self.alpha = base, new, rank, alpha or rank
        self.share, self.lr_adapter = share, lr_adapter
        self.shared: dict[str, Any] = {**LORA, **shared}
        self.seconds = 0.0

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Train the base on the old classes, unless it is given, and the adapter on the new."""
        check_training(data, self.name)
        adapters.require_peft(self.name)
        labels, classes = training_labels(data, self.name)
        new = new_labels(self.new, labels, self.name)
        self.new_classes = tuple(new.tolist())
        frequency = labels.bincount(minlength=classes) / len(labels)
        base = self._loaded(run.device) if self.base else self._trained(data, run, new, classes)
        base.network = adapters.grown(base, new, frequency)
        self.base_model, self.adapted = base, copy.copy(base)
        with stage(run, "adapter") as part:
            self.adapted.network = self._adapted(part, data, base.network, new)
        self.seconds = part.seconds

    def _fresh(self) -> DDPM:
        return DDPM(conditional=True, **self.shared)

    def _loaded(self, device: torch.device) -> DDPM:
        base, folder = self._fresh(), Path(self.base).expanduser()
        if not (folder / "model.json").is_file():
            raise UsageError(
                f"base={self.base} is no checkpoint of ddpm; give the folder 'checkpoint' of a "
                "trial of ddpm[conditional=true], or leave it empty"
            )
        base.load(folder, device)
        if not base.form.classes or base.network.classifier is not None:
            raise UsageError(
                f"the base in {self.base} knows no classes by itself; train it with "
                "conditional=true and guidance_kind=free"
            )
        return base

    def _trained(self, data: Dataset, run: FitRun, new: Tensor, classes: int) -> DDPM:
        base = self._fresh()
        names = (*data.class_names, *map(str, range(len(data.class_names), classes)))
        old = replace(
            data, class_names=names, train=_of(data.train, new, False),
            validation=_of(data.validation, new, False),
        )  # fmt: skip
        with stage(run, "base", self.share) as part:
            base.fit(old, part)
        return base

    def _adapted(self, run: FitRun, data: Dataset, base: Network, new: Tensor) -> Network:
        network = adapters.wrapped(base, new.tolist(), self.rank, self.alpha, run.seed)
        return adapters.fitted(
            run, network, self._batch(data.train, base, new),
            self._batch(data.validation, base, new), self.adapted.ema,
            chosen_batch(self.adapted.batch_size, data.levels), self.lr_adapter,
        )  # fmt: skip

    def _batch(self, split: Split, network: Network, new: Tensor) -> tuple[Tensor, Tensor]:
        if split.labels is None:
            return network.scaled(split.x[:0]).float(), torch.zeros(0, dtype=torch.int64)
        part = _of(split, new, True)
        assert part.labels is not None
        return network.scaled(part.x).float(), part.labels

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]`` of the adapted network, for labels if given."""
        return self.adapted.sample(n, condition, generator)

    def sample_base(self, n: int, condition: Condition, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples of the base for labels ``[n]``, from the noise of ``sample``."""
        return self.base_model.sample(n, condition, generator)

    def sample_in(
        self, steps: int, n: int, condition: Condition | None, generator: torch.Generator
    ) -> tuple[Tensor, float]:
        """Return ``n`` samples in ``steps`` steps, and the evaluations behind each."""
        return self.adapted.sample_in(steps, n, condition, generator)

    @property
    def step_choices(self) -> Sequence[int]:
        """Step counts from the roughest to where nothing is gained any more."""
        return self.adapted.step_choices

    @property
    def evaluations_per_sample(self) -> float:
        """Evaluations of the network behind one sample: two a step under guidance."""
        return self.adapted.evaluations_per_sample

    @property
    def adapter_parameters(self) -> int:
        """Numbers of the thin matrices, and the rows of the new classes."""
        return adapters.size(self.adapted.network)

    @property
    def base_parameters(self) -> int:
        """Weights and biases of the base."""
        return self.base_model.n_parameters

    @property
    def n_parameters(self) -> int:
        """Numbers of base and adapter."""
        return self.base_parameters + self.adapter_parameters

    @property
    def adaptation_seconds(self) -> float:
        """Seconds that training the adapter took."""
        return self.seconds

    def merged(self) -> DDPM:
        """Return the adapted network as a plain ``ddpm``, which can be saved as one."""
        plain = copy.copy(self.adapted)
        plain.network = adapters.merged(self.adapted.network)
        return plain

    def save(self, folder: Path) -> None:
        """Write ``base`` and ``adapter`` into folders of their own."""
        self.base_model.save(folder / "base")
        adapters.save(self.adapted.network, folder / "adapter")
        state = {"new": list(self.new_classes), "seconds": self.seconds}
        (folder / _STATE).write_text(json.dumps(state) + "\n", encoding="utf-8")

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``; ``NotReadyError`` without peft."""
        adapters.require_peft(self.name)
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        self.new_classes, self.seconds = tuple(state["new"]), state["seconds"]
        self.base_model = self._fresh()
        self.base_model.load(folder / "base", device)
        self.adapted = copy.copy(self.base_model)
        self.adapted.network = adapters.load(self.base_model.network, folder / "adapter", device)


def new_labels(asked: str, labels: Tensor, model: str) -> Tensor:
    """Return the new classes ``[m]`` that ``asked`` names, by default the last fifth of those seen.

    ``ValueError`` unless there are training examples of each, and of a class that is not new.

    >>> new_labels("", torch.arange(10), "it"), new_labels("0+3", torch.arange(10), "it")
    (tensor([8, 9]), tensor([0, 3]))
    """
    seen = torch.unique(labels)
    try:
        new = torch.tensor(sorted({int(part) for part in asked.split("+")})) if asked else (
            seen[-max(1, len(seen) // 5) :]
        )  # fmt: skip
    except ValueError:
        raise UsageError(f"new={asked} is not understood; write labels as in 8+9") from None
    if not bool(torch.isin(new, seen).all()) or len(new) >= len(seen):
        raise ValueError(
            f"{model} needs training examples of old classes and of the new ones, "
            f"{', '.join(map(str, new.tolist()))}; there are {', '.join(map(str, seen.tolist()))}"
        )
    return new


def _of(split: Split, new: Tensor, wanted: bool) -> Split:
    """Return the examples of a split whose class is among ``new``, or those whose is not."""
    if split.labels is None:
        return split
    keep = (torch.isin(split.labels.cpu(), new) == wanted).nonzero().flatten()
    return Split(split.x[keep], split.labels[keep])
