"""Frechet distance between feature clouds, plain and extrapolated to infinitely many samples.

Source: Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
Equilibrium, eq. 6, https://arxiv.org/abs/1706.08500. Covariances divide by n - 1, as the authors'
code does; everything is float64, because float32 is off by up to one per cent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gengauge import seeds
from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge.statistics import Interval, block_jackknife
from gengauge_suites.fidelity.clouds import embedded, problem
from gengauge_suites.fidelity.extrapolation import corrected, line
from gengauge_suites.fidelity.few import BLOCKS, left_out
from gengauge_suites.fidelity.intervals import normal
from gengauge_suites.fidelity.linearised import Linearised, linearised
from gengauge_suites.fidelity.moments import Factor, Moments
from gengauge_suites.fidelity.passes import identity

PAIRS = 1000  # reference examples whose influence is kept: what two models' distances share
_METHOD = "normal, linearised jackknife"


def fd(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the plug-in distance; its interval is for its expectation at this sample size.

    The plug-in value is biased upwards by O(1/n), so it compares only at equal n.
    """
    if reason := problem(evidence, embedder):
        return unscored(reason)
    found = _measured(evidence, embedder)
    interval = found.interval()
    score = _score(evidence, found.value, replace(interval, low=max(0.0, interval.low)))
    return replace(score, per_example=found.pairs(found.value))


def fd_infinity(evidence: Evidence, embedder: Embedder, method: str = "jackknife") -> Score:
    """Return the distance with the O(1/n) bias removed; it may be negative.

    ``jackknife`` leaves a block out of both clouds at once, so it sees, and removes, the bias of
    both. Its interval is for the distance between the two populations, of samples drawn
    independently: samples that were themselves balanced by class (the ``real`` control where the
    split is stratified) read too low. ``line`` is the protocol of Chong & Forsyth (2020): a line
    against 1/n over 15 prefixes of the samples, which leaves the bias of the reference.
    """
    if reason := problem(evidence, embedder):
        return unscored(reason)
    found = _measured(evidence, embedder)
    if method == "line" and isinstance(found, Few):
        d, fewest = found.x.shape[1], min(len(found.x), len(found.y))
        return unscored(f"a line in 1/n needs well over {d} examples a side, got {fewest}")
    value, interval = found.at_infinity(method)
    score = _score(evidence, value, interval, {"method": method})
    return replace(score, per_example=found.pairs(value) if method == "jackknife" else None)


def _score(
    evidence: Evidence, value: float, interval: Interval, protocol: dict[str, str] | None = None
) -> Score:
    n, m = len(evidence.samples), evidence.n_reference
    return Score(value, interval, n_samples=n, n_reference=m, protocol=dict(protocol or {}))


def _measured(evidence: Evidence, embedder: Embedder) -> Many | Few:
    def compute() -> Many | Few:
        features = embedded(evidence, embedder)
        x, y = features.samples, features.reference
        if is_few(x, y):
            return Few.of(x, y)
        key = ("moments", *identity(embedder))
        asked = shared_rows(evidence.features(embedder).reference, evidence.dataset.id)
        return Many.of(x, y, evidence.once(key, lambda: reference_of(y)), asked)

    return evidence.memo(("frechet", *identity(embedder)), compute)


def measure(x: Tensor, y: Tensor, asked: Tensor | None = None) -> Many | Few:
    """Return the distance of ``x`` ``[n, d]`` from ``y`` ``[m, d]``, rows in random order.

    ``asked`` ``[p, d]`` are rows of ``y`` whose influence is wanted, for pairs with another model.
    """
    return Few.of(x, y) if is_few(x, y) else Many.of(x, y, reference_of(y), asked)


def shared_rows(reference: Tensor, name: str) -> Tensor:
    """Return at most ``PAIRS`` rows of ``reference`` ``[m, d]``: the same for every trial."""
    chosen = torch.randperm(len(reference), generator=seeds.generator("pairs", name))[:PAIRS]
    return reference[chosen]


