"""Features made elsewhere, scored from files: torch-fidelity's numbers on the same features."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from agreement import budget
from scored import by_metric

from gengauge.scoring import score_samples

fid = pytest.importorskip("torch_fidelity.metric_fid")
kid = pytest.importorskip("torch_fidelity.metric_kid")
prc = pytest.importorskip("torch_fidelity.metric_prc")


def scored(folder, d, n, m, **options):
    """Two clouds as a network gives them, in files, and their scores."""
    rng = np.random.default_rng(0)
    scale = np.geomspace(1, 0.05, d)
    x, y = (
        np.abs(rng.normal(size=(size, d)) * scale + shift).astype(np.float32)
        for size, shift in ((n, 0.05), (m, 0.0))
    )
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    store = score_samples(
        [str(folder / "x.npy")], str(folder / "y.npy"), str(folder / "run"),
        embedders=("identity",), controls=(), suites=("fidelity",), **options,
    )  # fmt: skip
    [record] = store.records()
    return SimpleNamespace(x=torch.from_numpy(x), y=torch.from_numpy(y), got=by_metric(record))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return scored(tmp_path_factory.mktemp("features"), 64, 1000, 1100)


def theirs_fd(found):
    one, two = (fid.fid_features_to_statistics(z.double()) for z in (found.x, found.y))
    told = fid.fid_statistics_to_metric(one, two, verbose=False)
    return told["frechet_inception_distance"]


def test_frechet_distance(small):
    assert small.got["fd"]["value"] == pytest.approx(theirs_fd(small), rel=1e-6)


def test_frechet_distance_read_in_blocks(tmp_path):
    found = scored(tmp_path, 64, 1000, 1100, most=300)
    assert found.got["kid"]["n_samples"] == 300
    assert found.got["fd"]["value"] == pytest.approx(theirs_fd(found), rel=1e-6)


def test_kernel_distance_of_subsets(small):
    theirs = kid.kid_features_to_metric(
        small.x.double(), small.y.double(), kid_subsets=100, kid_subset_size=1000, verbose=False,
        rng_seed=2020,
    )  # fmt: skip
    ours = small.got["kid_subsets"]["value"]
    assert ours == pytest.approx(float(theirs["kernel_inception_distance_mean"]), rel=1e-6)


def test_precision_and_recall(small):
    theirs = prc.prc_features_to_metric(
        small.x.double(), small.y.double(), prc_neighborhood=3, prc_batch_size=500,
        save_cpu_ram=False, verbose=False,
    )  # fmt: skip
    for name in ("precision", "recall"):
        allowed = budget(name, "torch-fidelity")
        assert small.got[name]["value"] == pytest.approx(float(theirs[name]), **allowed)


@pytest.mark.slow
def test_frechet_distance_of_2048_features(tmp_path):
    found = scored(tmp_path, 2048, 2400, 2500)
    assert found.got["fd"]["value"] == pytest.approx(theirs_fd(found), rel=1e-6)
