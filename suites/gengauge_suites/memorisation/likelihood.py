"""Feature Likelihood Divergence and its train-test gap.

Source: Jiralerspong et al. 2023, Feature Likelihood Divergence, section 3,
https://arxiv.org/abs/2302.04440, and the authors' code, https://github.com/marcojira/fld, which
standardises features by the test split and measures the gap as train minus test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gengauge import seeds
from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.statistics import Interval, block_jackknife, block_of
from gengauge_suites.memorisation.mixture import fitted
from gengauge_suites.memorisation.problems import problem

Statistic = Callable[[int | None], float]
BLOCKS = 20
_MOST = 10_000  # samples that carry a Gaussian, as in the authors' code


@dataclass(frozen=True)
class _Losses:
    """Nats a dimension times 100, ``[m, blocks + 1]``: column b without a block of samples."""

    test: Tensor
    train: Tensor
    baseline: Tensor  # [m]: of test data under half of the training data
    n_samples: int
    constant: int


def fld(evidence: Evidence, embedder: Embedder) -> Score:
    """Return 100 x the nats a dimension that test data loses under the samples' mixture.

    Zero is what a mixture at half of the training data loses on the same test data. The interval
    is for other samples and other test data at these sizes, the variances of the fit being held.
    """
    if reason := problem(evidence, embedder):
        return unscored(reason)
    losses = _measured(evidence, embedder)
    excess = losses.test - losses.baseline[:, None]
    block = _blocks(evidence, len(excess))

    def loss(left_out: int | None) -> float:
        return _mean(excess, block, left_out)

    return _score(losses, loss(None), loss, excess[:, -1])


def fld_gap(evidence: Evidence, embedder: Embedder) -> Score:
    """Return FLD on training data minus FLD on test data; copies make it very negative."""
    if reason := problem(evidence, embedder):
        return unscored(reason)
    losses = _measured(evidence, embedder)
    block_test, block_train = (_blocks(evidence, len(z)) for z in (losses.test, losses.train))

    def gap(left_out: int | None) -> float:
        return _mean(losses.train, block_train, left_out) - _mean(losses.test, block_test, left_out)

    return _score(losses, gap(None), gap, None)


def _score(losses: _Losses, value: float, statistic: Statistic, values: Tensor | None) -> Score:
    _, interval, _ = block_jackknife(statistic, BLOCKS)
    details = {"baseline": float(losses.baseline.mean()), "constant_features": losses.constant}
    return Score(
        value, _named(interval), n_samples=losses.n_samples, n_reference=len(losses.test),
        details=details, per_example=values,
    )  # fmt: skip


def _named(interval: Interval) -> Interval:
    return replace(interval, method=f"{interval.method}, variances of the fit held")


def _mean(losses: Tensor, block: Tensor, left_out: int | None) -> float:
    if left_out is None:
        return float(np.mean(losses[:, -1].numpy()))
    return float(losses[block != left_out, left_out].mean())


def _blocks(evidence: Evidence, n: int) -> Tensor:
    """Return the jackknife block ``[n]`` of each example, in random order."""
    order = torch.randperm(n, generator=evidence.generator("order"))
    blocks = torch.empty(n, dtype=torch.int64)
    blocks[order] = torch.from_numpy(block_of(n, BLOCKS))
    return blocks


def _measured(evidence: Evidence, embedder: Embedder) -> _Losses:
    key = ("fld", embedder.id, embedder.sha256)
    return evidence.memo(key, lambda: _measure(evidence, embedder))


def _measure(evidence: Evidence, embedder: Embedder) -> _Losses:
    samples, test = (evidence.features(embedder).samples, evidence.features(embedder).reference)
    train = evidence.features_of(embedder, "train")
    if len(samples) > _MOST:
        kept = torch.randperm(len(samples), generator=evidence.generator("fld"))[:_MOST]
        samples = samples[kept]
    centre, scale = test.mean(0), test.std(0)
    constant = int((scale == 0).sum())
    scale = scale.masked_fill(scale == 0, 1.0)  # a feature without spread keeps its own unit
    samples, test, train = ((z - centre) / scale for z in (samples, test, train))
    n = len(samples)
    baseline = evidence.told(embedder, f"fld baseline {n}, 1", lambda: _baseline(train, test, n))
    mixture = fitted(samples, train, evidence.generator("fld"))
    block = _blocks(evidence, n)
    return _Losses(
        100 * mixture.negative_log_likelihood(test, block),
        100 * mixture.negative_log_likelihood(train, block),
        baseline, n, constant,
    )  # fmt: skip


def _baseline(train: Tensor, test: Tensor, n: int) -> Tensor:
    """Return the loss of ``test`` ``[m]`` under Gaussians at up to half of the training data.

    Which half is the same for every model and every seed, so that scores differ by models alone.
    """
    generator = seeds.generator("fld baseline", len(train))
    train = train[torch.randperm(len(train), generator=generator)]
    half = min(n, len(train) // 2)
    mixture = fitted(train[:half], train[half:], generator)
    return 100 * mixture.negative_log_likelihood(test)[:, -1]
