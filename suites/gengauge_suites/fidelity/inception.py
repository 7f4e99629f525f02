"""What is defined on the Inception network alone: the Inception score and sFID.

Sources: Salimans et al. 2016, Improved Techniques for Training GANs, section 4,
https://arxiv.org/abs/1606.03498; Nash et al. 2021, Generating Images with Sparse Representations,
section 5.1, https://arxiv.org/abs/2103.03841.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from gengauge.errors import UnsupportedError
from gengauge.evidence import Evidence
from gengauge.metric import Classifies, Embedder, EmbedsSpace, Score, unscored
from gengauge.statistics import mean_interval
from gengauge_suites.fidelity.clouds import problem
from gengauge_suites.fidelity.frechet import fd


@runtime_checkable
class ClassifiesFeatures(Protocol):
    """An embedder whose classes follow from its features, with no second pass over the images."""

    def classes_of(self, features: Tensor) -> Tensor:
        """Return class logits ``[n, c]`` of features ``[n, d]``."""
        ...


def inception_score(evidence: Evidence, embedder: Embedder, splits: int) -> Score:
    """Return the mean over ``splits`` of ``exp(mean KL(p(y|x) || p(y)))``, at least 1.

    The splits are independent, so their mean has a Student-t interval, for the expectation at
    this size of split: a smaller one gives a lower score. Real images do not enter.
    """
    n = len(evidence.samples)
    if reason := problem(evidence):
        return unscored(reason)
    if n < 2 * splits:
        return unscored(f"needs at least 2 samples in each of {splits} splits, got {n}")
    order = torch.randperm(n, generator=evidence.generator("inception score"))
    scores = split_scores(_logits(evidence, embedder)[order], splits)
    interval = mean_interval(scores)
    return Score(
        float(scores.mean()), interval, n_samples=n, details={"spread": float(scores.std())}
    )


def _logits(evidence: Evidence, embedder: Embedder) -> Tensor:
    if isinstance(embedder, ClassifiesFeatures):
        return embedder.classes_of(evidence.features(embedder).samples).to(torch.float64)
    if isinstance(embedder, Classifies):
        return embedder.classes(evidence.samples).to(torch.float64)
    raise UnsupportedError(f"the embedder '{embedder.id}' names no classes")


def split_scores(logits: Tensor, splits: int) -> Tensor:
    """Return the score of each of ``splits`` stretches ``[splits]`` of ``logits`` ``[n, c]``.

    Logarithms come from the logits, so that no probability is lost to rounding.

    >>> split_scores(torch.zeros(4, 3, dtype=torch.float64), 2)
    tensor([1., 1.], dtype=torch.float64)
    """
    n = len(logits)
    log_p = logits.log_softmax(1)
    scores = []
    for i in range(splits):
        part = log_p[i * n // splits : (i + 1) * n // splits]
        marginal = part.logsumexp(0) - torch.tensor(float(len(part))).double().log()
        scores.append((part.exp() * (part - marginal)).sum(1).mean().exp())
    return torch.stack(scores)


def sfid(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the Frechet distance of features that keep positions; see ``fd``."""
    return fd(evidence, Spatial(embedder))


@dataclass(frozen=True)
class Spatial:
    """The spatial features of an embedder as an embedder of their own."""

    inner: Embedder

    @property
    def id(self) -> str:
        """The embedder's id and ``/spatial``."""
        return f"{self.inner.id}/spatial"

    @property
    def sha256(self) -> str:
        """Hash of the embedder."""
        return self.inner.sha256

    def features(self, x: Tensor) -> Tensor:
        """Return flattened spatial features ``[n, d]`` of ``x`` ``[n, *event]``."""
        if isinstance(self.inner, EmbedsSpace):
            return self.inner.spatial(x)
        raise UnsupportedError(f"the embedder '{self.inner.id}' gives no spatial features")
