"""Frechet and kernel distances and the Inception score beside their peers on equal features."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from agreement import budget
from shared_features import Itself, clouds, peer
from sklearn.linear_model import LinearRegression
from standins import evidence

from gengauge_suites.fidelity.clouds import embedded
from gengauge_suites.fidelity.cmmd import cmmd
from gengauge_suites.fidelity.frechet import fd, fd_infinity
from gengauge_suites.fidelity.inception import inception_score, sfid, split_scores
from gengauge_suites.fidelity.kernel import kid
from gengauge_suites.fidelity.subsets import drawn, kid_subsets, subset_values

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchmetrics")


class Module(torch.nn.Module):
    """A feature extractor for torchmetrics that returns what it is given."""

    def __init__(self, d):
        super().__init__()
        self.num_features = d

    def forward(self, x):
        return x


def clean_fd(x, y):
    """clean-fid's distance: scipy's root of a matrix."""
    one, two = ((z.mean(0).numpy(), np.cov(z.numpy(), rowvar=False)) for z in (x, y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of an argument of scipy's sqrtm
        return float(peer("cleanfid.fid").frechet_distance(*one, *two))


def test_frechet_distance_is_that_of_torchmetrics():
    x, y = clouds(500, 400, 48)
    metric = peer("torchmetrics.image.fid").FrechetInceptionDistance(
        feature=Module(48), normalize=False
    )
    metric.set_dtype(torch.float64)
    metric.update(x, real=False)
    metric.update(y, real=True)
    found = fd(evidence(samples=x, test=y), Itself()).value
    assert found == pytest.approx(float(metric.compute()), **budget("fd", "torchmetrics"))


@pytest.mark.parametrize(("n", "m", "d"), [(500, 400, 48), (1000, 1100, 8)])
def test_frechet_distance_is_that_of_clean_fid(n, m, d):
    x, y = clouds(n, m, d)
    found = fd(evidence(samples=x, test=y), Itself()).value
    assert found == pytest.approx(clean_fd(x, y), **budget("fd", "clean-fid"))


def test_sfid_is_clean_fids_distance_of_spatial_features():
    class Spatial(Itself):
        def features(self, x):
            raise AssertionError("sFID takes the spatial features")

        def spatial(self, x):
            return x[:, ::2].flatten(1)

    x, y = clouds(300, 350, 40)
    found = sfid(evidence(samples=x, test=y), Spatial())
    expected = clean_fd(x[:, ::2], y[:, ::2])
    assert found.value == pytest.approx(expected, **budget("sfid", "clean-fid, spatial features"))


def test_infinity_by_blocks_is_the_jackknife_of_clean_fids_distance():
    found = evidence(samples=clouds(400, 440, 12)[0], test=clouds(400, 440, 12)[1])
    ordered = embedded(found, Itself())
    parts = [torch.tensor_split(z, 20) for z in (ordered.samples, ordered.reference)]
    without = [
        clean_fd(*(torch.cat(side[:b] + side[b + 1 :]) for side in parts)) for b in range(20)
    ]
    expected = 20 * clean_fd(ordered.samples, ordered.reference) - 19 * np.mean(without)
    allowed = budget("fd_infinity", "clean-fid, jackknifed")
    assert fd_infinity(found, Itself(), "jackknife").value == pytest.approx(expected, **allowed)


def test_infinity_by_a_line_is_that_of_its_authors():
    """FID_infinity of github.com/mchong6/FID_IS_infinity: scikit-learn's line through 15 points."""
    x, y = clouds(600, 500, 12)
    found = evidence(samples=x, test=y)
    ordered = embedded(found, Itself())
    sizes = np.linspace(60, 600, 15).astype(int)
    values = [clean_fd(ordered.samples[:n], ordered.reference) for n in sizes]
    line = LinearRegression().fit(1 / sizes[:, None], np.array(values)[:, None])
    assert all(a > b for a, b in pairwise(values[::7]))  # the bias that the line removes
    allowed = budget("fd_infinity", "the authors' line on clean-fid")
    ours = fd_infinity(found, Itself(), "line").value
    assert ours == pytest.approx(float(line.predict([[0.0]])[0, 0]), **allowed)


