"""The mixture of categoricals: a Gaussian mixture's counterpart for levels and tokens."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from gengauge import Dataset, FitRun, check_training, seeds
from gengauge_plugins.counting.tables import Array, Layout, chosen_alpha
from gengauge_plugins.networks.drawing import refuse_condition
from gengauge_plugins.networks.storage import load_state, save_state

_CPU = torch.device("cpu")
_CHUNK = 5  # EM sweeps of a start before the starts are compared
_CLUSTERED = 10_000  # examples that k-means looks at to begin with
_LOOKED_AT = 1000  # validation examples that the sweeps are compared on
_EMPTY = 1e-3  # examples that a component without any counts as
_SAME = 1e-5  # nats an example by which a sweep must improve


class CategoricalMixture:
    """Each example belongs to a component; within one, values are independent of each other.

    Good at: binary and few-levelled pictures, topics of texts, a likelihood that is exact.
    Breaks at: fine structure within a component (samples look like noisy averages), and many
    levels, whose order it does not know.

    In text the positions of a window share their probabilities: a mixture of unigrams. Starts are
    k-means clusters, of which the best on validation after five sweeps goes on; the sweep and the
    smoothing that do best there are kept.

    References:
        | Pattern Recognition and Machine Learning, section 9.3.3 (Bishop, 2006)
        | https://www.microsoft.com/en-us/research/publication/pattern-recognition-machine-learning
        | Text Classification from Labeled and Unlabeled Documents using EM (Nigam et al., 2000)
        | https://doi.org/10.1023/A:1007692713085

    Arguments:
        components: Number of components; never more than there are different training examples.
        alpha: Count added to every level; at 0 the best of six on the validation split.
        restarts: Starts from different clusterings.

    Example:
        >>> from gengauge import Budget, Split
        >>> x = torch.tensor([[0, 0, 0], [1, 1, 1]] * 40, dtype=torch.uint8)
        >>> data = Dataset("twins", "image", Split(x), Split(x), Split(x), levels=2)
        >>> model = CategoricalMixture(components=2)
        >>> model.fit(data, FitRun(0, Budget.parse("20 steps")))
        >>> model.log_mass(x[:2]).exp().mul(100).round()
        tensor([50., 50.], dtype=torch.float64)
    """

    layout: Layout
    log_table: Array  # [k, columns]
    log_mixing: Array  # [k]

    def __init__(self, components: int = 20, alpha: float = 0.0, restarts: int = 3) -> None:
        self.components, self.alpha, self.restarts = components, alpha, restarts

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Run EM on ``data.train`` until it stands still or the budget is spent; steps are sweeps.

        What is kept is what does best on ``data.validation``.
        """
        check_training(data, "mixture-of-categoricals")
        k = min(self.components, len(data.train))
        self.layout = Layout.of(data, k)
        held_out = data.validation if len(data.validation) else data.train
        with threadpool_limits(1):  # k-means sums in the order its threads finish
            _Search(self, data.train.x, held_out.x[:_LOOKED_AT], k, run).run_all()

    def _log_joint(self, x: Tensor) -> Array:
        return self.layout.log_likelihood(x, self.log_table) + self.log_mixing

    def log_mass(self, x: Tensor) -> Tensor:
        """Return exact log P(x) in nats ``[n]``, float64, of integer ``x`` ``[n, *event]``."""
        return torch.from_numpy(np.atleast_1d(logsumexp(self._log_joint(x), axis=1)))

    def responsibilities(self, x: Tensor) -> Tensor:
        """Return p(component | x) ``[n, k]``."""
        return torch.from_numpy(self._log_joint(x)).softmax(1)

    def sample(self, n: int, condition: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``: levels of uint8, or tokens of int64."""
        refuse_condition(condition, "mixture-of-categoricals")
        weights = torch.from_numpy(np.exp(self.log_mixing)).to(generator.device)
        which = torch.multinomial(weights, n, replacement=True, generator=generator).cpu()
        return self.layout.draw(self.log_table, which, generator)

    @property
    def n_parameters(self) -> int:
        """Free numbers: weights less one, and every categorical's probabilities less one."""
        k, columns = self.log_table.shape
        return int(k - 1 + k * (columns - columns // self.layout.levels))

    def save(self, folder: Path) -> None:
        """Write tables and weights into ``folder``."""
        tensors = {
            "log_table": torch.from_numpy(self.log_table),
            "log_mixing": torch.from_numpy(self.log_mixing),
        }
        save_state(folder, tensors, self.layout.config())

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote; tables stay on the CPU."""
        tensors, config = load_state(folder, _CPU)
        self.layout = Layout.restored(config)
        self.log_table, self.log_mixing = (
            tensors["log_table"].numpy(),
            tensors["log_mixing"].numpy(),
        )


@dataclass
class _Start:
    """EM from one start: responsibilities ``[n, k]``, and how it went."""

    weights: Array
    before: float = -math.inf
    losses: list[float] = field(default_factory=list)
    ended: bool = False

    @property
    def comparable(self) -> bool:
        """Whether it was swept often enough to be compared with other starts."""
        return self.ended or len(self.losses) >= _CHUNK


class _Search:
    """EM from several starts, the best of which goes on, within the budget."""

    def __init__(
        self, model: CategoricalMixture, x: Tensor, held_out: Tensor, k: int, run: FitRun
    ) -> None:
        self.model, self.x, self.held_out, self.k, self.run = model, x, held_out, k, run
        self.layout, self.alphas = model.layout, chosen_alpha(model.alpha)
        self.alpha = self.alphas[len(self.alphas) // 2]
        self.best = math.inf
        self.starts: list[_Start] = []

    def run_all(self) -> None:
        """Sweep each start a few times, then the best one to its end."""
        loop = self.run.loop({"fitted": (self._fitted, self._fit)}, {"starts": self})
        while not loop.finished and (start := self._next()) is not None:
            self._sweep(start)
            self.run.on_progress(self.run.fraction)
            loop.stepped()
        if not loop.finished:
            loop.finish()

    def _next(self) -> _Start | None:
        """Return the start to sweep next: each a chunk of times, then the best while it improves.

        There is always one: a budget of seconds may be gone when the clusters are found.
        """
        while not (self.starts and self.run.steps and self.run.fraction >= 1):
            if self.starts and not self.starts[-1].comparable:
                return self.starts[-1]
            if len(self.starts) == self.model.restarts:
                best = min(self.starts, key=lambda start: min(start.losses[:_CHUNK]))
                return None if best.ended else best
            self.starts.append(_Start(self._clusters(len(self.starts))))
        return None

    def _sweep(self, start: _Start) -> None:
        counts = self.layout.counted(self.x, start.weights)
        mixing = start.weights.sum(0) + _EMPTY
        log_mixing = np.log(mixing / mixing.sum())
        loss = self._look(counts, log_mixing)
        joint = self.layout.log_likelihood(self.x, self.layout.log_table(counts, self.alpha))
        total = logsumexp(joint + log_mixing, axis=1, keepdims=True)
        start.weights = np.exp(joint + log_mixing - total)
        self.run.spend(1, len(self.x))
        self.run.log(train_loss=-float(total.mean()), validation_loss=loss)
        start.losses.append(loss)
        start.ended = bool(total.mean() < start.before + _SAME)
        start.before = float(total.mean())

    def state_dict(self) -> dict[str, Any]:
        """Return how far each start is."""
        return {
            "alpha": self.alpha, "best": self.best,
            "starts": [
                [torch.from_numpy(start.weights), start.before, start.losses, start.ended]
                for start in self.starts
            ],
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned."""
        self.alpha, self.best = state["alpha"], state["best"]
        self.starts = [_Start(known[0].numpy(), *known[1:]) for known in state["starts"]]

    def _fitted(self) -> Any:
        if not math.isfinite(self.best):
            return None
        return [torch.from_numpy(self.model.log_table), torch.from_numpy(self.model.log_mixing)]

    def _fit(self, known: Any) -> None:
        if known is not None:
            self.model.log_table, self.model.log_mixing = (part.numpy() for part in known)

    def _clusters(self, start: int) -> Array:
        """Return hard responsibilities ``[n, k]`` of k-means on levels, or on token counts.

        There are fewer clusters than asked for where there are fewer different examples.
        """
        x = self.x.flatten(1).float().numpy()
        if self.layout.shared:
            x = np.concatenate([m.toarray() for _, m in self.layout.blocks(self.x)])
        seed = seeds.named_seed(self.run.seed, "start", start) % 2**32
        some = np.random.default_rng(seed).permutation(len(x))[: max(_CLUSTERED, self.k)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            means = KMeans(self.k, n_init=1, max_iter=50, random_state=seed).fit(x[some])
        kinds, which = np.unique(means.predict(x), return_inverse=True)
        weights: Array = np.eye(len(kinds))[which]
        return weights

    def _look(self, counts: Array, log_mixing: Array) -> float:
        """Return the validation loss under the best smoothing, and keep the best fit there is."""
        losses = {}
        for alpha in self.alphas:
            table = self.layout.log_table(counts, alpha)
            joint = self.layout.log_likelihood(self.held_out, table) + log_mixing
            losses[alpha] = -float(logsumexp(joint, axis=1).mean())
        self.alpha = min(losses, key=lambda a: losses[a])
        if losses[self.alpha] < self.best:
            self.best = losses[self.alpha]
            self.model.log_table = self.layout.log_table(counts, self.alpha)
            self.model.log_mixing = log_mixing
        return losses[self.alpha]
