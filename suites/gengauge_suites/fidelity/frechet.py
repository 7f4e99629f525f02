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
from gengauge.rows import Rows
from gengauge.statistics import Interval, block_jackknife
from gengauge.summary import Summary
from gengauge_suites.fidelity.against import Against
from gengauge_suites.fidelity.clouds import MINIMUM, embedded, problem
from gengauge_suites.fidelity.extrapolation import corrected, line
from gengauge_suites.fidelity.few import BLOCKS, left_out
from gengauge_suites.fidelity.intervals import normal
from gengauge_suites.fidelity.linearised import Linearised, linearised
from gengauge_suites.fidelity.moments import Factor, Moments
from gengauge_suites.fidelity.passes import identity
from gengauge_suites.fidelity.streamed import Streamed, Told

NOT_FINITE = "features are not finite"
PAIRS = 1000  # reference examples whose influence is kept: what two models' distances share
_METHOD = "normal, linearised jackknife"


def fd(evidence: Evidence, embedder: Embedder) -> Score:
    """Return the plug-in distance; its interval is for its expectation at this sample size.

    The plug-in value is biased upwards by O(1/n), so it compares only at equal n.
    """
    found = _measured(evidence, embedder)
    if isinstance(found, str):
        return unscored(found)
    interval = found.interval()
    score = _score(found, found.value, replace(interval, low=max(0.0, interval.low)))
    return replace(score, per_example=found.pairs(found.value))


def fd_infinity(evidence: Evidence, embedder: Embedder, method: str = "jackknife") -> Score:
    """Return the distance with the O(1/n) bias removed; it may be negative.

    ``jackknife`` leaves a block out of both clouds at once, so it sees, and removes, the bias of
    both. Its interval is for the distance between the two populations, of samples drawn
    independently: samples that were themselves balanced by class (the ``real`` control where the
    split is stratified) read too low. ``line`` is the protocol of Chong & Forsyth (2020): a line
    against 1/n over 15 prefixes of the samples, which leaves the bias of the reference.
    """
    found = _measured(evidence, embedder)
    if isinstance(found, str):
        return unscored(found)
    if method == "line" and isinstance(found, Few):
        d, fewest = found.x.shape[1], min(len(found.x), len(found.y))
        return unscored(f"a line in 1/n needs well over {d} examples a side, got {fewest}")
    at_infinity = found.at_infinity(method)
    if isinstance(at_infinity, str):
        return unscored(at_infinity)
    value, interval = at_infinity
    score = _score(found, value, interval, {"method": method})
    return replace(score, per_example=found.pairs(value) if method == "jackknife" else None)


def _score(
    found: Distance, value: float, interval: Interval, protocol: dict[str, str] | None = None
) -> Score:
    n, m = found.sizes
    return Score(value, interval, n_samples=n, n_reference=m, protocol=dict(protocol or {}))


def _measured(evidence: Evidence, embedder: Embedder) -> Distance | str:
    def compute() -> Distance | str:
        if (summary := evidence.summary(embedder)) is not None:
            return _told(evidence, embedder, summary)
        if (clouds := evidence.clouds(embedder)) is not None:
            return _streamed(evidence, embedder, clouds)
        if reason := problem(evidence, embedder):
            return reason
        features = embedded(evidence, embedder)
        x, y = features.samples, features.reference
        if is_few(x, y):
            return Few.of(x, y)
        key = ("moments", *identity(embedder))
        asked = shared_rows(evidence.features(embedder).reference, evidence.dataset.id)
        return Many.of(x, y, evidence.once(key, lambda: reference_of(y)), asked)

    return evidence.memo(("frechet", *identity(embedder)), compute)


def _streamed(evidence: Evidence, embedder: Embedder, clouds: tuple[Rows, Rows]) -> Streamed | str:
    """Return the distance of clouds that are read in blocks, or why there is none."""
    if reason := _too_few(clouds[0]) or _too_few(clouds[1]):
        return reason
    stream = evidence.generator("order")
    a = Told.of(clouds[0], stream)
    key = ("told", *identity(embedder))
    b = evidence.once(key, lambda: Told.of(clouds[1], evidence.generator("order")))
    asked = shared_rows(evidence.features(embedder).reference, evidence.dataset.id)
    return Streamed.of(a, b, asked) if a.finite and b.finite else NOT_FINITE


def _told(evidence: Evidence, embedder: Embedder, summary: Summary) -> Distance | str:
    """Return the distance from a reference of which a file tells, or why there is none."""
    rows, features = evidence.all_samples(embedder), summary.features
    n, d = len(rows), rows.width
    if n < MINIMUM:
        return f"needs at least {MINIMUM} samples, got {n}"
    if d != len(summary.mean):
        return f"the reference's mean has {len(summary.mean)} values and {embedder.id} gives {d}"
    whole = features is not None and len(features) == summary.n
    fewest = min(n, len(features)) if whole and features is not None else n
    if fewest - -(-fewest // BLOCKS) > d:
        stream = evidence.generator("order")
        a, b = Told.of(rows, stream), Told.by(summary, evidence.generator("order"))
        return (
            Streamed.of(a, b, features[:PAIRS].double() if features is not None else None)
            if a.finite
            else NOT_FINITE
        )
    x = evidence.sample_features(embedder)
    if len(x) < n:
        return f"{d} features of {n} samples need them all in memory: raise --samples to {n}"
    if not bool(torch.isfinite(x).all()):
        return NOT_FINITE
    order = torch.randperm(n, generator=evidence.generator("order"))
    if whole and features is not None:
        return Few.of(x[order], features.double())
    return Against.of(x[order], summary)


def _too_few(rows: Rows) -> str:
    n, d = len(rows), rows.width
    if n < MINIMUM:
        return f"needs at least {MINIMUM} samples and reference examples, got {n}"
    if n - -(-n // BLOCKS) <= d:
        return f"{d} features of {n} examples need them all in memory: raise --samples to {n}"
    return ""


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
    def sizes(self) -> tuple[int, int]:
        """How many samples and reference examples there are."""
        return len(self.x), len(self.y)

    @property
    def value(self) -> float:
        """The plug-in distance."""
        return self.linear.value

    def interval(self) -> Interval:
        """Return the interval of the plug-in distance for its expectation."""
        variance = self.linear.variance(len(self.x), len(self.y))
        return normal(self.value, math.sqrt(variance), _METHOD)

    def pairs(self, value: float) -> Tensor | None:
        """Return ``value`` and the influence of reference examples on it, ``[p]``."""
        return self.linear.pairs(value, len(self.y))

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

    @property
    def sizes(self) -> tuple[int, int]:
        """How many samples and reference examples there are."""
        return len(self.x), len(self.y)

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


Distance = Many | Few | Streamed | Against
