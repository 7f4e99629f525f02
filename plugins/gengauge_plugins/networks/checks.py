"""What training data must be, said before a model learns anything from it."""

from __future__ import annotations

import torch

from gengauge import Dataset


def check_training(data: Dataset, model: str) -> None:
    """Raise ``ValueError`` where ``data.train`` is empty, not finite or outside its levels.

    Such data would give a model that looks trained: a mean of NaN, or counts of nothing.
    """
    x = data.train.x
    if len(x) == 0 or data.dimensions == 0:
        raise ValueError(
            f"{model} needs training examples that hold something, and {data.id} has shape "
            f"{list(x.shape)}; look at the dataset's train split"
        )
    if x.is_floating_point() and not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"{model} needs finite values, and {bad} of {x.numel()} of the training values of "
            f"{data.id} are not; remove or replace them"
        )
    if data.levels is not None and (int(x.min()) < 0 or int(x.max()) >= data.levels):
        raise ValueError(
            f"{model} needs levels 0 to {data.levels - 1}, and the training values of {data.id} "
            f"are {int(x.min())} to {int(x.max())}; mend the dataset or its number of levels"
        )
