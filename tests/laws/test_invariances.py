"""What a distance between clouds must not notice, and what it must, for clouds drawn at will."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from standins import evidence, normal

from gengauge.registry import Registry, load_target

METRICS = Registry().metrics
N, M = 120, 100
SEEDS = st.integers(0, 2**31)
EASY = settings(max_examples=12, deadline=None, derandomize=True)


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


def value(name, x, y, train=None):
    metric = METRICS[name]
    found = evidence(samples=x, test=y, train=y if train is None else train)
    given_ = (found, Plain()) if metric.embedded else (found,)
    score = load_target(metric.target)(*given_, **{p.name: p.default for p in metric.parameters})
    assert score.value is not None, score.reason
    return score.value


def clouds(seed, d=3):
    return 0.8 * normal(N, d, seed) + 0.3, normal(M, d, seed + 1)


def rotation(seed, d=3):
    return torch.linalg.qr(normal(d, d, seed))[0]


def assert_close(a, b, scale=1.0):
    assert a == pytest.approx(b, rel=1e-6, abs=1e-9 * scale)


RIGID = ["fd", "fd_infinity", "precision", "recall", "density", "coverage", "mmd", "c2st", "w2",
         "energy_distance", "auth_pct"]  # fmt: skip


@pytest.mark.parametrize("name", RIGID)
@EASY
@given(seed=SEEDS, shift=st.floats(-50, 50))
def test_moving_and_turning_both_clouds_changes_nothing(name, seed, shift):
    x, y = clouds(seed)
    turn = rotation(seed + 2)
    assert_close(value(name, x @ turn + shift, y @ turn + shift), value(name, x, y), scale=100)


SCALES = {"fd": 2, "fd_infinity": 2, "w2": 1, "sliced_w2": 1, "precision": 0, "recall": 0,
          "density": 0, "coverage": 0, "mmd": 0, "c2st": 0, "energy_distance": 1, "auth_pct": 0,
          "vendi": 0}  # fmt: skip


@pytest.mark.parametrize("name", SCALES)
@EASY
@given(seed=SEEDS, factor=st.floats(0.01, 100))
def test_stretching_both_clouds_stretches_the_distance(name, seed, factor):
    x, y = clouds(seed)
    assert_close(value(name, factor * x, factor * y), factor ** SCALES[name] * value(name, x, y))


@pytest.mark.parametrize("name", ["kid", "vendi"])
@EASY
@given(seed=SEEDS)
def test_what_rests_on_products_ignores_turning(name, seed):
    x, y = clouds(seed)
    turn = rotation(seed + 2)
    assert_close(value(name, x @ turn, y @ turn), value(name, x, y))


@pytest.mark.parametrize("name", ["fd", "kid", "mmd", "precision", "recall", "density", "coverage"])
@EASY
@given(seed=SEEDS)
def test_the_order_of_the_samples_does_not_matter(name, seed):
    x, y = clouds(seed)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(seed))
    assert_close(value(name, x[order], y), value(name, x, y))


@pytest.mark.parametrize("name", ["fd", "fd_infinity", "kid", "w2", "sliced_w2", "energy_distance"])
@EASY
@given(seed=SEEDS)
def test_distances_are_symmetric(name, seed):
    x, y = (cloud[:M] for cloud in clouds(seed))
    assert_close(value(name, x, y), value(name, y, x))


@EASY
@given(seed=SEEDS)
def test_recall_is_precision_with_the_roles_exchanged(seed):
    x, y = clouds(seed)
    assert_close(value("recall", x, y), value("precision", y, x))


@pytest.mark.parametrize("name", ["fd", "kid", "w2", "sliced_w2", "mmd", "c2st", "energy_distance"])
@EASY
@given(seed=SEEDS, direction=SEEDS)
def test_a_cloud_pushed_away_is_farther(name, seed, direction):
    x, y = normal(N, 3, seed), normal(M, 3, seed + 1)
    away = torch.nn.functional.normalize(normal(1, 3, direction), dim=1)
    assert value(name, x + 3 * away, y) > value(name, x + 0.5 * away, y)
