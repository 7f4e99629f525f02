"""Laws of likelihoods within a class: each sums to one, and labels go with their rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from gengauge.likelihood import ClassDensity, ClassLatentVariable, ClassMass
from gengauge.testing.case import Case, NotApplicable, require
from gengauge.testing.probability import (
    DRAWS,
    integral,
    outcomes,
    require_same_weights,
    require_weights_sum_to_one,
)

_FEW = 256  # importance samples an example, where two batches are compared
_NONE = "the model has no likelihood within a class"


def class_likelihood_sums_to_one(case: Case) -> None:
    """Within each class of the training data, all outcomes together have the probability one.

    A small discrete space is summed, the plane integrated, importance weights are averaged.
    """
    model, data = case.model, case.dataset
    for label in torch.unique(_labels(case)):
        if isinstance(model, ClassMass) and data.levels is not None:
            every = outcomes(data)
            masses = model.log_mass_given(every, label.repeat(len(every)))
            _require_one(float(masses.double().exp().sum()), 1e-6, label)
        elif isinstance(model, ClassDensity):
            _require_one(integral(partial(_density, model, label), data), 0.05, label)
        elif isinstance(model, ClassLatentVariable):
            every = outcomes(data)
            labels, stream = label.repeat(len(every)), _stream(1)
            require_weights_sum_to_one(model.log_weights_given(every, labels, DRAWS, stream))
        else:
            raise NotApplicable(_NONE)


def _require_one(total: float, slack: float, label: Tensor) -> None:
    require(abs(total - 1) < slack, f"a probability of 1 within class {int(label)}",
            f"{total:.8f}", "normalise within each class: leave p(class) out")  # fmt: skip


def labels_go_with_their_rows(case: Case) -> None:
    """An example's likelihood is that of its own label, whatever labels are asked beside it."""
    labels = _labels(case, held_out=True)
    x, model = case.dataset.validation.x[: len(labels)], case.model
    if isinstance(model, ClassLatentVariable):
        whole = model.log_weights_given(x, labels, _FEW, _stream(1))
        alone = _apart(lambda x, y: model.log_weights_given(x, y, _FEW, _stream(2)).T, x, labels)
        require(whole.shape == (_FEW, len(x)), f"log-weights of shape {(_FEW, len(x))}",
                str(tuple(whole.shape)), "return [k, n]")  # fmt: skip
        require_same_weights(whole, alone.T)
    exact = _exact(case)
    if exact is not None:
        together, alone = exact(x, labels), _apart(exact, x, labels)
        require(together.shape == (len(x),), "one number an example", str(tuple(together.shape)),
                "return [n]")  # fmt: skip
        require(torch.allclose(together.double(), alone.double(), rtol=1e-4, atol=1e-4),
                "the same likelihood in a batch of many classes as in a batch of one", "another",
                "look up each row's own label, and sum nothing over the batch")  # fmt: skip
    elif not isinstance(model, ClassLatentVariable):
        raise NotApplicable(_NONE)


def _exact(case: Case) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Return the model's exact answer for integers or floats as the data holds them."""
    model, levels = case.model, case.dataset.levels
    if isinstance(model, ClassMass) and levels is not None:
        return model.log_mass_given
    if not isinstance(model, ClassDensity):
        return None
    return lambda x, y: model.log_prob_given(
        x if levels is None else (x.double() + 0.5) / levels, y
    )


def _apart(ask: Callable[[Tensor, Tensor], Tensor], x: Tensor, labels: Tensor) -> Tensor:
    """Return what ``ask`` says ``[n, ...]`` of each class's examples by themselves."""
    found: list[tuple[Tensor, Tensor]] = []
    for label in torch.unique(labels):
        [mine] = torch.nonzero(labels == label, as_tuple=True)
        found.append((mine, ask(x[mine], labels[mine])))
    order = torch.cat([mine for mine, _ in found]).argsort()
    return torch.cat([values for _, values in found])[order]


def _density(model: ClassDensity, label: Tensor, x: Tensor) -> Tensor:
    return model.log_prob_given(x, label.repeat(len(x)))


def _labels(case: Case, held_out: bool = False) -> Tensor:
    """Return the labels of the training data, or of the held-out examples that laws look at."""
    split = case.dataset.validation.first(case.n) if held_out else case.dataset.train
    if split.labels is None:
        raise NotApplicable("the data has no labels")
    return split.labels


def _stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
