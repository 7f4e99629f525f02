"""Laws of metrics: a number in its interval, or a reason in words; never silence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gengauge import seeds
from gengauge.data import Dataset
from gengauge.errors import DivergedError, UnsupportedError
from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.registry import load_target
from gengauge.specs import CONDITIONS, KINDS, MetricSpec
from gengauge.testing.case import Case, NotApplicable, require
from gengauge.testing.standins import Kernels, Projection, gengauge_models
from gengauge.units import in_units


@dataclass
class MetricCase:
    """One metric on samples of a stand-in: noisy copies of the training data."""

    spec: MetricSpec
    dataset: Dataset
    n: int = 100

    @cached_property
    def model(self) -> Kernels:
        """The stand-in, fitted once."""
        fitted = Case(gengauge_models()[0], self.dataset).model
        assert isinstance(fitted, Kernels)
        return fitted

    @cached_property
    def samples(self) -> Tensor:
        """Healthy samples ``[n, *event]`` in the data's units."""
        raw = self.model.sample(self.n, None, torch.Generator().manual_seed(0))
        return in_units(raw, self.n, self.dataset)[0]

    def evidence(self, samples: Tensor | None = None, dataset: Dataset | None = None) -> Evidence:
        """Return what a metric is given, of healthy samples or of others."""
        laps = [(100 * i, 0.1 * i + 0.001 * (i % 3)) for i in range(1, 11)]
        return Evidence(
            dataset or self.dataset, self.model,
            (self.samples if samples is None else samples).clone(), 0, conditions=CONDITIONS,
            training={"seconds": laps[-1][1], "examples": 1000, "laps": laps},
            reload=lambda: self.model,
        )  # fmt: skip

    def measure(self, evidence: Evidence) -> Score:
        """Return the score, as a trial asks for it."""
        given: tuple[Any, ...] = (evidence, Projection()) if self.spec.embedded else (evidence,)
        try:
            with seeds.global_seed(0):
                score = load_target(self.spec.target)(*given, **self.spec.resolve({}))
        except (UnsupportedError, DivergedError) as error:
            return unscored(str(error))
        require(isinstance(score, Score), "a gengauge.Score", type(score).__name__,
                "return Score(value, interval, ...), or unscored(reason)")  # fmt: skip
        checked: Score = score.checked()
        return checked


def score_is_a_number_or_a_reason(case: MetricCase) -> None:
    """Healthy samples get a finite number within its interval, or a reason in words."""
    score = case.measure(case.evidence())
    require_honest(score, "healthy samples")
    if score.value is None:
        raise NotApplicable(f"unscored on {case.dataset.id}: {score.reason}")


def score_is_repeatable(case: MetricCase) -> None:
    """The same evidence gives the same number, and is left as it was."""
    if case.spec.hardware_bound:
        raise NotApplicable("it measures the machine")
    one, two = case.evidence(), case.evidence()
    first, second = case.measure(one), case.measure(two)
    require(first.value == second.value, f"{first.value} again", str(second.value),
            "draw from evidence.generator(name), and keep nothing between calls")  # fmt: skip
    require(torch.equal(one.samples, case.samples), "the samples as they were", "others",
            "work on a copy")  # fmt: skip


def spoilt_samples_are_seen(case: MetricCase) -> None:
    """NaN among samples gives a reason; equal, few and repeated samples an honest number."""
    if not case.spec.uses_samples:
        raise NotApplicable("it does not look at samples")
    for fault, spoil in SPOILT.items():
        score = case.measure(case.evidence(spoil(case.samples)))
        require_honest(score, fault)
        if fault == _NAN and not case.spec.condition:
            require(score.value is None, "a reason on NaN among samples", str(score.value),
                    "return unscored(reason) where not torch.isfinite(samples).all()")  # fmt: skip


def one_real_example_is_survived(case: MetricCase) -> None:
    """A test split of one example gives a reason, or an honest number."""
    few = replace(case.dataset, test=case.dataset.test.first(1))
    require_honest(case.measure(case.evidence(dataset=few)), "a test split of one")


def require_honest(score: Score, what: str) -> None:
    """Require a finite number of a known kind within its interval, or a reason in words."""
    if score.value is None:
        require(len(score.reason) > 10, f"a reason in words on {what}", repr(score.reason),
                "say what the metric needs and what there was")  # fmt: skip
        return
    require(not score.reason and math.isfinite(score.value), f"a number or a reason on {what}",
            f"{score.value} and {score.reason!r}", "return one of them")  # fmt: skip
    require(score.kind in KINDS, f"one of {KINDS}", repr(score.kind), "name its kind")
    if score.interval is not None:
        low, high = score.interval.low, score.interval.high
        slack = 1e-9 * max(1.0, abs(score.value))
        require(low - slack <= score.value <= high + slack and bool(score.interval.method),
                f"an interval with a method around {score.value:.6g} on {what}",
                f"{low:.6g} to {high:.6g} by {score.interval.method!r}",
                "take the interval of the same statistic")  # fmt: skip


_NAN = "samples of which one is NaN"
SPOILT: dict[str, Callable[[Tensor], Tensor]] = {
    _NAN: lambda x: torch.where(
        torch.arange(len(x)).view(-1, *[1] * (x.dim() - 1)) == 3, torch.nan, x.double()
    ),
    "samples that are all alike": lambda x: x[:1].expand_as(x),
    "two samples": lambda x: x[:2],
    "one sample": lambda x: x[:1],
    "samples that come twice": lambda x: x[: len(x) // 2].repeat_interleave(2, 0),
}
METRIC_LAWS = (
    score_is_a_number_or_a_reason, score_is_repeatable, spoilt_samples_are_seen,
    one_real_example_is_survived,
)  # fmt: skip
