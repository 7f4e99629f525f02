"""The classification accuracy score between its floor and its ceiling."""

from functools import cache

import numpy as np
import pytest
import torch
from standins import StandIn

from gengauge import Budget, Dataset, Evidence, FitRun, Split
from gengauge.loading import load_dataset
from gengauge.registry import Registry, load_target
from gengauge_suites.alignment.cas import cas

REGISTRY = Registry()
CENTRES = 2.2 * torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


@cache
def digits():
    return load_dataset(REGISTRY.datasets["digits"])


def of_control(id_, shared=None):
    spec, data = REGISTRY.models[id_], digits()
    model = load_target(spec.target)(**spec.resolve({}))
    model.fit(data, FitRun(seed=0, budget=Budget(1, "steps")))
    shared = {} if shared is None else shared
    found = Evidence(data, model, data.test.x, 0, conditions=spec.conditions, shared=shared)
    return cas(found, 2000, 5)


def test_real_data_teaches_as_much_as_real_data():
    score = of_control("real")
    assert score.value > 0.95
    assert score.interval.low <= score.details["trained_on_real"] <= score.interval.high
    assert score.details["n_real"] == score.n_samples == 359
    assert score.n_reference == 359


def test_noise_teaches_nothing():
    score = of_control("noise")
    assert score.value < 0.25
    assert score.interval.low <= 0.1 <= score.interval.high


def test_one_example_a_class_teaches_less_than_many():
    collapsed, copies = of_control("collapsed"), of_control("copycat")
    assert collapsed.interval.high < copies.interval.low


def test_the_ceiling_is_learnt_once_a_run():
    shared = {}
    first = of_control("real", shared)
    [value] = [v for k, v in shared.items() if "cas of real" in k[1]]
    again = of_control("noise", shared)
    assert first.details == again.details == {"trained_on_real": value, "n_real": 359}


def test_the_score_is_the_same_twice():
    assert of_control("copycat") == of_control("copycat")


class Blobs(StandIn):
    """Four classes of points, ``noise`` times as wide as they are."""

    def __init__(self, noise):
        self.noise = noise

    def sample(self, n, condition, generator):
        return CENTRES[condition] + self.noise * torch.randn(n, 6, generator=generator)


def blobs(seed, noise, n=120, tests=250):
    generator = torch.Generator().manual_seed(seed)
    labels = [torch.randint(4, (m,), generator=generator) for m in (n, tests)]
    train, test = (
        Split(CENTRES[y] + torch.randn(len(y), 6, generator=generator), y) for y in labels
    )
    data = Dataset("blobs", "points", train, train.first(0), test)
    return Evidence(data, Blobs(noise), test.x[:n], seed, conditions=("class",))


@pytest.mark.parametrize("noise", [1.0, 4.0])
def test_the_interval_covers_another_draw_of_samples_and_tests(noise):
    found = [cas(blobs(seed, noise), 2000, 5) for seed in range(100)]
    truth = np.mean([s.value for s in found])
    held = np.mean([s.interval.low <= truth <= s.interval.high for s in found])
    assert held >= 0.9
    assert np.mean([s.interval.high - s.interval.low for s in found]) < 0.12 * (1 + noise**1.2)


def test_too_little_to_learn_from_is_said():
    few = cas(blobs(0, 1.0, n=8), 2000, 5)
    assert few.reason == "needs 10 samples and test examples, got 8 and 250"
    one = blobs(0, 1.0)
    one.dataset.test.labels.zero_()
    assert "0 of 120 samples outside the largest class" in cas(one, 2000, 5).reason
    assert cas(blobs(0, 1.0), 40, 5).n_samples == 40
