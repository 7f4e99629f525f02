"""Laws of wrong data: what cannot be learned from is refused, what is poor is survived or refused.

A model must never look trained when it is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from gengauge.data import Dataset, Split
from gengauge.errors import DivergedError, GengaugeError, UnsupportedError
from gengauge.model import Model
from gengauge.testing.case import Case, LawBroken, NotApplicable, look_like_data, require

Flaw = Callable[[Dataset], Dataset | None]
# what says to a user that the data is wrong; anything else is a crash
CLEAR = (ValueError, UnsupportedError, DivergedError, GengaugeError)


def broken_data_is_refused(case: Case) -> None:
    """Empty data, and values that are not finite or outside the levels, end in a clear error."""
    if not case.spec.learns:
        raise NotApplicable("a control shows data as it is")
    for name, flaw in BROKEN.items():
        data = flaw(case.dataset)
        if data is None:
            continue
        try:
            case.fit(data)
        except CLEAR as error:
            _require_text(name, error)
        else:
            require(False, f"an error on {name}", "a model that looks trained",
                    "begin fit with gengauge.check_training(data, name)")  # fmt: skip


def poor_data_is_survived(case: Case) -> None:
    """Constant or all-zero values, a class without examples and few examples do no silent harm.

    Either a clear error, or a model whose samples look like data and whose likelihood is a number.
    """
    if not case.spec.learns:
        raise NotApplicable("a control shows data as it is")
    for name, flaw in POOR.items():
        data = flaw(case.dataset)
        if data is None:
            continue
        try:
            model, _ = case.fit(data)
        except CLEAR as error:
            _require_text(name, error)
        else:
            _require_sane(name, replace(case, dataset=data), model)


def _require_text(name: str, error: Exception) -> None:
    require(len(str(error).split()) > 3, f"an error on {name} that says what is wrong", str(error),
            "say what was expected, what came and what to do")  # fmt: skip


def _require_sane(name: str, case: Case, model: Model) -> None:
    try:
        look_like_data(case, case.sample(model), case.n)
        _require_likelihood(case, model)
        _require_missing_class(case, model)
    except LawBroken as failure:
        expected = f"{failure.expected} on {name}"
        raise LawBroken(expected, failure.came, failure.advice) from None


def _require_likelihood(case: Case, model: Model) -> None:
    x = case.dataset.train.x[: case.n]
    found = case.likelihood(model, x)
    if found is None:
        return
    high = 0.0 if isinstance(case.dataset.levels, int) and not _dense(case) else math.inf
    sane = not bool(torch.isnan(found).any()) and bool((found < math.inf).all())
    require(sane and bool((found <= high + 1e-9).all()), "a log-likelihood below infinity, and of "
            "masses below 0", f"{float(found.min())}..{float(found.max())}",
            "keep variances and counts above zero")  # fmt: skip


def _dense(case: Case) -> bool:
    return "mass" not in case.spec.capabilities


def _require_missing_class(case: Case, model: Model) -> None:
    labels = case.dataset.train.labels
    if labels is None or "class" not in case.conditions():
        return
    there = torch.unique(labels)
    asked = there[torch.arange(case.n) % len(there)]
    look_like_data(case, case.sample(model, condition=asked), case.n)
    for missing in sorted(_classes(case.dataset) - set(there.tolist())):
        try:
            case.sample(model, condition=torch.tensor([missing]))
        except CLEAR:
            continue
        require(False, f"an error for class {missing}, which has no example", "a sample",
                "remember which classes were seen")  # fmt: skip


def _classes(data: Dataset) -> set[int]:
    held_back = data.test.labels
    return set() if held_back is None else set(held_back.tolist())


def _changed(data: Dataset, change: Callable[[Tensor], Tensor]) -> Dataset:
    """Return ``data`` with the training and validation values changed."""
    train, held_out = (replace(s, x=change(s.x.clone())) for s in (data.train, data.validation))
    return replace(data, train=train, validation=held_out)


def _spoilt(data: Dataset, value: float) -> Dataset:
    def change(x: Tensor) -> Tensor:
        x[len(x) // 2].view(-1)[0] = value
        return x

    return _changed(data, change)


def _not_a_number(data: Dataset) -> Dataset | None:
    return None if data.levels is not None else _spoilt(data, math.nan)


def _infinite(data: Dataset) -> Dataset | None:
    return None if data.levels is not None else _spoilt(data, math.inf)


def _outside(data: Dataset) -> Dataset | None:
    small = data.levels is not None and data.levels <= torch.iinfo(data.train.x.dtype).max
    return _spoilt(data, data.levels or 0) if small else None


def _empty(data: Dataset) -> Dataset:
    return replace(data, train=data.train.first(0), validation=data.validation.first(0))


def _constant_column(data: Dataset) -> Dataset:
    def change(x: Tensor) -> Tensor:
        x.view(len(x), -1)[:, 0] = x.view(len(x), -1)[0, 0]
        return x

    return _changed(data, change)


def _all_alike(data: Dataset) -> Dataset:
    return _changed(data, torch.zeros_like)


def _few(n: int) -> Flaw:
    def flaw(data: Dataset) -> Dataset:
        return replace(data, train=data.train.first(n), validation=data.validation.first(n))

    return flaw


def _unvalidated(data: Dataset) -> Dataset:
    return replace(data, validation=data.validation.first(0))


def _without_a_class(data: Dataset) -> Dataset | None:
    if data.train.labels is None:
        return None
    gone = int(data.train.labels.median())

    def kept(split: Split) -> Split:
        assert split.labels is not None
        keep = (split.labels != gone).nonzero().flatten()
        captions = split.captions and tuple(split.captions[i] for i in keep.tolist())
        return replace(split, x=split.x[keep], labels=split.labels[keep], captions=captions,
                       attributes=None, characters=None)  # fmt: skip

    return replace(data, train=kept(data.train), validation=kept(data.validation))


BROKEN: dict[str, Flaw] = {
    "NaN": _not_a_number, "an infinite value": _infinite, "a value outside the levels": _outside,
    "no example": _empty,
}  # fmt: skip
POOR: dict[str, Flaw] = {
    "a constant column": _constant_column, "all values zero": _all_alike,
    "one example": _few(1), "three examples": _few(3), "no validation split": _unvalidated,
    "a class without examples": _without_a_class,
}  # fmt: skip