def is_few(x: Tensor, y: Tensor) -> bool:
    """Return whether a cloud, a block less, spans no more directions than there are features."""
    fewest = min(len(x), len(y))
    return fewest - -(-fewest // BLOCKS) <= x.shape[1]


def reference_of(y: Tensor) -> tuple[Moments, Factor]:
    """Return the moments of ``y`` ``[m, d]`` and the factor of their covariance."""
    found = Moments.of(y)
    return found, Factor.of(found.covariance)


@dataclass(frozen=True)
class Many:
    """The distance of clouds of more examples than features, linearised."""

    x: Tensor
    y: Tensor
    moments: tuple[Moments, Moments]
    factor: Factor
    linear: Linearised

    @classmethod
    def of(
        cls, x: Tensor, y: Tensor, reference: tuple[Moments, Factor], asked: Tensor | None = None
    ) -> Many:
        """Return the distance of ``x`` ``[n, d]`` from ``y`` ``[m, d]``, rows in random order.

        ``asked`` ``[p, d]`` are rows of ``y`` whose influence pairs tell apart.
        """
        a, (b, factor) = Moments.of(x), reference
        return cls(x, y, (a, b), factor, linearised(x, y, a, b, factor, asked))

    @property
    def value(self) -> float:
        """The plug-in distance."""
        return self.linear.value

    def interval(self) -> Interval:
        """Return the interval of the plug-in distance for its expectation."""
        variance = self.linear.variance(len(self.x), len(self.y))
        return normal(self.value, math.sqrt(variance), _METHOD)

    def pairs(self, value: float) -> Tensor | None:
        """Return ``value`` and the influence of reference examples on it, ``[p]``.

        Their mean is the value, and the variance of their mean the part of the value's that is
        the reference's: two models' differences, example by example, are free of what the
        reference does to both.
        """
        influence = self.linear.influence
        if influence is None:
            return None
        centred, p = influence - influence.mean(), len(influence)
        part = self.linear.shared(len(self.y))
        shown = float(centred.var()) / p
        return value + math.sqrt(part / shown if shown else 0.0) * centred

    def at_infinity(self, method: str) -> tuple[float, Interval]:
        """Return the distance without the bias of finite samples, and its interval."""
        n, m = len(self.x), len(self.y)
        if method == "jackknife":
            value = corrected(self.x, self.y, self.moments)
            variance = self.linear.variance(n, m)
            return value, normal(value, math.sqrt(variance), f"bias-corrected {_METHOD}")
        value, spread, second = line(self.x, self.moments[1], self.factor)
        variance = self.linear.variance(n, m, spread, second)
        return value, normal(value, math.sqrt(variance), f"line in 1/n, {_METHOD}")


@dataclass(frozen=True)
class Few:
    """The distance of clouds of no more examples than features, with blocks left out."""

    x: Tensor
    y: Tensor
    value: float
    plain: Interval
    corrected: float

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> Few:
        """Return the distance of ``x`` ``[n, d]`` from ``y`` ``[m, d]``, rows in random order."""
        value, parts = left_out(x, y)
        _, interval, moved = block_jackknife(lambda b: value if b is None else parts[b], BLOCKS)
        return cls(x, y, value, interval, moved)

    def interval(self) -> Interval:
        """Return the interval of the plug-in distance for its expectation."""
        return self.plain

    def pairs(self, value: float) -> None:
        """Return None: blocks are left out, no single example's influence is known."""

    def at_infinity(self, method: str) -> tuple[float, Interval]:
        """Return the bias-corrected distance and its interval; ``method`` is the jackknife."""
        move, plain = self.corrected - self.value, self.plain
        name = f"bias-corrected {plain.method}"
        moved = replace(plain, low=plain.low + move, high=plain.high + move, method=name)
        return self.corrected, moved
