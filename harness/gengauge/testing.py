"""Conformance laws: what every model must obey, for plugin authors to run on theirs.

In a plugin's own tests::

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
    def test_law(law):
        try:
            law(Case(SPEC, dataset))
        except NotApplicable as reason:
            pytest.skip(str(reason))
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gengauge.budget import Budget
from gengauge.data import Dataset, Split
from gengauge.errors import UnsupportedError
from gengauge.model import Density, LatentVariable, Mass, Model, capabilities
from gengauge.registry import load_target
from gengauge.specs import ModelSpec, Value
from gengauge.training import FitRun

_CPU = torch.device("cpu")
_ENUMERABLE = 5000  # outcomes of a discrete space that are still summed one by one
_GRID = 180  # cells a side, besides fine ones, of the grid a density is integrated on
_SECONDS, _SLACK = 0.3, 3.0  # the slack forgives one slow step on a busy machine


class LawBroken(AssertionError):
    """A model broke a law: what was expected, what came, and what to do."""


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

    def build(self) -> Model:
        """Return an unfitted model with this case's parameters."""
        model: Model = load_target(self.spec.target)(**self.spec.resolve(self.parameters))
        return model

    def fit(self, dataset: Dataset | None = None, budget: str = "") -> tuple[Model, FitRun]:
        """Return a freshly fitted model and what its fit spent."""
        data = dataset or self.dataset
        run = FitRun(seed=7, budget=Budget.parse(budget or self.budget))
        model = self.build()
        model.fit(data if self.spec.control else data.for_training(), run)
        return model, run

    @cached_property
    def fitted(self) -> tuple[Model, FitRun]:
        """The fit that laws share; laws must leave it as it is."""
        return self.fit()

    @property
    def model(self) -> Model:
        """The shared fitted model."""
        return self.fitted[0]

    def sample(self, model: Model, seed: int = 1, n: int = 0) -> Tensor:
        """Return samples of ``model`` under ``seed``."""
        return model.sample(n or self.n, None, torch.Generator().manual_seed(seed))

    def likelihood(self, model: Model, x: Tensor | None = None) -> Tensor | None:
        """Return the exact log-likelihood ``[n]`` of held-out data, or None without one."""
        x = self.dataset.validation.x[: self.n] if x is None else x
        if isinstance(model, Mass) and self.dataset.levels is not None:
            return model.log_mass(x)
        if isinstance(model, Density):
            levels = self.dataset.levels
            return model.log_prob(x if levels is None else (x.double() + 0.5) / levels)
        return None


def _require(condition: bool, expected: str, came: str, advice: str) -> None:
    if not condition:
        raise LawBroken(f"expected {expected}; came {came}; {advice}")


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-5, atol=1e-6)


def capabilities_are_declared(case: Case) -> None:
    """What the spec promises is what the class can do."""
    can, says = set(capabilities(case.model)), set(case.spec.capabilities)
    _require(can == says, f"capabilities {sorted(says)} as the spec says", str(sorted(can)),
             "ModelSpec.capabilities must name what the class implements")  # fmt: skip


def samples_look_like_data(case: Case) -> None:
    """Samples have the data's shape, an allowed type, and finite values in range."""
    levels = case.dataset.levels
    for n in (1, case.n):
        x = case.sample(case.model, n=n)
        _require(tuple(x.shape) == (n, *case.dataset.event_shape),
                 f"shape {(n, *case.dataset.event_shape)}", str(tuple(x.shape)),
                 "sample must return [n, *event]")  # fmt: skip
        _require(bool(torch.isfinite(x.double()).all()), "finite samples", "nan or inf",
                 "clamp, or raise DivergedError when the model has diverged")  # fmt: skip
        if x.is_floating_point():
            ok = levels is None or bool(((x >= 0) & (x < 1)).all())
            _require(ok, "floats in [0, 1) on levelled data", f"{float(x.min())}..{float(x.max())}",
                     "clamp samples into the data's range")  # fmt: skip
        else:
            ok = levels is not None and bool(((x.long() >= 0) & (x.long() < levels)).all())
            _require(ok, f"integers 0..{levels} (exclusive), or floats on continuous data",
                     f"{x.dtype} in {int(x.min())}..{int(x.max())}",
                     "return the data's own type")  # fmt: skip


def fit_is_deterministic(case: Case) -> None:
    """The same seed, data and budget in steps give the same model."""
    again, _ = case.fit()
    _require(_same(case.sample(case.model), case.sample(again)), "the samples of an equal fit",
             "different ones", "draw all randomness of fit from run.generator(name) and build "
             "networks inside seeds.global_seed")  # fmt: skip


