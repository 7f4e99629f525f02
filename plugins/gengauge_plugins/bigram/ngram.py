"""The n-gram model of text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gengauge import Dataset, FitRun, check_training
from gengauge.errors import UsageError
from gengauge.model import Condition
from gengauge_plugins.bigram.counts import (
    Codes,
    Level,
    added,
    codes,
    count,
    discounted,
    looked_up,
    merge,
)
from gengauge_plugins.networks.drawing import uniform
from gengauge_plugins.networks.prefixes import asked_prefixes
from gengauge_plugins.networks.storage import load_state, save_state

_CPU = torch.device("cpu")
_ROWS = 1 << 14  # windows that are counted at a time
_DRAWN = 1 << 12  # samples whose distributions are held at a time


class NGram:
    """Each token depends on the few before it, and on nothing else.

    Assumes a Markov chain of the order less one, the same at every position but the first: a
    window begins with a token of its own, so that its first tokens are predicted from fewer.
    Beginnings of text are taken as a condition, and only their last tokens matter. Smoothing keeps
    mass for every token at every place, even where the text is one window or one token only.

    Good at: local spelling, exact likelihood, and training as fast as a file is read.
    Breaks at: whatever reaches further than its order; high orders need much text.

    References:
        | An Empirical Study of Smoothing Techniques for Language Modeling
        | (Chen & Goodman, 1999), https://doi.org/10.1006/csla.1999.0128
        | Improved Backing-off for M-gram Language Modeling (Kneser & Ney, 1995)
        | https://doi.org/10.1109/ICASSP.1995.479394

    Arguments:
        order: Tokens in a row that are counted: 2 is a bigram.
        smoothing: ``kneser-ney`` (modified, interpolated with every lower order) or ``add-k``.
        k: Count that add-k gives to every token in every context.
        temperature: Of sampling; the likelihood is always that of temperature 1.

    Example:
        >>> from gengauge import Budget, Split
        >>> x = torch.tensor([[0, 1, 0, 1, 0, 1]] * 50)
        >>> data = Dataset("ab", "text", Split(x), Split(x), Split(x), levels=2)
        >>> model = NGram(order=2)
        >>> model.fit(data, FitRun(0, Budget.parse("1 steps")))
        >>> model.complete(torch.tensor([[0], [1]]), 4, torch.Generator().manual_seed(0))
        tensor([[1, 0, 1, 0],
                [0, 1, 0, 1]])
    """

    def __init__(
        self,
        order: int = 2,
        smoothing: str = "kneser-ney",
        k: float = 0.1,
        temperature: float = 1.0,
    ) -> None:
        self.order, self.smoothing, self.k, self.temperature = order, smoothing, k, temperature
        self.levels: list[Level] = []  # of orders 1, 2, ...
        self.vocabulary = self.length = 0

    @property
    def base(self) -> int:
        """Tokens and the mark before a window's first one, whose number is the highest."""
        return self.vocabulary + 1

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Count ``data.train`` once, which is one step, whatever the budget."""
        check_training(data, "bigram")
        assert data.levels is not None
        self.vocabulary, self.length = data.levels, data.dimensions
        top = min(self.order, self.length + 1)
        if self.base**top >= 2**63:
            most = int(63 / np.log2(self.base))
            raise UsageError(f"order {top} is too high for {data.levels} tokens; at most {most}")
        x = data.train.x
        counted = {top: count(self._grams(x, top, run), self.base**top)}
        for order in range(top - 1, 0, -1):
            counted[order] = self._shorter(x, order, counted[order + 1][0])
        self.levels = [self._level(*counted[order]) for order in range(1, top + 1)]
        run.spend(1, 0)
        held_out = data.validation.x[:1000]
        if len(held_out):
            run.log(validation_loss=-float(self.log_mass(held_out).mean()))

    def _grams(self, x: Tensor, order: int, run: FitRun) -> Iterator[Codes]:
        for part in torch.split(x, _ROWS):
            y = self._marked(part)
            yield codes(y if order > 1 else y[:, 1:], order, self.base).ravel()
            run.spend(0, len(part))
            run.on_progress(run.examples / len(x))

    def _marked(self, x: Tensor) -> Codes:
        tokens = x.to(_CPU, torch.int64).numpy()
        return np.pad(tokens, ((0, 0), (1, 0)), constant_values=self.vocabulary)

    def _shorter(self, x: Tensor, order: int, longer: Codes) -> tuple[Codes, Codes]:
        """Return the n-grams that windows begin with, and how many tokens go before the others.

        Kneser & Ney: in a shorter context a token counts as often as it follows something new.
        """
        begin = np.zeros(0, np.int64), np.zeros(0, np.int64)
        if order > 1:
            marked = codes(self._marked(x[:, : order - 1]), order, self.base)
            begin = np.unique(marked, return_counts=True)
        if self.smoothing == "add-k":
            return begin
        return merge([begin, np.unique(longer % self.base**order, return_counts=True)])

    def _level(self, grams: Codes, counts: Codes) -> Level:
        if not len(grams):
            return Level(grams, np.zeros(0), grams, np.zeros(0))
        if self.smoothing == "add-k":
            return added(grams, counts, self.base, self.k)
        return discounted(grams, counts, self.base)

    def log_mass(self, x: Tensor) -> Tensor:
        """Return exact log P(x) in nats ``[n]``, float64, of tokens ``x`` ``[n, length]``."""
        y = self._marked(x)
        p = np.full((len(x), x.shape[1]), 1 / self.vocabulary)
        for order, level in enumerate(self.levels[: x.shape[1] + 1], 1):
            begin = max(0, order - 2)  # the first token that has so many before it
            wanted = codes(y, order, self.base)[:, -(x.shape[1] - begin) :]
            weight = looked_up(wanted, level.grams, level.weights, 0.0)
            rest = looked_up(wanted // self.base, level.contexts, level.rests, 1.0)
            p[:, begin:] = weight + rest * self._lower(p[:, begin:])
        known = ((x >= 0) & (x < self.vocabulary)).all(1).cpu()
        return torch.from_numpy(np.log(p).sum(1)).masked_fill(~known, -torch.inf)

    def _lower(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is mixed in: add-k knows the uniform distribution only."""
        return np.full_like(p, 1 / self.vocabulary) if self.smoothing == "add-k" else p

    def _code(self, y: Codes) -> Codes:
        """Return the code ``[n]`` of whole rows ``y`` ``[n, s]``; 0 where s is 0."""
        return codes(y, y.shape[1], self.base)[:, 0] if y.shape[1] else np.zeros(len(y), np.int64)

    def next_probabilities(self, y: Codes) -> NDArray[np.float64]:
        """Return each token's probability ``[n, tokens]`` after contexts ``y`` ``[n, s]``.

        ``y`` is marked: the token before a window's first one is ``vocabulary``.
        """
        p = np.full((len(y), self.vocabulary), 1 / self.vocabulary)
        for order, level in enumerate(self.levels[: y.shape[1] + 1], 1):
            context = self._code(y[:, y.shape[1] - order + 1 :])
            rest = looked_up(context, level.contexts, level.rests, 1.0)
            p = rest[:, None] * self._lower(p)
            first = np.searchsorted(level.grams, context * self.base)
            size = np.searchsorted(level.grams, (context + 1) * self.base) - first
            row = np.repeat(np.arange(len(y)), size)
            at = np.arange(len(row)) + np.repeat(first - (size.cumsum() - size), size)
            p[row, level.grams[at] % self.base] += level.weights[at]
        return p

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` windows ``[n, length]``, int64, that begin with ``condition`` ``[n, p]``."""
        prefix = torch.zeros(n, 0, dtype=torch.int64)
        if condition is not None:
            prefix = asked_prefixes(condition, n, self.length, self.vocabulary, "bigram")
        rest = self.complete(prefix, self.length - prefix.shape[1], generator)
        return torch.cat([prefix, rest], 1)

    def complete(self, prefix: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` tokens ``[m, n]`` that go on from the beginnings ``prefix`` ``[m, s]``."""
        u = uniform((len(prefix), n), generator, _CPU, torch.float64).numpy()
        y = self._marked(prefix)
        drawn = [
            self._go_on(y[i : i + _DRAWN], u[i : i + _DRAWN]) for i in range(0, len(y), _DRAWN)
        ]
        return torch.from_numpy(np.concatenate([np.zeros((0, n), np.int64), *drawn]))

    def _go_on(self, y: Codes, u: NDArray[np.float64]) -> Codes:
        """Draw a token for every column of ``u`` ``[n, t]`` by inverting the distribution."""
        first, memory = y.shape[1], len(self.levels) - 1
        for column in u.T:
            known = y[:, max(0, y.shape[1] - memory) :] if memory else y[:, :0]
            context = self._code(known)
            _, at, which = np.unique(context, return_index=True, return_inverse=True)
            p = self.next_probabilities(known[at])
            below = ((p / p.max(1, keepdims=True)) ** (1 / self.temperature)).cumsum(1)
            # each context's distribution fills an interval of its own: one search serves all
            edges = (below / below[:, -1:] + np.arange(len(p))[:, None]).ravel()
            token = np.searchsorted(edges, column + which, "right") - which * self.vocabulary
            y = np.concatenate([y, token.clip(0, self.vocabulary - 1)[:, None]], 1)
        return y[:, first:]

    @property
    def n_parameters(self) -> int:
        """Free shares: of each seen context's tokens, all but what is handed down."""
        return sum(len(level.grams) for level in self.levels)

    def save(self, folder: Path) -> None:
        """Write the levels into ``folder``."""
        tensors = {
            f"{i}.{name}": torch.from_numpy(value)
            for i, level in enumerate(self.levels)
            for name, value in vars(level).items()
        }
        config = {"vocabulary": self.vocabulary, "length": self.length, "levels": len(self.levels)}
        save_state(folder, tensors, config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote; counts stay on the CPU."""
        tensors, config = load_state(folder, _CPU)
        self.vocabulary, self.length = config["vocabulary"], config["length"]
        names = ("grams", "weights", "contexts", "rests")
        self.levels = [
            Level(*(tensors[f"{i}.{name}"].numpy() for name in names))
            for i in range(config["levels"])
        ]
