"""The flow reaches the five planar densities, whose entropy is known, in three thousand steps."""

import pytest
import torch
import worlds

from gengauge import Budget, FitRun
from gengauge_plugins.flow.flow import Flow

NAMES = ("eight-gaussians", "moons", "checkerboard", "spiral", "rings")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_within_a_tenth_of_a_nat_of_the_entropy(name):
    data = worlds.load(f"points/{name}")
    model = Flow(kind="nsf-ar", transforms=3, bins=32, hidden=64)
    model.fit(data.for_training(), FitRun(0, Budget.parse("3000 steps")))
    assert data.truth is not None
    excess = -float(model.log_prob(data.test.x).mean()) - data.truth.entropy
    assert -0.05 < excess < 0.1


def test_an_autoregressive_spline_of_many_pieces_sees_rings_sooner():
    """One value given the other has six modes on rings: eight pieces cannot tell them apart."""
    data = worlds.load("points/rings")
    found = {}
    for bins in (4, 32):
        model = Flow(kind="nsf-ar", transforms=2, bins=bins, hidden=32, batch_size=256)
        model.fit(data.for_training(), FitRun(0, Budget.parse("120 steps")))
        with torch.no_grad():
            found[bins] = float(model.log_prob(data.test.x[:2000]).mean())
    assert found[32] > found[4] + 0.05
