"""The UCI digits that ship inside scikit-learn, in a split of our own."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from gengauge.data import Dataset, Split
from gengauge.specs import DatasetSpec
from gengauge.splits import stratified

LEVELS = 17
HELD_OUT = 359  # a fifth of 1,797, for validation and test each


def load(spec: DatasetSpec) -> Dataset:
    """Return the digits as uint8 ``[n, 1, 8, 8]``: 1,079 to train, 359 to validate, 359 to test."""
    bunch = load_digits()
    x = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(bunch.target).to(torch.int64)
    validation, test, train = stratified(labels, (HELD_OUT, HELD_OUT), f"digits {spec.revision}")
    return Dataset(
        id=spec.id,
        modality="image",
        train=Split(x[train], labels[train]),
        validation=Split(x[validation], labels[validation]),
        test=Split(x[test], labels[test]),
        levels=LEVELS,
        class_names=tuple("0123456789"),
        revision=spec.revision,
    )
