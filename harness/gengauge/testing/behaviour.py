"""Laws of conduct: shapes, seeds, saving, budgets, and what a fit may see."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gengauge.budget import Budget
from gengauge.data import Split
from gengauge.model import Inpainter, capabilities
from gengauge.testing.case import Case, NotApplicable, look_like_data, require, same
from gengauge.units import in_units

_CPU = torch.device("cpu")
_SECONDS, _SLACK = 0.3, 3.0  # the slack forgives one slow step on a busy machine


def it_can_be_fitted(case: Case) -> None:
    """A fit on sound data ends, with a tiny budget, and raises nothing."""
    assert case.fitted


def capabilities_are_declared(case: Case) -> None:
    """What the spec promises is what the class can do."""
    if not (case.spec.trained or case.spec.capabilities):
        raise NotApplicable("it is what a user brings that says what it can do")
    can, says = set(capabilities(case.model)), set(case.spec.capabilities)
    require(can == says, f"capabilities {sorted(says)} as the spec says", str(sorted(can)),
             "ModelSpec.capabilities must name what the class implements")  # fmt: skip


def samples_look_like_data(case: Case) -> None:
    """Samples have the data's shape, an allowed type, and finite values in range."""
    for n in (1, case.n):
        look_like_data(case, case.sample(case.model, n=n), n)


def conditional_samples_answer_their_conditions(case: Case) -> None:
    """One sample for each label, caption or prefix, seeded, also after save and load."""
    kinds = case.conditions()
    if not kinds:
        raise NotApplicable("the model takes no condition that the data has")
    with tempfile.TemporaryDirectory() as folder:
        case.model.save(Path(folder) / "model")
        loaded = case.build()
        loaded.load(Path(folder) / "model", _CPU)
    for kind, asked in kinds.items():
        for few in (asked[:1], asked):
            look_like_data(case, case.sample(case.model, condition=few), len(few))
        first = case.sample(case.model, condition=asked)
        if kind == "prefix" and isinstance(asked, Tensor):
            require(torch.equal(first[:, : asked.shape[1]].cpu().long(), asked.long()),
                    "texts that begin with what was asked for", "other beginnings",
                    "return the prefix itself, and what comes after it")  # fmt: skip
        require(same(first, case.sample(case.model, condition=asked)),
                f"equal samples for one {kind} under one seed", "different ones",
                "use the generator that sample is given")  # fmt: skip
        require(same(first, case.sample(loaded, condition=asked)),
                f"the samples for a {kind} of before save", "others after load",
                "save all that a condition is looked up in")  # fmt: skip


def known_values_stay(case: Case) -> None:
    """What is known of data comes back as it was, and what is filled in looks like data."""
    model = case.model
    if not isinstance(model, Inpainter):
        raise NotApplicable("the model fills nothing in")
    x = case.dataset.validation.x[: case.n]
    known = torch.arange(x[0].numel()).view(x.shape[1:]) % 2 == 0
    known = known.expand(x.shape).clone()
    known[0], known[-1] = True, False
    hidden = torch.where(known, x, x.flip(0))
    drawn = [
        model.inpaint(some, known, torch.Generator().manual_seed(seed)).cpu()
        for some, seed in ((x, 0), (hidden, 0), (x, 1))
    ]
    look_like_data(case, drawn[0], len(x))
    filled = in_units(drawn[0], len(x), case.dataset)[0]
    require(bool((filled.to(x.dtype) == x)[known].all()), "the known values", "others",
            "put them back after the last step")  # fmt: skip
    require(same(drawn[0], drawn[1]), "the same for one seed and the same known values",
            "something else", "do not look at values that are not known")  # fmt: skip
    require(not same(drawn[0], drawn[2]), "different values under different seeds", "equal ones",
            "draw them with the generator that inpaint is given")  # fmt: skip


def fit_is_deterministic(case: Case) -> None:
    """The same seed, data and budget in steps give the same model."""
    again, _ = case.fit()
    require(same(case.sample(case.model), case.sample(again)), "the samples of an equal fit",
             "different ones", "draw all randomness of fit from run.generator(name) and build "
             "networks inside seeds.global_seed")  # fmt: skip


