"""How many of the truth's modes are found, and how evenly.

A sample is of high quality within three standard deviations of a mode's centre and belongs to the
nearest one (Lin et al. 2018, PacGAN, https://arxiv.org/abs/1712.04086, after
Srivastava et al. 2017, VEEGAN, https://arxiv.org/abs/1705.07761).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special, stats

from gengauge.data import Modal
from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.statistics import LEVEL, Interval, wilson

_RADIUS = 3.0  # standard deviations
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Samples of high quality at each mode ``near`` ``[m]``, of ``n`` samples in ``d`` values."""

    near: Array
    n: int
    d: int

    def shares(self) -> tuple[Array, Array]:
        """Return bounds ``[m]`` on each mode's probability that hold for all of them at once.

        Clopper & Pearson 1934, each at the level that Bonferroni's inequality asks for.
        """
        tail = (1 - LEVEL) / 2 / len(self.near)
        low = special.betaincinv(self.near, self.n - self.near + 1, tail)
        high = special.betaincinv(self.near + 1, self.n - self.near, 1 - tail)
        none, all_ = self.near == 0, self.near == self.n
        return np.where(none, 0.0, low), np.where(all_, 1.0, high)

    def details(self) -> dict[str, object]:
        """Return each mode's share, and the share of high quality that the truth has."""
        perfect = float(stats.chi2.cdf(_RADIUS**2, self.d))
        return {"shares": (self.near / self.n).tolist(), "high_quality_of_truth": perfect}


def counted(evidence: Evidence) -> Counts | str:
    """Return what was counted, or why nothing can be."""
    return evidence.memo("modes", lambda: _count(evidence))


def _count(evidence: Evidence) -> Counts | str:
    truth = evidence.dataset.truth
    if not isinstance(truth, Modal):
        return "the modes of the data are not known"
    x = evidence.samples.flatten(1).to("cpu", torch.float64)
    bad = int((~torch.isfinite(x)).any(1).sum())
    if bad or not len(x):
        return f"{bad} of {len(x)} samples are not finite" if bad else "there are no samples"
    far = torch.cdist(x, truth.centres.double()) / truth.deviations.double()
    nearest, mode = far.min(1)
    near = mode[nearest <= _RADIUS].bincount(minlength=len(truth.centres))
    return Counts(near.double().numpy(), len(x), x.shape[1])


def modes_covered(evidence: Evidence) -> Score:
    """Return how many modes have a sample of high quality: at most those the model can draw.

    The interval is for the expectation of that count at this number of samples. From below it is
    what the modes' least shares give; from above Clopper & Pearson's of so many of m modes: a sum
    of unequal chances scatters less than a binomial of its mean (Hoeffding 1956, On the
    distribution of the number of successes in independent trials), and so do counts of one sample.
    """
    found = counted(evidence)
    if isinstance(found, str):
        return unscored(found)
    value, m = int((found.near > 0).sum()), len(found.near)
    least = np.minimum(found.shares()[0], 1 - 1e-15)
    low = float(np.sum(-np.expm1(found.n * np.log1p(-least))))
    tail = (1 - LEVEL) / 2
    high = m * float(special.betaincinv(value + 1, m - value, 1 - tail)) if value < m else m
    method = "clopper-pearson of the modes' shares below, of their count above"
    return _of_modes(float(value), (low, high), method, "lower_bound", found)


def modes_represented(evidence: Evidence, share: float = 0.1) -> Score:
    """Return how many modes have at least ``share`` of the probability that the truth gives them.

    The interval counts the modes whose probability surely is that large, and may be.
    """
    found = counted(evidence)
    if isinstance(found, str):
        return unscored(found)
    least = share / len(found.near)
    low, high = (float((p >= least).sum()) for p in found.shares())
    method = "clopper-pearson of all modes at once"
    value = float((found.near / found.n >= least).sum())
    return _of_modes(value, (low, high), method, "estimate", found)


def _of_modes(
    value: float, ends: tuple[float, float], method: str, kind: str, found: Counts
) -> Score:
    interval = Interval(min(ends[0], value), max(ends[1], value), None, method, LEVEL)
    details = {**found.details(), "modes": len(found.near)}
    return Score(value, interval, kind, n_samples=found.n, details=details)


def high_quality(evidence: Evidence) -> Score:
    """Return the share of samples of high quality."""
    found = counted(evidence)
    if isinstance(found, str):
        return unscored(found)
    good = float(found.near.sum())
    return Score(good / found.n, wilson(good, found.n), n_samples=found.n, details=found.details())


def mode_kl(evidence: Evidence) -> Score:
    """Return KL(samples' modes | truth's modes) in nats, without the bias of its plug-in estimate.

    That is (k - 1) / 2n with k modes seen (Miller 1955, Note on the bias of information
    estimates).
    """
    found = counted(evidence)
    if isinstance(found, str):
        return unscored(found)
    good, m = float(found.near.sum()), len(found.near)
    if good == 0:
        return unscored("no sample is of high quality, so that there are no shares of modes")
    p = found.near[found.near > 0] / good
    ratio = np.log(p * m)
    plain = float(p @ ratio)
    value = plain - (len(p) - 1) / (2 * good)
    error = math.sqrt(max(0.0, float(p @ ratio**2) - plain**2) / good)
    interval = _kl_interval(plain, value, error, good, m)
    return Score(value, interval, n_samples=found.n, details=found.details())


def _kl_interval(plain: float, value: float, error: float, n: float, m: int) -> Interval:
    """Return the wider of two intervals, each valid where the other may be too narrow.

    Close to even shares 2n times the plug-in divergence is noncentral chi-squared with m - 1
    degrees of freedom and the noncentrality 2n times the divergence; far from them the divergence
    is normal with the delta method's ``error``, which is 0 at even shares.
    """
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * error
    ends = [value - half, value + half]
    if m > 1:
        tails = (1 + LEVEL) / 2, (1 - LEVEL) / 2
        ends += [_noncentrality(2 * n * plain, m - 1, tail) / (2 * n) for tail in tails]
    method = "noncentral chi-squared, delta method, the wider"
    return Interval(min(ends), max(ends), error, method, LEVEL)


def _noncentrality(x: float, degrees: int, tail: float) -> float:
    """Return the noncentrality at which ``x`` is the ``tail`` quantile, 0 where there is none."""
    if special.chdtr(degrees, x) <= tail:
        return 0.0
    return float(special.chndtrinc(x, degrees, tail))
