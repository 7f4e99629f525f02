"""What data must be before anything is learned from it or measured on it."""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.data import Dataset, Split

_PARTS = ("train", "validation", "test")


def check_dataset(data: Dataset) -> None:
    """Raise ``ValueError`` unless every split holds sound examples, each with what is known of it.

    NaN in a reference turns every distance into NaN, and a label too few shifts all that follow.
    """
    for part in _PARTS:
        split: Split = getattr(data, part)
        if not len(split):
            raise ValueError(f"its {part} split is empty; every split needs examples")
        _check_values(split.x, part, data)
        _check_known(split, part, data)


def check_training(data: Dataset, model: str) -> None:
    """Raise ``ValueError`` where what ``model`` learns from is empty, not finite or out of range.

    Such data would give a model that looks trained: a mean of NaN, or counts of nothing. The
    validation split may be empty; the test split is not looked at.
    """
    if not len(data.train) or data.dimensions == 0:
        raise ValueError(
            f"{model} needs training examples that hold something, and {data.id} has shape "
            f"{list(data.train.x.shape)}; look at the dataset's train split"
        )
    for part in _PARTS[:2]:
        split: Split = getattr(data, part)
        if len(split):
            _check_values(split.x, part, data, f"{model} cannot be trained: ")


def _check_values(x: Tensor, part: str, data: Dataset, why: str = "") -> None:
    if x.is_floating_point():
        bad = int((~torch.isfinite(x)).sum())
        if bad:
            raise ValueError(
                f"{why}{bad} of {x.numel()} {part} values of {data.id} are not finite; remove or "
                "replace them"
            )
    if data.levels is not None and x.numel():
        low, high = int(x.min()), int(x.max())
        if low < 0 or high >= data.levels:
            raise ValueError(
                f"{why}the {part} values of {data.id} are {low} to {high}, and {data.levels} "
                f"levels are 0 to {data.levels - 1}; mend the dataset or its number of levels"
            )


def _check_known(split: Split, part: str, data: Dataset) -> None:
    for name in ("labels", "captions", "attributes", "characters"):
        known = getattr(split, name)
        if known is not None and len(known) != len(split):
            raise ValueError(
                f"its {part} split has {len(split)} examples and {len(known)} {name}; there must "
                "be one each"
            )
    if split.labels is not None and data.class_names:
        low, high = int(split.labels.min()), int(split.labels.max())
        if low < 0 or high >= len(data.class_names):
            raise ValueError(
                f"its {part} labels are {low} to {high}, and the {len(data.class_names)} classes "
                f"are 0 to {len(data.class_names) - 1}"
            )
