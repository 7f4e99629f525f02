"""Class labels: those a model learns from, and those it is asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge import Dataset
from gengauge.errors import UnsupportedError
from gengauge.model import Condition


def training_labels(data: Dataset, model: str) -> tuple[Tensor, int]:
    """Return the training labels ``[n]``, int64 on the CPU, and how many classes there are.

    A class that is named but has no example counts; ``ValueError`` where there are no labels.
    """
    labels = data.train.labels
    if labels is None:
        raise ValueError(f"{model} learns from class labels, and {data.id} has none")
    labels = labels.cpu()
    if len(labels) and int(labels.min()) < 0:
        raise ValueError(f"{model} needs labels from 0 on, and {int(labels.min())} came")
    return labels, max(len(data.class_names), int(labels.max()) + 1 if len(labels) else 0)


def asked_labels(condition: Condition, n: int, seen: Tensor, model: str) -> Tensor:
    """Return the labels ``[n]`` that ``condition`` asks for, int64 on the CPU.

    ``UnsupportedError`` unless all are among the classes ``seen`` ``[m]`` in training: a network
    would answer for another as readily, and nothing it says would mean anything.
    """
    if not isinstance(condition, Tensor) or not len(seen):
        raise UnsupportedError(f"{model} was trained without what it is asked for")
    if len(condition) != n:
        raise ValueError(f"expected {n} labels for {n} samples, got {len(condition)}")
    asked = condition.to("cpu", torch.int64)
    missing = asked[~torch.isin(asked, seen.cpu())]
    if len(missing):
        raise UnsupportedError(
            f"class {int(missing[0])} has no training example; there are "
            f"{', '.join(map(str, seen.tolist()))}"
        )
    return asked
