"""The ends of every scale: held-out real data, the known truth, and uniform noise."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from gengauge import Dataset, FitRun
from gengauge.data import Truth as KnownTruth
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge.registry import Registry, load_target
from gengauge_plugins.controls.beginnings import begun
from gengauge_plugins.controls.shelf import Shelf, check_length
from gengauge_plugins.networks.drawing import refuse_condition, uniform
from gengauge_plugins.networks.storage import load_state, save_state

_CPU = torch.device("cpu")
_MARGIN = 0.1  # of each side, added at both ends of the training data's bounding box


def box(x: Tensor, levels: int | None) -> Tensor:
    """Return lower and upper ends ``[2, *event]`` of a box around ``x``, float64.

    Levelled data, dequantised, fills the unit cube; a box around points is a little wider than
    the data, or a test point just outside would have density zero.
    """
    low, high = x.double().amin(0), x.double().amax(0)
    if levels is not None:
        return torch.stack([torch.zeros_like(low), torch.ones_like(high)])
    margin = _MARGIN * (high - low).clamp_min(1e-9)
    return torch.stack([low - margin, high + margin])


def uniform_like(x: Tensor, ends: Tensor, levels: int | None, generator: torch.Generator) -> Tensor:
    """Return uniform noise of the shape and type of ``x``: levels, or points of the box."""
    u = uniform(tuple(x.shape), generator, _CPU, torch.float64)
    if levels is not None:
        return (u * levels).floor().to(x.dtype)
    return (ends[0] + u * (ends[1] - ends[0])).to(x.dtype)


class Real:
    """The validation split: real examples that neither training nor scoring uses.

    Asked for a class or a caption it gives an example of it, and the same one twice only when no
    other of its kind is left. Where no example says what a caption asks, it gives one of the
    nearest caption: it is the ceiling of what this split can answer.
    """

    x: Tensor
    shelf: Shelf

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Remember the validation split."""
        self.x, self.shelf = data.validation.x.clone(), Shelf.of(data.validation, data)

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` of a random order: each at most once where nothing is asked for."""
        check_length(n, condition)
        order = torch.randperm(len(self.x), generator=generator, device=generator.device).cpu()
        if condition is not None:
            return self.x[self.shelf.pick(condition, None, order)]
        if n > len(self.x):
            raise UnsupportedError(
                f"real has {len(self.x)} validation examples and cannot give {n} different ones; "
                f"ask for at most {len(self.x)} samples"
            )
        return self.x[order[:n]]

    def save(self, folder: Path) -> None:
        """Write the remembered examples, and what is known of each, into ``folder``."""
        save_state(folder, {"x": self.x, **self.shelf.tensors()}, self.shelf.config())

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote; a control stays on the CPU."""
        tensors, config = load_state(folder, _CPU)
        self.x, self.shelf = tensors["x"], Shelf.restored(tensors, config)


class Noise:
    """Uniform over the levels, or over a box slightly wider than the training data.

    Whatever it is asked for, it gives noise: after the beginning, where a text's is given.
    """

    ends: Tensor  # [2, *event]
    template: Tensor  # [0, *event], of the data's type
    levels: int | None = None

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Take the box from the training split."""
        self.levels, self.template = data.levels, data.train.x[:0].clone()
        self.ends = box(data.train.x, data.levels)

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]`` of the data's own type."""
        check_length(n, condition)
        like = self.template.new_empty((n, *self.template.shape[1:]))
        return begun(uniform_like(like, self.ends, self.levels, generator), condition)

    def log_mass(self, x: Tensor) -> Tensor:
        """Return exact log P(x) = -D log(levels) in nats ``[n]``; levelled data only."""
        if self.levels is None:
            raise UnsupportedError("noise has a mass on levelled data only; ask for log_prob")
        # as int64: torch takes 256 for 0 beside uint8
        inside = ((x >= 0) & (x.long() < self.levels)).flatten(1).all(1).cpu()
        value = -x[0].numel() * math.log(self.levels) if len(x) else 0.0
        return torch.full((len(x),), value, dtype=torch.float64).masked_fill(~inside, -math.inf)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the exact log-density in nats ``[n]``; minus infinity outside the box."""
        y = x.double().cpu()  # controls live there, wherever the run does
        inside = ((y >= self.ends[0]) & (y <= self.ends[1])).flatten(1).all(1)
        volume = (self.ends[1] - self.ends[0]).log().sum()
        return (-volume.expand(len(x))).masked_fill(~inside, -math.inf)

    def save(self, folder: Path) -> None:
        """Write the box into ``folder``."""
        tensors = {"ends": self.ends, "template": self.template}
        save_state(folder, tensors, {"levels": self.levels})

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote; a control stays on the CPU."""
        tensors, config = load_state(folder, _CPU)
        self.ends, self.template = tensors["ends"], tensors["template"]
        self.levels = config["levels"]


class Truth:
    """The dataset's own density: what every likelihood and every sampler is measured against."""

    def __init__(self) -> None:
        self.known: KnownTruth | None = None
        self.dataset = ""

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Take the density that comes with the data."""
        if data.truth is None:
            raise UnsupportedError(
                f"truth needs a dataset whose density is known, and {data.id} comes without one; "
                "a control is fitted on the whole dataset, not on Dataset.for_training()"
            )
        self._take(data.truth, data)

    def _take(self, truth: KnownTruth, data: Dataset) -> None:
        self.known, self.dataset, self._type = truth, data.id, data.train.x.dtype

    def _truth(self) -> KnownTruth:
        if self.known is None:
            raise UnsupportedError("truth has no density yet; call fit or load first")
        return self.known

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` independent draws ``[n, *event]`` of the true distribution."""
        refuse_condition(condition, "truth")
        if generator.device.type != "cpu":  # the closed forms draw on the CPU
            generator = torch.Generator().manual_seed(generator.initial_seed())
        return self._truth().sample(n, generator).to(self._type)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the true log-density in nats ``[n]``, float64."""
        return self._truth().log_prob(x.cpu())

    def save(self, folder: Path) -> None:
        """Write the dataset's name, which is all that the truth is."""
        save_state(folder, {}, {"dataset": self.dataset})

    def load(self, folder: Path, device: torch.device) -> None:
        """Find the dataset again by its registered name and take its density."""
        self.dataset = load_state(folder, _CPU)[1]["dataset"]
        spec = Registry().find("datasets", self.dataset)
        data: Dataset = load_target(spec.target)(spec)
        if data.truth is not None:
            self._take(data.truth, data)
