"""The shipped datasets: fixed content, disjoint splits, densities that are what they claim."""

import math

import pytest
import torch
import worlds

from gengauge.data import Truth
from gengauge.errors import UsageError
from gengauge_suites.datasets import gengauge_datasets
from gengauge_suites.datasets.densities import Rings
from gengauge_suites.datasets.points import ENTROPIES, density

SPECS = {spec.id: spec for spec in gengauge_datasets() if not spec.takes_path}
POINTS = [id_ for id_ in SPECS if id_.startswith("points/")]
FINGERPRINTS = {
    "digits": "b14c5b9c149bd9ef",
    "fashion-mnist": "c2e5d2f13ed5c587",
    "digits/binary": "d8dba59030966c0c",
    "fashion-mnist/binary": "46ac27e69a707782",
    "shapes/easy": "e08ccd01235ff89c",
    "shapes": "598309f093caa5a6",
    "shapes/hard": "fcf195d4d17ed9c3",
    "points/eight-gaussians": "33ad9b643eb1b346",
    "points/moons": "e17778b6c07b37c9",
    "points/checkerboard": "924665935360e480",
    "points/spiral": "4e599b1ec7258008",
    "points/rings": "843a754887614fe6",
    "table/breast-cancer": "3dc69351da6fc21c",
    "text/devils-dictionary": "da6cae0c3bccfa36",
}


@pytest.fixture(scope="module", params=SPECS)
def dataset(request):
    return worlds.load(request.param)


def test_content_is_the_same_on_every_machine(dataset):
    assert dataset.fingerprint == FINGERPRINTS[dataset.id]


def test_description_agrees_with_content(dataset):
    spec = SPECS[dataset.id]
    assert (dataset.modality, dataset.levels) == (spec.modality, spec.levels)
    assert (dataset.truth is not None) == spec.has_truth
    assert (dataset.train.labels is not None) == spec.labelled


