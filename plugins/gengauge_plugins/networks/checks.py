"""What training data must be, said before a model learns anything from it."""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge import Dataset


def check_training(data: Dataset, model: str) -> None:
    """Raise ``ValueError`` where the data is empty, not finite or outside its levels.

    Such data would give a model that looks trained: a mean of NaN, or counts of nothing. The
    validation split may be empty; the test split is not looked at.
    """
    x = data.train.x
    if len(x) == 0 or data.dimensions == 0:
        raise ValueError(
            f"{model} needs training examples that hold something, and {data.id} has shape "
            f"{list(x.shape)}; look at the dataset's train split"
        )
    _check_values(x, "training", data, model)
    if len(data.validation):
        _check_values(data.validation.x, "validation", data, model)


def _check_values(x: Tensor, split: str, data: Dataset, model: str) -> None:
    if x.is_floating_point() and not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"{model} needs finite values, and {bad} of {x.numel()} of the {split} values of "
            f"{data.id} are not; remove or replace them"
        )
    if data.levels is not None and (int(x.min()) < 0 or int(x.max()) >= data.levels):
        raise ValueError(
            f"{model} needs levels 0 to {data.levels - 1}, and the {split} values of {data.id} "
            f"are {int(x.min())} to {int(x.max())}; mend the dataset or its number of levels"
        )


def check_varies(data: Dataset, model: str) -> None:
    """Raise ``ValueError`` where training examples are all equal, or a float column is constant.

    Networks would learn the one example by heart, and the density of a constant has no bound.
    """
    x = data.train.x.flatten(1)
    constant = (x == x[:1]).all(0)
    if bool(constant.all()):
        raise ValueError(
            f"{model} needs training examples that differ, and the {len(x)} of {data.id} are "
            "equal; look at the dataset's train split"
        )
    if data.levels is None and bool(constant.any()):
        which = constant.nonzero().flatten().tolist()
        raise ValueError(
            f"{model} has a density, which grows without bound on a constant, and of {data.id} "
            f"the columns {', '.join(map(str, which[:10]))} are; remove them"
        )
