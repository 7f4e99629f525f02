"""The shipped datasets, each loaded once for all tests."""

from __future__ import annotations

from functools import cache

import pytest

from gengauge.data import Dataset
from gengauge.errors import UsageError
from gengauge.registry import load_target
from gengauge_suites.datasets import gengauge_datasets

SPECS = {spec.id: spec for spec in gengauge_datasets()}


def load(id_: str) -> Dataset:
    """Return a dataset; skip the test where Fashion-MNIST is not on this machine."""
    try:
        return _load(id_)
    except UsageError as error:
        if not id_.startswith("fashion-mnist") or "is not complete" not in str(error):
            raise
        pytest.skip("Fashion-MNIST is missing: apt-get install dataset-fashion-mnist")


@cache
def _load(id_: str) -> Dataset:
    data: Dataset = load_target(SPECS[id_].target)(SPECS[id_])
    return data
