"""CLIP score and CLIP R-precision.

Sources: Hessel et al. 2021, CLIPScore, eq. 1, https://arxiv.org/abs/2104.08718; Xu et al. 2018,
AttnGAN, section 4 (R-precision, R = 1, 99 captions that do not match),
https://arxiv.org/abs/1711.10485, with CLIP as the judge (Park et al. 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.clustered import clustered_mean_interval, clustered_share_interval
from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge_suites.alignment.prompts import Prompted, prefix_of, prompted

_WEIGHT = 2.5
_EQUAL = 1e-12  # cosines nearer than this differ by rounding alone
_BLOCK = 500


def clip_score(evidence: Evidence, embedder: Embedder, prefix: str) -> Score:
    """Return the mean over images of 2.5 x max(cos, 0), cos between an image and its caption.

    Each image is clamped by itself, so an image that contradicts its caption takes nothing from
    the others. The interval lets images of captions that mean the same depend on each other.
    """
    before = prefix_of(embedder, prefix)
    pairs = prompted(evidence, embedder, before)
    if reason := _too_few(pairs):
        return unscored(reason)
    cosines = pairs.cosines
    values = _WEIGHT * cosines.clamp(min=0)
    interval = clustered_mean_interval(values, pairs.clusters)
    return Score(
        float(values.mean()), interval, n_samples=len(values),
        details={
            "mean_cosine": float(cosines.mean()), "lowest_cosine": float(cosines.min()),
            "share_clamped": float((cosines < 0).double().mean()),
            "prompts": pairs.prompts,
        },
        protocol={"prefix": before}, per_example=values, raw=cosines,
    )  # fmt: skip


def clip_r_precision(evidence: Evidence, embedder: Embedder, candidates: int) -> Score:
    """Return how often the caption asked for is nearest among ``candidates`` of other meaning.

    The others are drawn from the test captions, the same for every model. Equals share the hit,
    so that a judge that cannot tell captions apart scores 1 / candidates. Paraphrases and
    converses are no rivals; a caption that says something else may still be true of the same
    picture (of the test captions of ``shapes`` one rival in 90,000 is, by chance).
    """
    pairs = prompted(evidence, embedder, "")
    if reason := _too_few(pairs):
        return unscored(reason)
    fewest = len(pairs.meaning) - int(torch.bincount(pairs.meaning).max())
    if fewest < candidates - 1:
        return unscored(
            f"needs {candidates - 1} test captions of other meaning, there are {fewest}; "
            "set clip_r_precision.candidates lower"
        )
    hits = _hits(pairs, candidates, evidence.generator("clip_r_precision"))
    return Score(
        float(hits.mean()), clustered_share_interval(hits, pairs.clusters), n_samples=len(hits),
        details={"chance": 1 / candidates, "prompts": pairs.prompts},
        per_example=hits,
    )  # fmt: skip


def _hits(pairs: Prompted, candidates: int, generator: torch.Generator) -> Tensor:
    """Return for each image ``[n]`` 1 where its caption is nearest, split between equals."""
    parts = []
    for images, own in zip(*map(_blocks, (pairs.images, pairs.own)), strict=True):
        order = torch.rand(len(own), len(pairs.meaning), generator=generator)
        order[pairs.meaning == pairs.meaning[own][:, None]] = -1.0
        others = order.topk(candidates - 1, dim=1).indices
        cosine = images @ pairs.captions.T
        true = cosine.gather(1, own[:, None])
        rest = cosine.gather(1, others)
        equal = ((rest - true).abs() <= _EQUAL).sum(1)
        beaten = (rest > true + _EQUAL).any(1)
        parts.append(torch.where(beaten, 0.0, 1.0 / (1.0 + equal.double())))
    return torch.cat(parts)


def _blocks(x: Tensor) -> tuple[Tensor, ...]:
    return torch.split(x, _BLOCK)


def _too_few(pairs: Prompted) -> str:
    found = pairs.prompts
    return "" if found > 1 else f"needs images of at least 2 different captions, there is {found}"