def samples_follow_the_generator(case: Case) -> None:
    """The sampling generator alone decides: same seed same samples, other seed other samples."""
    first, other, again = (case.sample(case.model, seed) for seed in (1, 2, 1))
    _require(_same(first, again), "equal samples under one seed", "different ones",
             "use the generator that sample is given, and keep no state between calls")  # fmt: skip
    _require(not _same(first, other), "different samples under different seeds", "equal ones",
             "use the generator that sample is given")  # fmt: skip


def sampling_changes_nothing(case: Case) -> None:
    """Drawing samples leaves the likelihood as it was."""
    before = case.likelihood(case.model)
    if before is None:
        raise NotApplicable("the model has no exact likelihood")
    case.sample(case.model, seed=3)
    after = case.likelihood(case.model)
    _require(after is not None and _same(before, after), "the same likelihood after sampling",
             "another", "do not update buffers or modes in sample")  # fmt: skip


def saving_keeps_the_model(case: Case) -> None:
    """A loaded model samples and scores as the saved one did."""
    with tempfile.TemporaryDirectory() as folder:
        case.model.save(Path(folder) / "model")
        loaded = case.build()
        loaded.load(Path(folder) / "model", _CPU)
    _require(_same(case.sample(case.model), case.sample(loaded)), "the samples of before save",
             "others after load", "save every tensor that sample reads, and put networks in eval "
             "mode in load")  # fmt: skip
    before, after = case.likelihood(case.model), case.likelihood(loaded)
    ok = before is None or (after is not None and _same(before, after))
    _require(ok, "equal likelihoods after save and load", "different ones",
             "save every tensor that the likelihood reads")  # fmt: skip


def budget_in_steps_is_obeyed(case: Case) -> None:
    """A budget in steps is never overdrawn, and what was spent is counted."""
    allowed = Budget.parse(case.budget).amount
    spent = case.fitted[1].steps
    least = 0 if case.spec.control else 1
    _require(least <= spent <= allowed, f"{least} to {allowed:g} steps", str(spent),
             "loop while run.spend(steps, examples), or use gengauge.train")  # fmt: skip


def budget_in_seconds_is_obeyed(case: Case) -> None:
    """A budget in seconds ends training soon after it is spent."""
    _, run = case.fit(budget=f"{_SECONDS}s")
    _require(run.seconds <= _SECONDS + _SLACK, f"at most {_SECONDS} s of training and a little",
             f"{run.seconds:.1f} s", "look at run.fraction between pieces of work")  # fmt: skip


def held_back_split_is_not_read(case: Case) -> None:
    """Other test data gives the same model: fit sees training and validation only."""
    data = case.dataset
    poisoned = replace(data, test=Split(data.test.x.flip(0) * 0 + 1, data.test.labels))
    model, _ = case.fit(dataset=poisoned)
    _require(_same(case.sample(case.model), case.sample(model)), "a fit blind to the test split",
             "different samples after the test split was replaced",
             "read data.train and data.validation only")  # fmt: skip


def global_randomness_is_untouched(case: Case) -> None:
    """Neither fit nor sample moves the global streams of random, numpy and torch."""
    before = _global_state()
    model, _ = case.fit()
    case.sample(model)
    _require(before == _global_state(), "global random streams left alone",
             "one that moved", "pass generators, and build networks inside seeds.global_seed, "
             "which restores the streams")  # fmt: skip


def _global_state() -> tuple[Any, ...]:
    numpy_state = np.random.get_state(legacy=True)  # noqa: NPY002
    torch_state = torch.get_rng_state().numpy().tobytes()
    return random.getstate(), str(numpy_state[1:]), numpy_state[1].tobytes(), torch_state  # type: ignore[index]


def likelihood_ignores_the_batch(case: Case) -> None:
    """An example's likelihood does not depend on which others are asked with it."""
    x = case.dataset.validation.x[: case.n]
    whole = case.likelihood(case.model, x)
    if whole is not None:
        parts = [case.likelihood(case.model, part) for part in torch.split(x, 5)]
        joined = torch.cat([p for p in parts if p is not None])
        close = torch.allclose(whole.double(), joined.double(), rtol=1e-4, atol=1e-4)
        _require(whole.shape == (len(x),), "one number an example", str(tuple(whole.shape)),
                 "return [n]")  # fmt: skip
        _require(close, "the same likelihood in any batch", "a different one",
                 "evaluate in eval mode, and sum nothing over the batch")  # fmt: skip
    if isinstance(case.model, LatentVariable):
        _check_weights(case.model, x)
    elif whole is None:
        raise NotApplicable("the model has no likelihood")


def _check_weights(model: LatentVariable, x: Tensor, k: int = 256) -> None:
    few = model.log_weights(x[:3], k, torch.Generator().manual_seed(1))
    many = model.log_weights(x, k, torch.Generator().manual_seed(2))[:, :3]
    _require(few.shape == (k, 3), f"log_weights of shape {(k, 3)}", str(tuple(few.shape)),
             "return [k, n]")  # fmt: skip
    error = ((few.var(0) + many.var(0)) / k).sqrt()
    far = float(((few.mean(0) - many.mean(0)).abs() / error.clamp_min(1e-6)).max())
    _require(far < 6, "the same mean log-weight in any batch, within 6 standard errors",
             f"{far:.1f}", "no batch statistics at evaluation")  # fmt: skip


