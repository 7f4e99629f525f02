"""The autoregressive model: one value after the other, each by its exact probability."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gengauge import Dataset, FitRun, Split, check_training, seeds, train
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.autoregressive.order import Order
from gengauge_plugins.autoregressive.outputs import drawn, output_of
from gengauge_plugins.autoregressive.settings import Network, Settings
from gengauge_plugins.autoregressive.transformer import Transformer
from gengauge_plugins.networks.checks import check_varies
from gengauge_plugins.networks.drawing import refuse_condition
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.prefixes import asked_prefixes
from gengauge_plugins.networks.storage import load_network, save_state

_SCORED = 1 << 22  # numbers that one pass over whole examples puts out, at most
_DRAWN = 1 << 24  # numbers that one layer keeps while examples are drawn, at most
_LOOKED_AT = 1 << 14  # values of the validation split by which the best weights are chosen


class Autoregressive:
    """Values are told in order, each with a probability that all before it decide.

    ``transformer`` attends to everything told before, ``pixelcnn`` convolves what lies above and
    to the left. The product of the probabilities is the exact mass of an example; ``conditional``
    gives the network the label, sums the classes out of ``log_mass`` and classifies by Bayes' rule.
    Text can be asked for by its beginning. Sampling takes one evaluation a value, but keeps what
    earlier ones computed, and costs about as much as scoring.

    Good at: likelihood, which is exact, and on pictures as low as any here; local structure.
    Breaks at: speed, since values are drawn one after the other; short training on little text,
    where a 5-gram is .3 bits a character better in no time; codes and latents, which it has not.

    See Also:
        :class:`gengauge_plugins.autoregressive.transformer.Transformer`
        :class:`gengauge_plugins.autoregressive.pixelcnn.PixelCNN`

    References:
        | Pixel Recurrent Neural Networks (van den Oord et al., 2016)
        | https://arxiv.org/abs/1601.06759
        | Attention Is All You Need (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762
        | PixelCNN++ (Salimans et al., 2017), https://arxiv.org/abs/1701.05517

    Arguments:
        kind: ``transformer``, ``pixelcnn`` (pictures only), or ``auto``: convolutions for pictures
            of more than 256 values, where attention costs too much.
        width: Channels of each layer; 0 chooses, see
            :class:`gengauge_plugins.autoregressive.settings.Settings`, as for the next two.
        layers: Layers of the network.
        batch_size: Examples a step.
        lr: Peak learning rate of Adam.
        heads: Of the transformer's attention; the width must be a multiple of them.
        dropout: Share of each layer's output that training leaves out.
        output: ``softmax`` knows nothing of the order of levels, ``logistics`` is a mixture of
            discretised logistics, ``auto`` takes it for pictures of more than 64 levels.
        mixtures: Logistics of each value.
        conditional: Whether to learn from labels, and to sample for them.
        temperature: Of sampling; the likelihood is always that of temperature 1.

    Raises:
        ValueError: In ``fit``, for data that is empty, outside its levels, all equal, or without
            the labels asked for. A class without an example has the posterior 0 and cannot be
            asked for (``UnsupportedError``).

    Example:
        >>> from gengauge import Budget
        >>> x = torch.tensor([[0, 1, 0, 1], [2, 1, 2, 1]]).repeat(50, 1)
        >>> data = Dataset("aba", "text", Split(x), Split(x), Split(x), levels=3)
        >>> model = Autoregressive(width=16, layers=1)
        >>> model.fit(data, FitRun(0, Budget.parse("150 steps")))
        >>> model.log_mass(x[:2]).exp().round(decimals=1)
        tensor([0.5000, 0.5000], dtype=torch.float64)
        >>> model.sample(2, torch.tensor([[2], [0]]), torch.Generator().manual_seed(0))
        tensor([[2, 1, 2, 1],
                [0, 1, 0, 1]])
    """

    id = "autoregressive"
    network: Network

    def __init__(
        self,
        kind: str = "auto",
        width: int = 0,
        layers: int = 0,
        heads: int = 4,
        dropout: float = 0.1,
        output: str = "auto",
        mixtures: int = 5,
        conditional: bool = False,
        temperature: float = 1.0,
        batch_size: int = 0,
        lr: float = 4e-3,
    ) -> None:
        self.asked = Settings(kind, width, layers, batch_size, heads, dropout)
        self.output, self.mixtures, self.lr = output, mixtures, lr
        self.conditional, self.temperature = conditional, temperature
        self.levels, self.text = 0, False
        self.seen: Tensor | None = None  # the classes that have examples, rising
        self.log_prior = torch.zeros(0, dtype=torch.float64)  # of those
        self.n_classes = 0

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Maximise the likelihood of ``data.train``."""
        check_training(data, self.id)
        check_varies(data, self.id)
        assert data.levels is not None
        self.order, self.levels = Order.of(data.event_shape), data.levels
        self.text = data.modality == "text"
        self.seen, self.n_classes = None, 0
        if self.conditional:
            labels, self.n_classes = training_labels(data, self.id)
            self.seen, members = torch.unique(labels, return_counts=True)
            self.log_prior = (members.double() / len(labels)).log()
        with seeds.global_seed(seeds.named_seed(run.seed, "weights")):
            self.network = self._build()
        if isinstance(self.network, Transformer):
            self.network.begin(self.order.told(data.train.x).cpu().long())

        def loss(x: Tensor, y: Tensor | None = None, *, generator: torch.Generator) -> Tensor:
            x = x.long()
            return -self.network.output.log_likelihood(x, self.network(x, y)).mean()

        held_out = tuple(t[: max(32, _LOOKED_AT // self.order.length)]
                         for t in self._given(data.validation))  # fmt: skip
        with seeds.global_seed(seeds.named_seed(run.seed, "dropout")):
            train(run, self.network, loss, self._given(data.train), validation=held_out,
                  batch_size=self.settings.batch_size, lr=self.lr, clip=1.0)  # fmt: skip

    def _given(self, split: Split) -> tuple[Tensor, ...]:
        """Return what a step sees of a split's examples: those of no known class are left out."""
        x = self.order.told(split.x)
        if self.seen is None:
            return (x,)
        if split.labels is None:
            return x[:0], torch.zeros(0, dtype=torch.int64)
        known = torch.isin(split.labels.cpu(), self.seen)
        return x[known], split.labels[known]

    def _build(self) -> Network:
        self.settings = self.asked.chosen(self.order, self.text)
        kind = "softmax" if self.text and self.output == "auto" else self.output
        return self.settings.build(
            self.order, output_of(kind, self.levels, self.mixtures), self.n_classes, self.text
        )

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _labelled(self) -> Tensor:
        if self.seen is None:
            raise UnsupportedError(
                f"{self.id} was trained without labels; set conditional=true to train with them"
            )
        return self.seen

    def _blocks(self, n: int) -> Iterator[slice]:
        """Yield pieces of ``n`` examples that are scored at once."""
        wide = max(self.network.output.numbers, 4 * self.settings.width)
        size = max(1, _SCORED // (self.order.length * wide))
        return (slice(start, start + size) for start in range(0, n, size))

    @torch.no_grad()
    def _score(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Return log P(x | y) in nats ``[n]``, float64, where ``y`` ``[n]`` are labels if any."""
        outside = ((x < 0) | (x >= self.levels)).flatten(1).any(1).to(self._device)
        told = self.order.told(x).to(self._device).long().clamp(0, self.levels - 1)
        parts = [torch.zeros(0, dtype=torch.float64, device=self._device)]
        for s in self._blocks(len(x)):
            h = self.network(told[s], None if y is None else y[s].to(self._device))
            # in float64, or the levels' probabilities would not sum to one beyond 1e-6
            parts.append(self.network.output.log_likelihood(told[s], h.double()).sum(1))
        return torch.cat(parts).masked_fill(outside, -math.inf)

    def _joint(self, x: Tensor) -> Tensor:
        """Return log P(x, class) in nats ``[n, seen]``, float64."""
        found = [self._score(x, torch.full((len(x),), y)) for y in self._labelled().tolist()]
        return torch.stack(found, 1) + self.log_prior.to(self._device)

    def log_mass(self, x: Tensor) -> Tensor:
        """Return exact log P(x) in nats ``[n]``, float64; with labels, summed over the classes."""
        return self._score(x, None) if self.seen is None else self._joint(x).logsumexp(1)

    def log_mass_given(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return exact log P(x | label) in nats ``[n]``, float64, of ``labels`` ``[n]``.

        ``UnsupportedError`` without labels in training, and for a class that had no example.
        """
        return self._score(x, asked_labels(labels, len(x), self._labelled(), self.id))

    def class_probabilities(self, x: Tensor) -> Tensor:
        """Return the posterior of each class ``[n, classes]``, float64 on the CPU."""
        posterior = torch.zeros(len(x), self.n_classes, dtype=torch.float64)
        posterior[:, self._labelled()] = self._joint(x).softmax(1).cpu()
        return posterior

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]`` of levels, or int64 tokens.

        ``condition``, if given, is the classes ``[n]``, or of text the beginnings ``[n, p]``.
        """
        y, prefix = self._asked(n, condition, generator)
        size = max(1, _DRAWN // (self.order.length * self.settings.width))
        blank = torch.zeros(0, self.order.length, dtype=torch.int64, device=self._device)
        parts = [
            self._draw(prefix[s : s + size], None if y is None else y[s : s + size], generator)
            for s in range(0, n, size)
        ]
        x = self.order.shown(torch.cat([blank, *parts]))
        return x.to(torch.uint8) if self.levels <= 256 and not self.text else x

    def _asked(
        self, n: int, condition: Condition | None, generator: torch.Generator
    ) -> tuple[Tensor | None, Tensor]:
        """Return the labels ``[n]`` to sample for, if any, and the beginnings ``[n, p]``."""
        y, prefix = None, torch.zeros(n, 0, dtype=torch.int64)
        if condition is None:
            if self.seen is not None:
                weights = self.log_prior.exp().to(generator.device)
                drawn = torch.multinomial(weights, n, replacement=True, generator=generator)
                y = self.seen[drawn.cpu()]
        elif self.text:
            prefix = asked_prefixes(condition, n, self.order.length, self.levels, self.id)
        elif self.seen is None:
            refuse_condition(condition, self.id)
        else:
            y = asked_labels(condition, n, self.seen, self.id)
        return None if y is None else y.to(self._device), prefix.to(self._device)

    @torch.no_grad()
    def _draw(self, prefix: Tensor, y: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return values ``[n, length]`` in order, of which the first are ``prefix`` ``[n, p]``."""
        n, p = prefix.shape
        x = prefix.new_zeros(n, self.order.length)
        x[:, :p] = prefix
        cache, output = self.network.memory(n), self.network.output
        for i in range(self.order.length):
            h = self.network.step(x[:, :i], y, cache)  # type: ignore[arg-type]
            if i >= p and self.temperature == 1:
                x[:, i] = output.draw(h, generator)
            elif i >= p:
                x[:, i] = drawn(output.table(h) / self.temperature, generator)
        return x

    @property
    def evaluations_per_sample(self) -> float:
        """One for each value, whose cost is a share of a whole pass."""
        return float(self.order.length)

    @property
    def n_parameters(self) -> int:
        """Weights, biases and embeddings."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write weights, shapes and classes into ``folder``."""
        config: dict[str, Any] = {
            "shape": list(self.order.shape), "levels": self.levels, "text": self.text,
            "seen": None if self.seen is None else self.seen.tolist(),
            "log_prior": self.log_prior.tolist(), "n_classes": self.n_classes,
        }  # fmt: skip
        save_state(folder, self.network.state_dict(), config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote, on ``device``."""
        self.network = load_network(folder, device, self._restored)

    def _restored(self, config: dict[str, Any]) -> Network:
        self.order, self.levels = Order.of(tuple(config["shape"])), config["levels"]
        self.text, self.n_classes = config["text"], config["n_classes"]
        self.seen = None if config["seen"] is None else torch.tensor(config["seen"])
        self.log_prior = torch.tensor(config["log_prior"], dtype=torch.float64)
        return self._build()