@pytest.mark.parametrize("id_", [i for i in POINTS if SPECS[i].labelled])
def test_labels_say_where_a_point_comes_from(id_):
    data = worlds.load(id_)
    x, y = data.test.x, data.test.labels
    assert y.unique().tolist() == list(range(len(data.class_names)))
    shares = y.bincount() / len(y)
    if id_ == "points/rings":
        assert ((shares / shares.sum() - torch.tensor([1, 2.2, 3.4]) / 6.6).abs() < 0.02).all()
        middle = torch.stack([x[y == c].norm(dim=1).mean() for c in range(3)])
        torch.testing.assert_close(middle, torch.tensor([1.0, 2.2, 3.4]), atol=0.02, rtol=0)
        return
    assert (shares * len(data.class_names) - 1).abs().max() < 0.1
    parts = torch.split(data.truth.means.float(), len(data.truth.means) // len(data.class_names))
    nearest = torch.stack([torch.cdist(x, part).amin(1) for part in parts]).argmin(0)
    assert (nearest == y).float().mean() > 0.97


@pytest.mark.parametrize("base", ["digits", "fashion-mnist"])
def test_binary_pictures_are_coins_thrown_at_the_grey_ones(base):
    grey, binary = worlds.load(base), worlds.load(f"{base}/binary")
    for split in ("train", "validation", "test"):
        x, coin = getattr(grey, split).x, getattr(binary, split).x
        assert torch.equal(getattr(grey, split).labels, getattr(binary, split).labels)
        assert coin.unique().tolist() == [0, 1]
        share = x.double() / (grey.levels - 1)
        assert (coin[share == 0] == 0).all()
        assert (coin[share == 1] == 1).all()
        error = ((share * (1 - share)).sum()).sqrt() / share.numel()
        assert (coin.double().mean() - share.mean()).abs() < 5 * error
        middle = (share > 0.4) & (share < 0.6)
        assert 0.4 < coin[middle].double().mean() < 0.6


def test_digits_are_levels_in_disjoint_stratified_splits():
    data = worlds.load("digits")
    splits = (data.train, data.validation, data.test)
    assert [len(s) for s in splits] == [1079, 359, 359]
    assert data.train.x.dtype == torch.uint8
    assert data.event_shape == (1, 8, 8)
    assert max(int(s.x.max()) for s in splits) == 16
    whole = torch.cat([s.labels for s in splits]).bincount()
    for split in splits:
        expected = whole * len(split) / 1797
        assert ((split.labels.bincount() - expected).abs() < 1).all() or split is data.train
    rows = {s.x[i].numpy().tobytes() for s in splits for i in range(len(s))}
    assert len(rows) == 1797  # no picture is in two splits, nor twice in one


def test_the_table_is_raw_continuous_and_stratified():
    data = worlds.load("table/breast-cancer")
    splits = (data.train, data.validation, data.test)
    assert [tuple(s.x.shape) for s in splits] == [(334, 30), (111, 30), (111, 30)]
    assert data.class_names == ("malignant", "benign")
    whole = torch.cat([s.x for s in splits])
    assert len(whole.unique(dim=0)) == 556  # no row is in two splits, nor twice in one
    assert bool((whole > 0).all())  # no value that a density could pile up on
    assert max(int(column.unique(return_counts=True)[1].max()) for column in whole.T) < 8
    mean = whole.double().mean(0)
    assert 500 < mean[3] < 800  # mean area in square pixels, beside smoothness: nothing rescaled
    assert 0.05 < mean[4] < 0.15
    for split in splits:
        assert abs(float(split.labels.double().mean()) - 344 / 556) < 0.005


@pytest.mark.parametrize("id_", POINTS)
def test_points_follow_their_density(id_):
    data = worlds.load(id_)
    assert isinstance(data.truth, Truth)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [8000, 5000, 10000]
    assert data.test.x.dtype == torch.float32
    assert float(data.test.x.abs().max()) < 5
    rows = torch.cat([data.train.x, data.validation.x, data.test.x]).unique(dim=0)
    assert len(rows) > 22_990  # splits are separate draws
    log_prob = data.truth.log_prob(data.test.x)
    assert log_prob.dtype == torch.float64
    error = float(log_prob.std()) / math.sqrt(len(log_prob))
    assert abs(float(-log_prob.mean()) - data.truth.entropy) < 4 * error + 1e-9


@pytest.mark.parametrize("id_", POINTS)
def test_histogram_of_draws_matches_the_density(id_):
    truth = density(id_.removeprefix("points/"))
    x = truth.sample(200_000, torch.Generator().manual_seed(3)).double()
    fine = torch.arange(-5, 5, 0.05, dtype=torch.float64) + 0.025
    mass = truth.log_prob(torch.cartesian_prod(fine, fine)).exp().view(200, 200) * 0.05**2
    expected = mass.view(20, 10, 20, 10).sum((1, 3))  # cells of 0.5
    cell = ((x + 5) / 0.5).floor().long()
    counts = (cell[:, 0] * 20 + cell[:, 1]).bincount(minlength=400).view(20, 20) / len(x)
    error = (expected * (1 - expected) / len(x)).sqrt()
    assert ((counts - expected).abs() < 5 * error + 2e-4).all()


@pytest.mark.parametrize("name", ENTROPIES)
def test_entropy_by_quadrature(name):
    truth, step = density(name), 0.03
    if isinstance(truth, Rings):
        step /= 20
        r = torch.arange(1e-9, 6, step, dtype=torch.float64)
        log_f = truth.log_radius_density(r)
        mass, log_p = log_f.exp() * step, log_f - (2 * math.pi * r).log()
    else:
        grid = torch.arange(-5.5, 5.5, step, dtype=torch.float64)
        log_p = truth.log_prob(torch.cartesian_prod(grid, grid))
        mass = log_p.exp() * step**2
    assert float(mass.sum()) == pytest.approx(1, abs=1e-9)
    assert float(-(mass * log_p).sum()) == pytest.approx(truth.entropy, abs=1e-8)


def test_checkerboard_is_one_thirty_second_inside_and_nothing_outside():
    truth = density("checkerboard")
    inside = torch.tensor([[-3.9, -3.9], [-2.0, -2.0], [3.9, 3.9], [0.5, 1.9]])
    outside = torch.tensor([[-3.9, -1.9], [4.0, 4.0], [0.5, 2.1], [9.0, 9.0]])
    assert truth.log_prob(inside).tolist() == pytest.approx([-math.log(32)] * 4)
    assert (truth.log_prob(outside) == -math.inf).all()


def test_unknown_density_is_a_usage_error():
    with pytest.raises(UsageError, match="did you mean 'moons'"):
        density("moon")
