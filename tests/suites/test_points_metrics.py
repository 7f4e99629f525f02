"""Distances between point clouds on cases with a known answer."""

import math

import pytest
import torch
from standins import evidence, normal

from gengauge_suites.fidelity.classifier import accuracy, c2st
from gengauge_suites.fidelity.transport import exact_w2, sliced_w2, w2


def test_a_shifted_cloud_is_as_far_as_the_shift():
    x = normal(300, 2, 1)
    y = x[torch.randperm(300, generator=torch.Generator().manual_seed(0))] + torch.tensor(
        [3.0, 4.0]
    )
    assert exact_w2(x, y) == pytest.approx(5, abs=1e-9)


def test_a_scaled_cloud_is_as_far_as_the_scaling_moves_it():
    x = normal(200, 2, 1)
    assert exact_w2(x, 2 * x) == pytest.approx(float((x**2).sum(1).mean().sqrt()), abs=1e-9)


def test_w2_approaches_the_distance_of_gaussians():
    score = w2(
        evidence(samples=normal(5000, 2, 1) + 2, test=normal(5000, 2, 2)), pairs=10, size=500
    )
    assert score.value == pytest.approx(math.sqrt(8), abs=0.1)
    assert score.interval.low < score.value < score.interval.high
    assert (score.n_samples, score.protocol) == (5000, {"pairs": 10, "size": 500})


def test_w2_makes_do_with_fewer_points_and_says_so():
    score = w2(evidence(samples=normal(100, 2, 1), test=normal(900, 2, 2)), pairs=10, size=500)
    assert score.protocol == {"pairs": 10, "size": 10}


def test_w2_interval_covers():
    """95 % t-intervals over 5 pairs of 20 points, 100 draws: at least 88 % must cover."""
    scores = [w2(evidence(samples=normal(100, 2, 2 * i), test=normal(100, 2, 2 * i + 1)), 5, 20)
              for i in range(100)]  # fmt: skip
    centre = sum(s.value for s in scores) / 100
    assert sum(s.interval.low <= centre <= s.interval.high for s in scores) >= 88


def test_sliced_distance_of_a_shift_in_the_plane():
    """A shift s moves a shadow at angle a by |s| cos a: its root mean square is |s| / sqrt 2."""
    x = normal(500, 2, 1)
    found = evidence(samples=x + torch.tensor([3.0, 4.0]), test=x)
    assert sliced_w2(found, projections=2000).value == pytest.approx(5 / math.sqrt(2), rel=0.03)


def test_sliced_interval_covers_the_expectation():
    """95 % intervals, 60 draws of n = 400: at least 87 % must cover."""
    pairs = [(1.3 * normal(400, 2, 2 * i), normal(400, 2, 2 * i + 1)) for i in range(60)]
    scores = [sliced_w2(evidence(samples=x, test=y), projections=16) for x, y in pairs]
    centre = sum(s.value for s in scores) / 60
    assert sum(s.interval.low <= centre <= s.interval.high for s in scores) / 60 >= 0.87


def test_classifier_cannot_tell_equal_clouds_apart_and_tells_far_ones():
    same = c2st(evidence(samples=normal(2000, 2, 1), test=normal(2000, 2, 2)))
    assert same.interval.low < 0.5 < same.interval.high
    assert c2st(evidence(samples=normal(500, 2, 1) + 20, test=normal(500, 2, 2))).value == 1


def test_classifier_approaches_the_best_possible_accuracy():
    """Shift s between standard normals: the Bayes classifier is right Phi(s / 2) of the time."""
    shift = 2.0
    score = c2st(evidence(samples=normal(4000, 1, 1) + shift, test=normal(4000, 1, 2)))
    best = 0.5 * (1 + math.erf(shift / 2 / math.sqrt(2)))
    assert score.value == pytest.approx(best, abs=0.02)


def test_equal_numbers_of_each_and_ties_count_one_half():
    score = c2st(evidence(samples=normal(100, 2, 1), test=normal(1001, 2, 2)))
    assert (score.n_samples, score.n_reference) == (100, 100)
    x = torch.zeros(8, 1, dtype=torch.float64)  # k = 2 of 8: a point with one twin of each kind
    y = torch.zeros(8, 1, dtype=torch.float64)
    x[:4, 0] = y[:4, 0] = torch.arange(4) * 10.0
    x[4:, 0] = y[4:, 0] = torch.arange(4) * 10.0
    assert accuracy(x, y) == 0.5
