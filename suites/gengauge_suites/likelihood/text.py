"""Likelihood of text: per token, and per raw character, which no tokeniser can flatter."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.statistics import Interval, block_jackknife, block_of
from gengauge_suites.likelihood import estimates
from gengauge_suites.likelihood.metrics import NONE, not_finite

_BLOCKS = 50


def perplexity(evidence: Evidence, k: int, terms: int) -> Score:
    """Return exp of the test examples' negative log-likelihood per token.

    The interval is that of the nats per token, mapped by exp. ``per_example`` is linearised:
    its mean is the perplexity, and its spread the one that the delta method gives.
    """
    x = evidence.dataset.test.x
    tokens = torch.full((len(x),), evidence.dataset.dimensions, dtype=torch.float64)
    score = _per(evidence, tokens, k, terms)
    if score.value is None or score.interval is None or score.per_example is None:
        return score
    value, interval = math.exp(score.value), score.interval
    mapped = Interval(
        math.exp(interval.low), math.exp(interval.high), value * (interval.standard_error or 0.0),
        f"exp of {interval.method}", interval.level,
    )  # fmt: skip
    linear = value * (1 + score.per_example - score.value)
    details = {**score.details, "nats_per_token": score.value, "tokens": int(tokens.sum())}
    return replace(score, value=value, interval=mapped, details=details, per_example=linear)


def bits_per_char(evidence: Evidence, k: int, terms: int) -> Score:
    """Return total negative log-likelihood over (ln 2 x raw characters) of the test examples."""
    characters = evidence.dataset.test.characters
    if characters is None:
        return unscored(
            "the dataset does not say how many raw characters its examples stand for "
            "(Split.characters)"
        )
    if bool((characters <= 0).any()):
        return unscored(f"{int((characters <= 0).sum())} test examples stand for no characters")
    score = _per(evidence, characters.to("cpu", torch.float64) * math.log(2), k, terms)
    score.details["characters"] = int(characters.sum())
    return score


def _per(evidence: Evidence, units: Tensor, k: int, terms: int) -> Score:
    """Return total nats over total ``units`` ``[n]``: a ratio of sums, by block jackknife.

    Its per-example values average to the ratio: each is the example's nats over the mean of
    the units.
    """
    estimate = estimates.mass_or_bound(evidence, k, terms)
    if estimate is None:
        return unscored(NONE)
    n = len(estimate.values)
    if reason := not_finite(estimate.values):
        return unscored(reason)
    if n < 2:
        return unscored(f"needs at least 2 test examples, got {n}")
    nats, units_, blocks = -estimate.values.numpy(), units.numpy(), min(n, _BLOCKS)
    block = block_of(n, blocks)
    tops, bottoms = (np.bincount(block, weights=v, minlength=blocks) for v in (nats, units_))

    def ratio(left_out: int | None) -> float:
        if left_out is None:
            return float(tops.sum() / bottoms.sum())
        return float((tops.sum() - tops[left_out]) / (bottoms.sum() - bottoms[left_out]))

    value, interval, _ = block_jackknife(ratio, blocks)
    return Score(
        value, interval, "exact" if estimate.exact else "upper_bound", n_reference=n,
        details={"method": estimate.method, **estimate.details}, protocol={"k": k, "terms": terms},
        per_example=torch.from_numpy(nats / units_.mean()),
    )  # fmt: skip
