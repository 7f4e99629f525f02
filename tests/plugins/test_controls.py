"""The controls do what their summaries say."""

import math

import pytest
import torch

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge.registry import Registry, load_target

REGISTRY = Registry()


def load(id_: str):
    spec = REGISTRY.datasets[id_]
    return load_target(spec.target)(spec)


DATA = {id_: load(id_) for id_ in ("digits", "points/moons")}


@pytest.fixture(params=DATA)
def data(request):
    return DATA[request.param]


def control(id_: str, data):
    spec = REGISTRY.models[id_]
    model = load_target(spec.target)(**spec.resolve({}))
    model.fit(data, FitRun(seed=0, budget=Budget(1, "steps")))
    return model


def draw(model, n: int = 300) -> torch.Tensor:
    return model.sample(n, None, torch.Generator().manual_seed(0))


def rows(x: torch.Tensor) -> list[bytes]:
    return [row.numpy().tobytes() for row in x]


def test_real_gives_each_validation_example_once(data):
    model, n = control("real", data), len(data.validation)
    assert sorted(rows(draw(model, n))) == sorted(rows(data.validation.x))
    assert set(rows(draw(model, 50))) <= set(rows(data.validation.x))
    with pytest.raises(UnsupportedError, match=f"{n} validation examples"):
        draw(model, n + 1)


def test_copycat_replays_training_data(data):
    assert set(rows(draw(control("copycat", data)))) <= set(rows(data.train.x))


def test_noisy_copies_are_near_but_not_equal(data):
    x, train = draw(control("copycat-noise", data)), data.train.x
    assert len(set(rows(x)) & set(rows(train))) < 30
    near = torch.cdist(x.flatten(1).float(), train.flatten(1).float()).amin(1)
    apart = torch.cdist(data.validation.x.flatten(1).float()[:300], x.flatten(1).float()).mean()
    assert float(near.mean()) < 0.2 * float(apart)


def test_half_the_copies_are_noise(data):
    x = draw(control("half-copycat", data))
    known = set(rows(data.train.x))
    assert [row in known for row in rows(x)] == [i % 2 == 0 for i in range(len(x))]


@pytest.mark.parametrize(("id_", "factor"), [("narrow", 0.7), ("wide", 1.3)])
def test_spread_is_scaled_about_the_mean(id_, factor):
    points = DATA["points/moons"]
    x = draw(control(id_, points), 8000)
    ratio = x.std(0) / points.train.x.std(0)
    assert torch.allclose(ratio, torch.full((2,), factor), atol=0.03)
    assert torch.allclose(x.mean(0), points.train.x.mean(0), atol=0.1)


def test_spread_of_levels_stays_in_range():
    digits = DATA["digits"]
    narrow, wide = (draw(control(id_, digits)).float().var(0).sum() for id_ in ("narrow", "wide"))
    assert float(narrow) < float(digits.train.x.float().var(0).sum()) < float(wide)
    assert draw(control("wide", digits)).max() <= 16


def test_collapsed_stays_with_one_example(data):
    x = draw(control("collapsed", data)).flatten(1).float()
    assert float(x.var(0).sum()) < 0.03 * float(data.train.x.flatten(1).float().var(0).sum())
    assert len(set(rows(x))) > 1


def test_noise_fills_the_range_evenly():
    x = draw(control("noise", DATA["digits"]), 2000)
    share = torch.bincount(x.flatten().int(), minlength=17) / x.numel()
    assert torch.allclose(share, torch.full((17,), 1 / 17), atol=0.003)


def test_noise_knows_its_likelihood():
    digits, points = DATA["digits"], DATA["points/moons"]
    mass = control("noise", digits).log_mass(digits.test.x)
    assert torch.allclose(mass, torch.full_like(mass, -64 * torch.log(torch.tensor(17.0)).item()))
    model = control("noise", points)
    assert torch.isfinite(model.log_prob(points.train.x)).all()
    assert float(model.log_prob(torch.tensor([[1e3, 0.0]]))) == -torch.inf
    with pytest.raises(UnsupportedError, match="levelled data only"):
        model.log_mass(points.test.x)


def test_truth_scores_the_entropy():
    points = DATA["points/moons"]
    model = control("truth", points)
    value = -model.log_prob(draw(model, 20000)).mean()
    assert abs(float(value) - points.truth.entropy) < 0.03
    with pytest.raises(UnsupportedError, match="for_training"):
        control("truth", points.for_training())


def test_noise_gives_every_picture_of_bytes_the_same_mass():
    x = torch.tensor([[[[0, 255]]], [[[7, 128]]]], dtype=torch.uint8)
    data = Dataset("bytes", "image", Split(x), Split(x), Split(x), levels=256)
    assert control("noise", data).log_mass(x).tolist() == pytest.approx([-2 * math.log(256)] * 2)
