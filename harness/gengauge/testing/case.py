"""One model on one dataset, fitted once, and what a law says when it is broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gengauge.budget import Budget
from gengauge.conditions import conditions_of
from gengauge.data import Dataset, Split
from gengauge.likelihood import Density, Mass
from gengauge.model import Condition, Model, asked_of
from gengauge.parameters import Value
from gengauge.registry import load_target
from gengauge.resumption import Resumption
from gengauge.specs import ModelSpec
from gengauge.training import FitRun


class LawBroken(AssertionError):
    """A law was broken: what was expected, what came, and what to do."""

    def __init__(self, expected: str, came: str, advice: str) -> None:
        super().__init__(f"expected {expected}; came {came}; {advice}")
        self.expected, self.came, self.advice = expected, came, advice


class NotApplicable(Exception):
    """A law that says nothing about this model or dataset, and why."""


@dataclass
class Case:
    """One model on one dataset, fitted once with a tiny budget and asked by every law."""

    spec: ModelSpec
    dataset: Dataset
    parameters: Mapping[str, Value] = field(default_factory=dict)
    budget: str = "12 steps"
    n: int = 48
    given: Dataset = field(init=False)  # the copy that the last fit was given
    learned_from: Dataset = field(init=False)  # the copy that the shared model was

    def build(self) -> Model:
        """Return an unfitted model with this case's parameters."""
        model: Model = load_target(self.spec.target)(
            **self.spec.given(self.spec.resolve(self.parameters))
        )
        return model

    def fit(
        self, dataset: Dataset | None = None, budget: str = "", place: Resumption | None = None
    ) -> tuple[Model, FitRun]:
        """Return a freshly fitted model and what its fit spent."""
        data = copied(dataset or self.dataset)  # what a fit writes on is its own
        given = Budget.parse(budget or self.budget)
        run = FitRun(seed=7, budget=given, place=place or Resumption())
        model = self.build()
        self.given = data
        model.fit(data if self.spec.control else data.for_training(), run)
        return model, run

    @cached_property
    def fitted(self) -> tuple[Model, FitRun]:
        """The fit that laws share; laws must leave it as it is."""
        found = self.fit()
        self.learned_from = self.given
        return found

    @property
    def model(self) -> Model:
        """The shared fitted model."""
        return self.fitted[0]

    def sample(
        self, model: Model, seed: int = 1, n: int = 0, condition: Condition | None = None
    ) -> Tensor:
        """Return samples of ``model`` under ``seed``, one for each condition if there are any."""
        n = n or self.n if condition is None else len(condition)
        return model.sample(n, condition, torch.Generator().manual_seed(seed))

    def conditions(self) -> dict[str, Condition]:
        """Return what the model can be asked for on this dataset, of each kind the spec lists."""
        split = self.dataset.validation.first(self.n)
        taken = conditions_of(self.model, self.spec, self.spec.resolve(self.parameters))
        return {k: c for k in taken if (c := asked_of(k, split, self.dataset)) is not None}

    def likelihood(self, model: Model, x: Tensor | None = None) -> Tensor | None:
        """Return the exact log-likelihood ``[n]`` of held-out data, or None without one."""
        x = self.dataset.validation.x[: self.n] if x is None else x
        if isinstance(model, Mass) and self.dataset.levels is not None:
            return model.log_mass(x)
        if isinstance(model, Density):
            levels = self.dataset.levels
            return model.log_prob(x if levels is None else (x.double() + 0.5) / levels)
        return None


def require(condition: bool, expected: str, came: str, advice: str) -> None:
    """Raise ``LawBroken`` with what was expected, what came and what to do."""
    if not condition:
        raise LawBroken(expected, came, advice)


def copied(data: Dataset) -> Dataset:
    """Return a data set of the same values in memory of its own."""

    def own(split: Split) -> Split:
        held = ((f.name, getattr(split, f.name)) for f in fields(split))
        cloned: dict[str, Any] = {k: v.clone() for k, v in held if isinstance(v, Tensor)}
        return replace(split, **cloned)

    return replace(
        data, train=own(data.train), validation=own(data.validation), test=own(data.test)
    )


def same(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors are equal to rounding."""
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-5, atol=1e-6)


def look_like_data(case: Case, x: Tensor, n: int) -> None:
    """Require that samples ``x`` have the data's shape and an allowed type, finite, in range."""
    levels = case.dataset.levels
    require(tuple(x.shape) == (n, *case.dataset.event_shape),
             f"shape {(n, *case.dataset.event_shape)}", str(tuple(x.shape)),
             "sample must return [n, *event]")  # fmt: skip
    require(bool(torch.isfinite(x.double()).all()), "finite samples", "nan or inf",
             "clamp, or raise DivergedError when the model has diverged")  # fmt: skip
    if x.is_floating_point():
        ok = levels is None or bool(((x >= 0) & (x < 1)).all())
        require(ok, "floats in [0, 1) on levelled data", f"{float(x.min())}..{float(x.max())}",
                 "clamp samples into the data's range")  # fmt: skip
    else:
        ok = levels is not None and bool(((x.long() >= 0) & (x.long() < levels)).all())
        require(ok, f"integers 0..{levels} (exclusive), or floats on continuous data",
                 f"{x.dtype} in {int(x.min())}..{int(x.max())}",
                 "return the data's own type")  # fmt: skip