def density_integrates_to_one(case: Case) -> None:
    """A planar density sums to one over a grid three times as wide as the data."""
    model, data = case.model, case.dataset
    if not isinstance(model, Density):
        raise NotApplicable("the model has no density")
    if data.dimensions != 2:
        raise NotApplicable("the data is not planar")
    x = data.train.x.flatten(1).double()
    low, high = x.amin(0), x.amax(0)
    if data.levels is not None:
        low, high = torch.zeros(2).double(), torch.ones(2).double()
    ticks, widths = _cells()
    grid = low + torch.cartesian_prod(ticks, ticks) * (high - low)
    area = torch.cartesian_prod(widths, widths).prod(-1) * (high - low).prod()
    log_prob = model.log_prob(grid.view(-1, *data.event_shape)).double()
    total = float((log_prob.exp() * area).sum())
    _require(abs(total - 1) < 0.05, "a density that integrates to 1 within 5 %", f"{total:.4f}",
             "count the log-Jacobian of every rescaling")  # fmt: skip


def _cells() -> tuple[Tensor, Tensor]:
    """Return midpoints and widths of cells over [-1, 2], narrow about 0 and 1.

    Behind a logit, a density on levelled data can change within a hundredth of those ends.
    """
    near = torch.linspace(-0.02, 0.02, 61).double()
    coarse = torch.linspace(-1, 2, _GRID + 1).double()
    edges = torch.cat([coarse, near, near + 1]).sort().values
    return (edges[1:] + edges[:-1]) / 2, edges.diff()


def mass_sums_to_one(case: Case) -> None:
    """The probabilities of all outcomes of a small discrete space sum to one."""
    model, every = case.model, _outcomes(case.dataset)
    if isinstance(model, Mass):
        total = float(model.log_mass(every).double().exp().sum())
        _require(abs(total - 1) < 1e-6, "masses that sum to 1", f"{total:.8f}",
                 "normalise over the levels, tails included")  # fmt: skip
    elif isinstance(model, LatentVariable):
        k = 1024
        weights = model.log_weights(every, k, torch.Generator().manual_seed(1)).double().exp()
        total, error = float(weights.mean(0).sum()), float((weights.var(0) / k).sum().sqrt())
        _require(abs(total - 1) < 6 * error + 1e-6, "importance weights whose means sum to 1",
                 f"{total:.4f} with standard error {error:.4f}",
                 "log p(x, z) - log q(z | x) must hold every constant")  # fmt: skip
    else:
        raise NotApplicable("the model has no mass")


def _outcomes(data: Dataset) -> Tensor:
    """Return every possible example ``[levels^D, *event]`` of a small levelled dataset."""
    if data.levels is None:
        raise NotApplicable("the data is continuous")
    if data.dimensions * math.log(data.levels) > math.log(_ENUMERABLE):
        raise NotApplicable("the space is too large to enumerate")
    axes = [torch.arange(data.levels, dtype=data.train.x.dtype)] * data.dimensions
    return torch.cartesian_prod(*axes).view(-1, *data.event_shape)


Law = Callable[[Case], None]
LAWS: tuple[Law, ...] = (
    capabilities_are_declared, samples_look_like_data, fit_is_deterministic,
    samples_follow_the_generator, sampling_changes_nothing, saving_keeps_the_model,
    budget_in_steps_is_obeyed, budget_in_seconds_is_obeyed, held_back_split_is_not_read,
    global_randomness_is_untouched, likelihood_ignores_the_batch, density_integrates_to_one,
    mass_sums_to_one,
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """How one law went: ``held``, ``broken`` or ``skipped``, and why."""

    law: str
    outcome: str
    message: str = ""


def check_model(
    spec: ModelSpec,
    dataset: Dataset,
    parameters: Mapping[str, Value] | None = None,
    budget: str = "12 steps",
) -> list[Verdict]:
    """Return the verdict of every law on the model that ``spec`` describes."""
    case = Case(spec, dataset, parameters or {}, budget)
    return [_verdict(law, case) for law in LAWS]


def _verdict(law: Law, case: Case) -> Verdict:
    try:
        law(case)
    except NotApplicable as reason:
        return Verdict(law.__name__, "skipped", str(reason))
    except UnsupportedError as reason:
        return Verdict(law.__name__, "skipped", f"unsupported: {reason}")
    except LawBroken as failure:
        return Verdict(law.__name__, "broken", str(failure))
    except Exception as error:  # a plugin may raise anything
        return Verdict(law.__name__, "broken", f"{type(error).__name__}: {error}")
    return Verdict(law.__name__, "held")
