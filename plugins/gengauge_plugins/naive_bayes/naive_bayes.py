"""Naive Bayes as a generative model and as a classifier."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.special import logsumexp
from torch import Tensor

from gengauge import Dataset, FitRun, check_training, quantise
from gengauge.errors import UnsupportedError
from gengauge.model import Condition
from gengauge_plugins.counting.tables import Array, Layout, chosen_alpha
from gengauge_plugins.naive_bayes.values import Gaussians, Levels, Values, restored
from gengauge_plugins.networks.calibration import calibrated_power
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.storage import load_state, save_state

_CPU = torch.device("cpu")


class NaiveBayes:
    """Within a class every value is independent of the others; classes come by their frequency.

    Levels are categorical (Bernoulli where there are two), floats Gaussian, and tokens of text a
    multinomial that all positions share. Data without labels is one class: then this is the
    model of independent values. A class that is known by name but has no example gets the
    posterior 0, cannot be sampled and has no likelihood. A float that never varies gets a
    Gaussian of a billionth of its size; levels that never vary are likely to stay as they are.

    Its posteriors would be far too sure, for they count what hangs together several times. They are
    tempered: one power of all of them, chosen for the likelihood of the validation labels (Guo et
    al.).

    Good at: classifying from few examples, exact likelihoods, training in one pass.
    Breaks at: anything that hangs together: its samples are noise around the class's mean.

    References:
        | On the Optimality of the Simple Bayesian Classifier under Zero-One Loss
        | (Domingos & Pazzani, 1997), https://doi.org/10.1023/A:1007413511361
        | On Calibration of Modern Neural Networks (Guo et al., 2017)
        | https://arxiv.org/abs/1706.04599

    Arguments:
        alpha: Count added to every level; at 0 the best of six on the validation split.

    Example:
        >>> from gengauge import Budget, Split
        >>> x, y = torch.tensor([[-1.0], [1.0], [9.0], [11.0]]), torch.tensor([0, 0, 1, 1])
        >>> data = Dataset("line", "points", Split(x, y), Split(x, y), Split(x, y))
        >>> model = NaiveBayes()
        >>> model.fit(data, FitRun(0, Budget.parse("1 steps")))
        >>> model.class_probabilities(torch.tensor([[0.5], [10.5]])).round(decimals=2)
        tensor([[1., 0.],
                [0., 1.]], dtype=torch.float64)
    """

    values: Values
    log_prior: Array  # [seen]
    seen: Tensor  # [seen]: the classes that have examples, rising

    def __init__(self, alpha: float = 0.0) -> None:
        self.alpha = alpha
        self.levels: int | None = None
        self.n_classes, self.labelled, self.sharpness = 1, False, 1.0

    def fit(self, data: Dataset, run: FitRun) -> None:
        """Count ``data.train`` once, which is one step, whatever the budget."""
        check_training(data, "naive-bayes")
        self.levels, self.labelled = data.levels, data.train.labels is not None
        labels, self.n_classes = torch.zeros(len(data.train), dtype=torch.int64), 1
        if self.labelled:
            labels, self.n_classes = training_labels(data, "naive-bayes")
        self.seen, which = torch.unique(labels, return_inverse=True)
        self.log_prior = np.log(which.bincount().double().numpy() / len(which))
        if self.levels is None:
            self.values = Gaussians.fitted(data.train.x, which.numpy())
        else:
            self.values = self._counted(data, which)
        run.spend(1, len(data.train))
        self._calibrate(data)
        if len(data.validation):
            run.log(validation_loss=-float(self._log_likelihood(data.validation.x).mean()))

    def _counted(self, data: Dataset, which: Tensor) -> Levels:
        """Return the levels with the smoothing under which validation data is likeliest."""
        layout = Layout.of(data, len(self.seen))
        counts = layout.counted(data.train.x, np.eye(len(self.seen))[which.numpy()])
        found = [Levels(layout, layout.log_table(counts, a)) for a in chosen_alpha(self.alpha)]

        def loss(levels: Levels) -> float:
            joint = levels.log_likelihood(data.validation.x) + self.log_prior
            return -float(logsumexp(joint, axis=1).sum())

        return min(found, key=loss) if len(found) > 1 and len(data.validation) else found[0]

    def _calibrate(self, data: Dataset) -> None:
        """Find the power of the posteriors that makes the validation labels likeliest."""
        labels = data.validation.labels
        self.sharpness = 1.0
        if labels is None or len(self.seen) < 2:
            return
        known = torch.isin(labels, self.seen)
        if not bool(known.any()):
            return
        joint = torch.from_numpy(self._log_joint(data.validation.x[known]))
        self.sharpness = calibrated_power(joint, torch.searchsorted(self.seen, labels[known]))

    def _log_joint(self, x: Tensor) -> Array:
        return self.values.log_likelihood(x) + self.log_prior

    def _log_likelihood(self, x: Tensor) -> Tensor:
        return torch.from_numpy(np.atleast_1d(logsumexp(self._log_joint(x), axis=1)))

    def log_mass(self, x: Tensor) -> Tensor:
        """Return exact log P(x) in nats ``[n]``, float64; of levels and tokens only."""
        self._check_levelled("log_prob")
        return self._log_likelihood(x)

    def log_mass_given(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return exact log P(x | label) in nats ``[n]``, float64, of ``labels`` ``[n]``.

        ``UnsupportedError`` without labels in training, and for a class that had no example.
        """
        self._check_levelled("log_prob_given")
        return self._within(x, labels)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return exact log p(x) in nats ``[n]``, float64.

        On dequantised data in ``[0, 1)`` it is constant within a level's bin.
        """
        return self._density(x, self._log_likelihood)

    def log_prob_given(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return exact log p(x | label) in nats ``[n]``, float64, as ``log_prob`` does log p(x)."""
        return self._density(x, partial(self._within, labels=labels))

    def _check_levelled(self, instead: str) -> None:
        if self.levels is None:
            raise UnsupportedError(
                f"naive-bayes has a density on continuous data; ask for {instead}"
            )

    def _within(self, x: Tensor, labels: Tensor) -> Tensor:
        every = torch.from_numpy(self.values.log_likelihood(x))
        return every.gather(1, self._rows(labels, len(x))[:, None])[:, 0]

    def _rows(self, labels: Condition, n: int) -> Tensor:
        """Return in which row of the tables the ``n`` asked ``labels`` are, ``[n]``."""
        seen = self.seen if self.labelled else self.seen[:0]
        asked = asked_labels(labels, n, seen, "naive-bayes")
        return torch.searchsorted(self.seen, asked.contiguous())

    def _density(self, x: Tensor, log_likelihood: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``log_likelihood`` itself, or where it is a mass, spread over each level's bin."""
        if self.levels is None:
            return log_likelihood(x)
        inside = ((x >= 0) & (x < 1)).flatten(1).all(1).cpu()
        cells = x[0].numel() * math.log(self.levels) if len(x) else 0.0
        density = log_likelihood(quantise(x, self.levels)) + cells
        return density.masked_fill(~inside, -math.inf)

    def class_probabilities(self, x: Tensor) -> Tensor:
        """Return calibrated posteriors ``[n, classes]``; ``UnsupportedError`` without labels."""
        if not self.labelled:
            raise UnsupportedError("the training data has no labels, so there is nothing to tell")
        posterior = torch.zeros(len(x), self.n_classes, dtype=torch.float64)
        posterior[:, self.seen] = torch.from_numpy(self.sharpness * self._log_joint(x)).softmax(1)
        return posterior

    def sample(self, n: int, condition: Condition | None, generator: torch.Generator) -> Tensor:
        """Return ``n`` samples ``[n, *event]``, of the classes ``condition`` ``[n]`` if given."""
        if condition is None:
            weights = torch.from_numpy(np.exp(self.log_prior)).to(generator.device)
            which = torch.multinomial(weights, n, replacement=True, generator=generator).cpu()
        else:
            which = self._rows(condition, n)
        return self.values.draw(which, generator)

    @property
    def n_parameters(self) -> int:
        """Free numbers: of the prior, of each class, and the power if there are classes."""
        return len(self.seen) - 1 + self.values.n_parameters + int(len(self.seen) > 1)

    def save(self, folder: Path) -> None:
        """Write prior, values and calibration into ``folder``."""
        tensors, values = self.values.state()
        own = {"log_prior": torch.from_numpy(self.log_prior), "seen": self.seen}
        config = {
            "values": values, "levels": self.levels, "labelled": self.labelled,
            "n_classes": self.n_classes, "sharpness": self.sharpness,
        }  # fmt: skip
        save_state(folder, {**tensors, **own}, config)

    def load(self, folder: Path, device: torch.device) -> None:
        """Restore what ``save`` wrote; tables stay on the CPU."""
        tensors, config = load_state(folder, _CPU)
        self.log_prior, self.seen = tensors["log_prior"].numpy(), tensors["seen"]
        self.values, self.levels = restored(tensors, config["values"]), config["levels"]
        self.labelled, self.n_classes = config["labelled"], config["n_classes"]
        self.sharpness = config["sharpness"]
