"""The laws that every plugin keeps, and what is known of this one's own parts."""

import math

import gengauge_triangle
import pytest
import torch
from gengauge_triangle.data import Triangle, load

from gengauge import Evidence
from gengauge.testing import laws_of

[DATASET] = gengauge_triangle.gengauge_datasets()

test_laws = laws_of(gengauge_triangle)


def test_the_entropy_is_that_of_the_density():
    x = Triangle().sample(1000, torch.Generator().manual_seed(0))
    assert -Triangle().log_prob(x).mean() == pytest.approx(Triangle.entropy)
    assert math.exp(Triangle.entropy) == 1  # the area


def test_the_centre_of_shifted_points_is_as_far_as_they_were_shifted():
    from gengauge_triangle.metric import centre_distance

    data = load(DATASET)
    shifted = data.test.x + torch.tensor([3.0, 4.0])
    score = centre_distance(Evidence(data, None, shifted, seed=0), blocks=20)
    assert score.value == pytest.approx(5)
    assert score.interval.low <= 5 <= score.interval.high
