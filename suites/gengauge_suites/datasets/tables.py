"""Tables of measured quantities: rows are examples, and every column has a unit of its own."""

from __future__ import annotations

import torch
from sklearn.datasets import load_breast_cancer

from gengauge.data import Dataset, Split
from gengauge.specs import DatasetSpec
from gengauge.splits import stratified

HELD_OUT = 111  # a fifth of the 556 rows that are kept, for validation and test each


def load(spec: DatasetSpec) -> Dataset:
    """Return the table as float32 ``[n, 30]``: 334 rows to train, 111 to validate, 111 to test.

    Values are in the units in which they were measured: columns differ 200,000-fold in spread.
    Of the 569 rows that scikit-learn ships, the 13 in which no concavity was found are left out.
    They hold exact zeros in six columns at once, and a density on such a plane of lower
    dimension can be made as high as one likes: a likelihood would reward whoever finds it.
    """
    bunch = load_breast_cancer()
    values, target = torch.from_numpy(bunch.data), torch.from_numpy(bunch.target)
    kept = (values != 0).all(1)
    x, labels = values[kept].to(torch.float32), target[kept].to(torch.int64)
    sizes = (HELD_OUT, HELD_OUT)
    validation, test, train = (
        Split(x[rows], labels[rows])
        for rows in stratified(labels, sizes, f"{spec.id} {spec.revision}")
    )
    return Dataset(
        spec.id, "table", train, validation, test,
        class_names=tuple(map(str, bunch.target_names)), revision=spec.revision,
        columns=dict.fromkeys(map(str, bunch.feature_names), "number"),
    )  # fmt: skip
