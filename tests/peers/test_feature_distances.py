"""Side by side with torch-fidelity's own functions and scipy on equal features."""

import numpy as np
import pytest
import scipy.linalg
import torch
from agreement import budget

from gengauge.evidence import Features
from gengauge_suites.fidelity.frechet import measure
from gengauge_suites.fidelity.kernel import cubic, unbiased_mmd
from gengauge_suites.fidelity.moments import distance, distance_of_few, moments
from gengauge_suites.fidelity.neighbours import estimate
from gengauge_suites.fidelity.passes import measured

fid = pytest.importorskip("torch_fidelity.metric_fid")
kid = pytest.importorskip("torch_fidelity.metric_kid")
prc = pytest.importorskip("torch_fidelity.metric_prc")


def clouds(n, m, d, seed=0):
    """Correlated features with an offset, as networks give them; float32 values in float64."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=generator) / d**0.5
    x = torch.randn(n, d, generator=generator) @ mix + 2
    y = 1.1 * torch.randn(m, d, generator=generator) @ mix + 2.05
    return x.double(), y.double()


def torch_fidelity_fd(x, y):
    one, two = (fid.fid_features_to_statistics(z) for z in (x, y))
    found = fid.fid_statistics_to_metric(one, two, verbose=False)
    return found["frechet_inception_distance"]


@pytest.mark.parametrize(("n", "m", "d"), [(500, 400, 16), (1000, 1200, 64), (3000, 3000, 128)])
def test_frechet_distance_agrees_to_one_in_a_million(n, m, d):
    x, y = clouds(n, m, d)
    ours = measure(x, y).value
    assert ours == pytest.approx(torch_fidelity_fd(x, y), **budget("fd", "torch-fidelity"))
    assert ours == pytest.approx(distance(*moments(x), *moments(y)), rel=1e-9)


def test_frechet_distance_agrees_with_a_matrix_square_root():
    x, y = clouds(600, 500, 40)
    s1, s2 = np.cov(x.numpy(), rowvar=False), np.cov(y.numpy(), rowvar=False)
    root = scipy.linalg.sqrtm(s1 @ s2).real
    shift = float(((x.mean(0) - y.mean(0)) ** 2).sum())
    expected = shift + np.trace(s1 + s2 - 2 * root)
    assert distance(*moments(x), *moments(y)) == pytest.approx(
        expected, **budget("fd", "scipy sqrtm")
    )


def test_few_examples_agree_within_what_a_square_root_of_singular_matrices_allows():
    x, y = clouds(60, 50, 128)
    allowed = budget("fd", "torch-fidelity, n < D")
    assert distance_of_few(x, y) == pytest.approx(torch_fidelity_fd(x, y), **allowed)


def test_kernel_distance_agrees_where_one_subset_is_everything():
    x, y = clouds(300, 300, 32)
    theirs = kid.kid_features_to_metric(
        x, y, kid_subsets=1, kid_subset_size=300, verbose=False, rng_seed=0
    )["kernel_inception_distance_mean"]
    assert unbiased_mmd(cubic, x, y)[0] == pytest.approx(
        float(theirs), **budget("kid", "torch-fidelity")
    )


@pytest.mark.parametrize("k", [3, 5])
def test_precision_and_recall_agree(k):
    x, y = clouds(400, 500, 8)
    theirs = prc.prc_features_to_metric(
        x, y, prc_neighborhood=k, prc_batch_size=100, save_cpu_ram=False, verbose=False
    )
    ours = measured(Features(x, y), (k,), (k,))[2]
    for name in ("precision", "recall"):
        allowed = budget(name, "torch-fidelity")
        assert estimate(ours, k, name).value == pytest.approx(float(theirs[name]), **allowed)