def test_kid_is_that_of_torchmetrics_where_the_subset_is_everything():
    x, y = clouds(200, 200, 32)
    metric = peer("torchmetrics.image.kid").KernelInceptionDistance(
        feature=Module(32), subsets=1, subset_size=200
    )
    metric.update(x, real=False)
    metric.update(y, real=True)
    found = kid(evidence(samples=x, test=y), Itself()).value
    assert found == pytest.approx(float(metric.compute()[0]), **budget("kid", "torchmetrics"))


def test_kid_is_that_of_clean_fid_where_the_subset_is_everything():
    x, y = clouds(200, 200, 32)
    theirs = peer("cleanfid.fid").kernel_distance(y.numpy(), x.numpy(), 1, 200)
    found = kid(evidence(samples=x, test=y), Itself()).value
    assert found == pytest.approx(theirs, **budget("kid", "clean-fid"))


@pytest.mark.parametrize("size", [60, 250])
def test_subsets_of_kid_are_those_of_torch_fidelity(size):
    theirs = peer("torch_fidelity.metric_kid")
    x, y = clouds(300, 260, 32)
    expected = theirs.kid_features_to_metric(
        x, y, kid_subsets=100, kid_subset_size=size, verbose=False
    )
    found = subset_values(x, y, *drawn(300, 260, 100, size))
    mean, std = (expected[f"kernel_inception_distance_{k}"] for k in ("mean", "std"))
    allowed = budget("kid_subsets", "torch-fidelity")
    assert float(found.mean()) == pytest.approx(mean, **allowed)
    assert float(found.std(correction=0)) == pytest.approx(std, **allowed)
    score = kid_subsets(evidence(samples=x, test=y), Itself(), 100, size)
    assert score.value == pytest.approx(mean, **allowed)


def test_cmmd_is_that_of_its_authors():
    """google-research/cmmd distance.py on features of length 1, in float64 for its float32."""
    x, y = clouds(150, 130, 20)
    a, b = (torch.nn.functional.normalize(z).numpy() for z in (x, y))

    def mean_kernel(p, q):
        squares = np.diag(p @ p.T)[:, None] + np.diag(q @ q.T)[None] - 2 * p @ q.T
        return np.mean(np.exp(-squares / (2 * 10**2)))

    expected = 1000 * (mean_kernel(a, a) + mean_kernel(b, b) - 2 * mean_kernel(a, b))
    found = cmmd(evidence(samples=x, test=y), Itself()).value
    assert found == pytest.approx(float(expected), **budget("cmmd", "the authors' formula"))


def test_inception_score_is_that_of_torch_fidelity():
    logits = 3 * clouds(300, 10, 20)[0]
    theirs = peer("torch_fidelity.metric_isc")
    expected = theirs.isc_features_to_metric(logits, splits=10, shuffle=False)
    found = split_scores(logits, 10)
    allowed = budget("inception_score", "torch-fidelity")
    assert float(found.mean()) == pytest.approx(expected["inception_score_mean"], **allowed)
    spread = float(found.std(correction=0))
    assert spread == pytest.approx(expected["inception_score_std"], **allowed)


def test_inception_score_is_that_of_torchmetrics():
    class Network(Itself):
        def classes(self, x):
            return x

    logits = 3 * clouds(200, 50, 20)[0]
    found = evidence(samples=logits, test=logits)
    order = torch.randperm(200, generator=found.generator("inception score"))
    values = []
    for part in logits[order].chunk(4):
        metric = peer("torchmetrics.image.inception").InceptionScore(feature=Module(20), splits=1)
        metric.update(part)
        values.append(float(metric.compute()[0]))
    allowed = budget("inception_score", "torchmetrics")
    ours = inception_score(found, Network(), 4).value
    assert ours == pytest.approx(np.mean(values), **allowed)
