"""AuthPct: how many samples are no closer to training data than training data is to itself.

Source: Alaa et al. 2022, How Faithful is your Synthetic Data?, section 3.3,
https://arxiv.org/abs/2102.08921; as in Stein et al. 2023 (dgm-eval), without the authors' learnt
embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.statistics import wilson
from gengauge_suites.fidelity.clouds import MINIMUM, embedded, problem
from gengauge_suites.fidelity.nearest import gaps, nearest
from gengauge_suites.fidelity.passes import identity, passes
from gengauge_suites.fidelity.tiles import Cloud, centre_of, tile_dtype
from gengauge_suites.fidelity.within import within


def auth_pct(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the share of samples that are authentic.

    A sample is authentic when its nearest training example lies nearer to another training
    example than to the sample. Real data is *not* at one half (37-88 % by dimension): see the
    real row. The interval is over new samples, for this training set.
    """
    if reason := problem(evidence, embedder):
        return unscored(reason)
    train, n = evidence.features_of(embedder, "train"), len(evidence.samples)
    if len(train) < MINIMUM:
        return unscored(f"needs at least {MINIMUM} training examples, got {len(train)}")
    if worse := int((~torch.isfinite(train)).any(1).sum()):
        return unscored(f"features of {worse} of {len(train)} training examples are not finite")
    told = _told(evidence, embedder, train)
    interval = wilson(int(told.sum()), n)
    value = float(told.double().mean())
    return Score(value, interval, n_samples=n, n_reference=len(train), split="train")


def _told(evidence: Evidence, embedder: Embedder, train: Tensor) -> Tensor:
    found = evidence.features(embedder)
    if torch.equal(train, found.reference):  # one real set only: the shared pass has it all
        _, in_reference, pair = passes(evidence, embedder)
        clouds = embedded(evidence, embedder)
        x, y, index = clouds.samples, clouds.reference, pair.nearest_reference.index
        own = gaps(y, y, in_reference.index[:, 0])  # how near, exactly
        return gaps(x, y, index) > own[index]
    n, (m, d) = len(found.samples), train.shape
    cloud = Cloud.of(train, centre_of(train), tile_dtype(max(n, m), m, d))
    key = ("nearest in train", *identity(embedder), str(cloud.scaled.dtype))
    own = evidence.once(key, lambda: within(cloud, (1,), kernel=False).near[:, 0])
    return authentic(found.samples, cloud, own)


def authentic(samples: Tensor, train: Cloud, own: Tensor) -> Tensor:
    """Return which ``samples`` ``[n, d]`` are authentic, bool ``[n]``.

    ``own`` ``[m]`` is each training example's squared distance over d to its nearest other.
    """
    index = nearest(Cloud.of(samples, train.centre, train.scaled.dtype), train)
    return gaps(samples, train.given, index) > own[index]
