"""The classification accuracy score: what samples teach, beside what real data teaches.

Source: Ravuri & Vinyals 2019, Classification Accuracy Score for Conditional Generative Models,
section 3, https://arxiv.org/abs/1905.10887. They train a ResNet; here it is a support vector
machine with a Gaussian kernel, which small data does not overfit and which has no random part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.svm import SVC
from torch import Tensor

from gengauge.clustered import share_interval
from gengauge.data import Dataset, Split
from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.statistics import Interval, block_jackknife
from gengauge.units import comparable

_C = 10.0


def cas(evidence: Evidence, examples: int, blocks: int) -> Score:
    """Return the test accuracy of a classifier that was trained on conditional samples alone.

    Classes stand in the proportions of the test split. The interval covers another draw of the
    samples (a block jackknife over them) and of the test examples (a binomial).
    """
    drawn = evidence.conditional("class")
    if drawn.labels is None or evidence.dataset.test.labels is None:
        return unscored("the data has no labels")
    taught = Split(drawn.samples, drawn.labels).first(examples)
    if reason := _too_little(taught, evidence.dataset.test, blocks):
        return unscored(reason)
    lesson = _lesson(taught, evidence.dataset)
    order = torch.randperm(len(taught), generator=evidence.generator("cas blocks")).numpy()
    value, taught_again, _ = block_jackknife(
        lambda block: lesson.accuracy(order % blocks != block), blocks
    )
    return Score(
        value, _interval(value, taught_again.standard_error or 0.0, len(lesson.z), blocks),
        n_samples=len(taught), n_reference=len(lesson.z), details=_ceiling(evidence, len(taught)),
    )  # fmt: skip


def _interval(value: float, error: float, tested: int, blocks: int) -> Interval:
    """Add the variance over samples and over tests; degrees after Welch & Satterthwaite."""
    variance = error**2 + value * (1 - value) / tested
    degrees = (blocks - 1) * (variance / error**2) ** 2 if error > 0 else float(tested)
    interval = share_interval(value, tested, math.sqrt(variance), degrees)
    return replace(interval, method=f"block jackknife, {blocks} blocks, and binomial over tests")


def _ceiling(evidence: Evidence, n: int) -> dict[str, float]:
    """Return what as many real training examples reach, and how many there were."""
    real = evidence.dataset.train.first(n)
    if real.labels is None or len(torch.unique(real.labels)) < 2:
        return {}
    value = evidence.once(("cas of real", n), lambda: _lesson(real, evidence.dataset).accuracy())
    return {"trained_on_real": value, "n_real": len(real)}


def _too_little(taught: Split, test: Split, blocks: int) -> str:
    assert taught.labels is not None
    fewest = 2 * blocks
    if min(len(taught), len(test)) < fewest:
        return f"needs {fewest} samples and test examples, got {len(taught)} and {len(test)}"
    others = len(taught) - int(torch.bincount(taught.labels).max())
    if others <= -(-len(taught) // blocks):  # a block could take all but one class away
        return f"needs more than {others} of {len(taught)} samples outside the largest class"
    return ""


@dataclass(frozen=True)
class _Lesson:
    """Kernel among training examples ``[n, n]`` and of tests with them ``[m, n]``, and labels."""

    among: NDArray[np.float64]
    across: NDArray[np.float64]
    y: NDArray[np.int64]
    z: NDArray[np.int64]

    def accuracy(self, train: NDArray[np.bool_] | None = None) -> float:
        """Return the test accuracy of learning from all training examples, or some ``[n]``."""
        i = np.arange(len(self.y)) if train is None else np.flatnonzero(train)
        machine = SVC(C=_C, kernel="precomputed").fit(self.among[np.ix_(i, i)], self.y[i])
        return float((machine.predict(self.across[:, i]) == self.z).mean())


def _lesson(taught: Split, data: Dataset) -> _Lesson:
    """Return the kernel between ``taught`` and the test split, its width from real data.

    The width is scikit-learn's ``gamma="scale"`` of the training split, or of the test split where
    there is no other: the same for all models.
    """
    train = comparable(data.train.x if len(data.train) else data.test.x, data)
    gamma = 1 / (train.shape[1] * max(float(train.var()), 1e-12))
    x, z = comparable(taught.x, data), comparable(data.test.x, data)
    assert taught.labels is not None
    assert data.test.labels is not None
    return _Lesson(
        _kernel(x, x, gamma), _kernel(z, x, gamma), taught.labels.numpy(), data.test.labels.numpy()
    )


def _kernel(a: Tensor, b: Tensor, gamma: float) -> NDArray[np.float64]:
    squares = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T
    out: NDArray[np.float64] = squares.clamp(min=0).mul(-gamma).exp().numpy()
    return out
