"""What laws of metrics and reports need beside them: a model, an embedder and a finished run.

A plugin of its own, which is registered for as long as laws are tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gengauge.checks import check_training
from gengauge.data import Dataset
from gengauge.errors import UnsupportedError
from gengauge.evidence import Evidence
from gengauge.hooks import hookimpl
from gengauge.metric import Score, unscored
from gengauge.model import Condition
from gengauge.parameters import Parameter
from gengauge.specs import CONDITIONS, MODALITIES, DatasetSpec, MetricSpec, ModelSpec
from gengauge.statistics import block_jackknife, block_of
from gengauge.testing.worlds import WORLDS
from gengauge.training import FitRun

_HERE = "gengauge.testing.standins"
_CHANCE = 0.1  # of a level that is replaced by any other


class Kernels:
    """Training examples with noise on them: a density of kernels, on levelled data a mass."""

    def __init__(self, width: float) -> None:
        self.width = width

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Remember the examples, and what is known of each."""
        check_training(data, "kernels")
        self.x = data.train.x.clone()
        self.labels, self.captions = data.train.labels, data.train.captions
        self.levels = data.levels or 0
        self.spread = self.x.double().std(0, correction=0) * self.width + 1e-3
        run.spend(1, len(self.x))

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return examples that answer ``condition``, with noise."""
        rows = torch.stack([self._row(asked, generator) for asked in self._asked(n, condition)])
        x = self.x[rows]
        if not self.levels:
            noise = torch.randn(x.shape, generator=generator, dtype=torch.float64)
            return (x + noise * self.spread).float()
        other = torch.randint(self.levels, x.shape, generator=generator).to(x.dtype)
        x = torch.where(torch.rand(x.shape, generator=generator) < _CHANCE, other, x)
        if isinstance(condition, Tensor) and condition.ndim == 2:
            x[:, : condition.shape[1]] = condition
        return x

    def _asked(self, n: int, condition: Condition | None) -> Sequence[Tensor | None]:
        """Return which examples answer each of ``n`` requests ``[examples]``; None: all do."""
        if condition is None:
            return [None] * n
        if isinstance(condition, Tensor) and condition.ndim == 1:
            if self.labels is None:
                raise UnsupportedError("was fitted without labels")
            return [self.labels == label for label in condition]
        if isinstance(condition, Tensor):
            begins = [(self.x[:, : len(p)] == p).sum(1) for p in condition]
            return [same == same.max() for same in begins]
        said = self.captions or ()
        return [torch.tensor([c == asked for c in said]) for asked in condition]

    def _row(self, fits: Tensor | None, generator: torch.Generator) -> Tensor:
        if fits is None:
            return torch.randint(len(self.x), (), generator=generator)
        if not bool(fits.any()):
            raise UnsupportedError("no training example answers what is asked for")
        return torch.multinomial(fits.double(), 1, generator=generator)[0]

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log-density of ``x`` ``[n, *event]`` in nats ``[n]``."""
        if self.levels:
            inside = ((x >= 0) & (x < 1)).flatten(1).all(1)
            level = (x * self.levels).floor().clamp(0, self.levels - 1)
            scale = x[0].numel() * torch.tensor(float(self.levels)).double().log()
            return (self.log_mass(level) + scale).where(inside, -torch.inf)
        spread = self.spread.flatten()
        far = ((x.double().flatten(1)[:, None] - self.x.double().flatten(1)) / spread).square()
        each = -0.5 * (far + math.log(2 * math.pi)).sum(-1) - spread.log().sum()
        return each.logsumexp(1) - torch.tensor(len(self.x)).double().log()

    def log_mass(self, x: Tensor) -> Tensor:
        """Return the log-probability of ``x`` ``[n, *event]`` in nats ``[n]``."""
        same = x.flatten(1)[:, None] == self.x.flatten(1)
        each = torch.where(same, 1 - _CHANCE, 0.0).double() + _CHANCE / self.levels
        return each.log().sum(-1).logsumexp(1) - torch.tensor(len(self.x)).double().log()

    def save(self, folder: Path) -> None:
        """Write the examples; what is known of them is not asked for after a load."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {"x": self.x, "spread": self.spread, "levels": torch.tensor(self.levels)}
        save_file(held, folder / "kernels.safetensors")

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote."""
        held = load_file(folder / "kernels.safetensors")
        self.x, self.spread, self.levels = held["x"], held["spread"], int(held["levels"])
        self.labels = self.captions = None


class Breaks(Kernels):
    """A model that cannot be trained: every report has to show such a one."""

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Fail."""
        raise RuntimeError("this model fails on purpose")


class Projection:
    """An embedder that gives all that a metric may use, from random projections."""

    id = "tiny/projection"
    sha256 = "0" * 64

    def features(self, x: Tensor) -> Tensor:
        """Return features ``[n, 8]``."""
        return self._project(x.flatten(1).double(), 8).float()

    def spatial(self, x: Tensor) -> Tensor:
        """Return features ``[n, 12]``."""
        return self._project(x.flatten(1).double(), 12).float()

    def classes(self, x: Tensor) -> Tensor:
        """Return logits ``[n, 10]``."""
        return self._project(x.flatten(1).double(), 10).float()

    def attributes(self, x: Tensor) -> Tensor:
        """Return attributes ``[n, 4]``."""
        return self.features(x)[:, :4].gt(0).long()

    def text(self, captions: Sequence[str]) -> Tensor:
        """Return features ``[n, 8]`` of captions."""
        codes = torch.tensor([[float(len(c)), float(sum(map(ord, c)) % 97)] for c in captions])
        return self._project(codes.double(), 8).float()

    def _project(self, x: Tensor, d: int) -> Tensor:
        generator = torch.Generator().manual_seed(x.shape[1] * 100 + d)
        mix = torch.randn(x.shape[1], d, generator=generator, dtype=torch.float64)
        return torch.tanh(x @ mix / (x.shape[1] ** 0.5 * 4))


def centre(evidence: Evidence) -> Score:
    """Return how far the mean of the samples lies from that of the test examples."""
    x, real = evidence.samples.double().flatten(1), evidence.reference.double().flatten(1)
    n = min(len(x), len(real))
    if n < 10:
        return unscored(f"needs at least 10 samples, one a block; came {n}")
    block = block_of(n, 10)

    def distance(left_out: int | None) -> float:
        kept = block != left_out
        return float((x[:n][kept].mean(0) - real[:n][kept].mean(0)).norm())

    value, interval, _ = block_jackknife(distance, 10)
    return Score(value, interval, n_samples=n, n_reference=n)


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return a model that works and one that fails."""
    width = Parameter("width", 0.3, "of the kernels, in standard deviations", minimum=0)
    return [
        ModelSpec(
            id=f"tiny/{name.lower()}", family="stand-in", summary="A stand-in for laws",
            target=f"{_HERE}:{name}", modalities=MODALITIES, parameters=(width,),
            capabilities=("density", "mass"), conditions=CONDITIONS, budget="1 steps",
        )
        for name in ("Kernels", "Breaks")
    ]  # fmt: skip


@hookimpl
def gengauge_datasets() -> list[DatasetSpec]:
    """Return the small data sets."""
    return list(WORLDS)


@hookimpl
def gengauge_metrics() -> list[MetricSpec]:
    """Return a metric."""
    return [
        MetricSpec(
            id="tiny_centre", suite="tiny", unit="data units", direction="lower", label="Centre",
            summary="How far apart the means are", target=f"{_HERE}:centre", headline=True,
        )
    ]  # fmt: skip
