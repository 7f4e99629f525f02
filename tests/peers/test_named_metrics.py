"""Named metrics beside torch-fidelity, torchmetrics and clean-fid on equal features."""

import warnings

import numpy as np
import pytest
import torch

from gengauge_suites.fidelity.frechet import measure
from gengauge_suites.fidelity.inception import split_scores
from gengauge_suites.fidelity.kernel import cubic, unbiased_mmd
from gengauge_suites.fidelity.moments import distance, moments
from gengauge_suites.fidelity.subsets import drawn, subset_values

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torchmetrics")
PEERS = "is a test requirement: pip install 'gengauge[test]'"


def peer(module):
    return pytest.importorskip(module, reason=f"{module} {PEERS}")


def clouds(n, m, d):
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(d, d, generator=generator) / d**0.5
    x = torch.randn(n, d, generator=generator) @ mix + 2
    y = 1.1 * torch.randn(m, d, generator=generator) @ mix + 2.05
    return x.double(), y.double()


class Itself(torch.nn.Module):
    """A feature extractor for torchmetrics that returns what it is given."""

    def __init__(self, d):
        super().__init__()
        self.num_features = d

    def forward(self, x):
        return x


def test_inception_score_agrees_with_torch_fidelity():
    theirs = peer("torch_fidelity.metric_isc")
    logits = 3 * clouds(300, 10, 20)[0]
    expected = theirs.isc_features_to_metric(logits, splits=10, shuffle=False)
    found = split_scores(logits, 10)
    assert float(found.mean()) == pytest.approx(expected["inception_score_mean"], rel=1e-12)
    assert float(found.std(correction=0)) == pytest.approx(expected["inception_score_std"])


def test_inception_score_agrees_with_torchmetrics():
    theirs = peer("torchmetrics.image.inception")
    logits = 3 * clouds(200, 10, 20)[0]
    metric = theirs.InceptionScore(feature=Itself(20), splits=1)
    metric.update(logits)
    expected = float(metric.compute()[0])
    assert float(split_scores(logits, 1)[0]) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("size", [60, 250])
def test_subsets_of_kid_agree_with_torch_fidelity(size):
    theirs = peer("torch_fidelity.metric_kid")
    x, y = clouds(300, 260, 32)
    expected = theirs.kid_features_to_metric(
        x, y, kid_subsets=100, kid_subset_size=size, verbose=False
    )
    found = subset_values(x, y, *drawn(300, 260, 100, size))
    mean, std = (expected[f"kernel_inception_distance_{k}"] for k in ("mean", "std"))
    assert float(found.mean()) == pytest.approx(mean, rel=1e-9)
    assert float(found.std(correction=0)) == pytest.approx(std, rel=1e-9)


def test_kid_agrees_with_torchmetrics_and_clean_fid_where_the_subset_is_everything():
    x, y = clouds(200, 200, 32)
    found = unbiased_mmd(cubic, x, y)[0]
    metric = peer("torchmetrics.image.kid").KernelInceptionDistance(
        feature=Itself(32), subsets=1, subset_size=200
    )
    metric.update(x, real=False)
    metric.update(y, real=True)
    assert found == pytest.approx(float(metric.compute()[0]), rel=1e-6)
    clean = peer("cleanfid.fid").kernel_distance(y.numpy(), x.numpy(), 1, 200)
    assert found == pytest.approx(clean, rel=1e-9)


def test_frechet_distance_agrees_with_torchmetrics_and_clean_fid():
    x, y = clouds(500, 400, 48)
    found = measure(x, y).value
    metric = peer("torchmetrics.image.fid").FrechetInceptionDistance(
        feature=Itself(48), normalize=False
    )
    metric.set_dtype(torch.float64)
    metric.update(x, real=False)
    metric.update(y, real=True)
    assert found == pytest.approx(float(metric.compute()), rel=1e-9)
    one, two = ((z.mean(0).numpy(), np.cov(z.numpy(), rowvar=False)) for z in (x, y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of an argument of scipy's sqrtm
        clean = peer("cleanfid.fid").frechet_distance(*one, *two)
    assert found == pytest.approx(clean, rel=1e-9)
    assert distance(*moments(x), *moments(y)) == pytest.approx(clean, rel=1e-9)