def samples_follow_the_generator(case: Case) -> None:
    """The sampling generator alone decides: same seed same samples, other seed other samples."""
    first, other, again = (case.sample(case.model, seed) for seed in (1, 2, 1))
    require(same(first, again), "equal samples under one seed", "different ones",
             "use the generator that sample is given, and keep no state between calls")  # fmt: skip
    require(not same(first, other), "different samples under different seeds", "equal ones",
             "use the generator that sample is given")  # fmt: skip


def sampling_changes_nothing(case: Case) -> None:
    """Drawing samples leaves the likelihood as it was."""
    before = case.likelihood(case.model)
    if before is None:
        raise NotApplicable("the model has no exact likelihood")
    case.sample(case.model, seed=3)
    after = case.likelihood(case.model)
    require(after is not None and same(before, after), "the same likelihood after sampling",
             "another", "do not update buffers or modes in sample")  # fmt: skip


def training_data_is_left_alone(case: Case) -> None:
    """Neither fit nor sample writes on the data that the model was given."""
    case.sample(case.model, seed=4)
    now, before = replace(case.learned_from).fingerprint, replace(case.dataset).fingerprint
    require(now == before, "training data as it was before fit and sample", "other values",
            "work on a copy, data.train.x.clone(), where you write in place")  # fmt: skip


def saving_keeps_the_model(case: Case) -> None:
    """A loaded model samples and scores as the saved one did."""
    with tempfile.TemporaryDirectory() as folder:
        case.model.save(Path(folder) / "model")
        loaded = case.build()
        loaded.load(Path(folder) / "model", _CPU)
    require(same(case.sample(case.model), case.sample(loaded)), "the samples of before save",
             "others after load", "save every tensor that sample reads, and put networks in eval "
             "mode in load")  # fmt: skip
    before, after = case.likelihood(case.model), case.likelihood(loaded)
    ok = before is None or (after is not None and same(before, after))
    require(ok, "equal likelihoods after save and load", "different ones",
             "save every tensor that the likelihood reads")  # fmt: skip


def budget_in_steps_is_obeyed(case: Case) -> None:
    """A budget in steps is never overdrawn, and what was spent is counted."""
    allowed = Budget.parse(case.budget).amount
    spent = case.fitted[1].steps
    least = 1 if case.spec.learns else 0
    require(least <= spent <= allowed, f"{least} to {allowed:g} steps", str(spent),
             "loop while run.spend(steps, examples), or use gengauge.train")  # fmt: skip


def budget_in_seconds_is_obeyed(case: Case) -> None:
    """A budget in seconds ends training soon after it is spent."""
    _, run = case.fit(budget=f"{_SECONDS}s")
    require(run.seconds <= _SECONDS + _SLACK, f"at most {_SECONDS} s of training and a little",
             f"{run.seconds:.1f} s", "look at run.fraction between pieces of work")  # fmt: skip


def held_back_split_is_not_read(case: Case) -> None:
    """Other test data gives the same model: fit sees training and validation only."""
    data = case.dataset
    poisoned = replace(data, test=Split(data.test.x.flip(0) * 0 + 1, data.test.labels))
    model, _ = case.fit(dataset=poisoned)
    require(same(case.sample(case.model), case.sample(model)), "a fit blind to the test split",
             "different samples after the test split was replaced",
             "read data.train and data.validation only")  # fmt: skip


def global_randomness_is_untouched(case: Case) -> None:
    """Neither fit nor sample moves the global streams of random, numpy and torch."""
    before = global_state()
    model, _ = case.fit()
    case.sample(model)
    require(before == global_state(), "global random streams left alone",
             "one that moved", "pass generators, and build networks inside seeds.global_seed, "
             "which restores the streams")  # fmt: skip


def global_state() -> tuple[Any, ...]:
    """Return where the global random streams of random, numpy and torch stand."""
    numpy_state = np.random.get_state(legacy=True)  # noqa: NPY002
    torch_state = torch.get_rng_state().numpy().tobytes()
    return random.getstate(), str(numpy_state[1:]), numpy_state[1].tobytes(), torch_state  # type: ignore[index]
