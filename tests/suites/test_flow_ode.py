"""Probability flows of Gaussians, whose densities are known."""

import math

import pytest
import torch
from standins import StandIn, UniformDensity, evidence, normal

from gengauge_suites.likelihood import flow_ode
from gengauge_suites.likelihood.ode import ode_bits_per_dim, ode_nll

SMALL = {"steps": 50, "probes": 4, "examples": 300}
LOW, HIGH = 0.1, 20.0  # the variance-preserving schedule of Song et al. 2021


class Gaussian(StandIn):
    """The variance-preserving probability flow of N(0, Q diag(variance) Q^T)."""

    def __init__(self, variance, seed=0):
        self.variance = variance
        d = len(variance)
        self.turn = torch.linalg.qr(normal(d, d, seed=seed)).Q if d > 1 else torch.ones(1, 1)
        self.turn = self.turn.double()

    def _at(self, t):
        spent = torch.exp(-(LOW * t + 0.5 * (HIGH - LOW) * t**2))
        return spent[:, None] * (self.variance - 1) + 1

    def velocity(self, x, t):
        beta = (LOW + (HIGH - LOW) * t)[:, None]
        straight = x @ self.turn
        return -0.5 * beta * (straight - straight / self._at(t)) @ self.turn.T

    def log_base(self, x):
        return self._log(x, self._at(torch.ones(1).double()))

    def log_data(self, x):
        return self._log(x, self.variance[None])

    def _log(self, x, variance):
        squared = (x @ self.turn) ** 2 / variance
        return -0.5 * (squared + variance.log() + math.log(2 * math.pi)).sum(1)

    def draw(self, n, seed=1):
        return normal(n, len(self.variance), seed=seed) * self.variance.sqrt() @ self.turn.T


PLANE = Gaussian(torch.tensor([0.3, 2.0], dtype=torch.float64))
WIDE = Gaussian(torch.linspace(0.2, 3.0, 24, dtype=torch.float64))


def test_fifty_steps_come_within_2e_4_nats():
    x = PLANE.draw(500)
    values, error = flow_ode.log_density(PLANE, x, 50, None)
    assert float((values - PLANE.log_data(x)).abs().max()) < 2e-4
    assert bool((error == 0).all())


def test_the_score_names_its_solver_and_holds_the_truth():
    x = PLANE.draw(200)
    score = ode_nll(evidence(PLANE, test=x), **SMALL)
    assert score.kind == "estimate"
    assert score.value == pytest.approx(float(-PLANE.log_data(x).mean()), abs=2e-4)
    assert score.details["divergence"] == "exact"
    assert score.details["probe_standard_error"] == 0
    rough = ode_nll(evidence(PLANE, test=x), **{**SMALL, "steps": 8})
    miss = abs(rough.value + float(PLANE.log_data(x).mean()))
    assert rough.details["step_error"] > 0.2 * miss > 1e-6  # it is told by its own size
    assert "widened by the error of the steps" in rough.interval.method
    assert rough.interval.high - rough.interval.low > 2 * rough.details["step_error"]


def test_hutchinson_is_exact_within_the_error_it_states():
    x = WIDE.draw(400)
    signs = flow_ode.rademacher(6, 400, 24, torch.Generator().manual_seed(2))
    found, error = flow_ode.log_density(WIDE, x, 20, signs)
    exact, _ = flow_ode.log_density(WIDE, x, 20, None)
    assert float(((found - exact) / error).pow(2).mean().sqrt()) < 2.5  # Student's t, 5 degrees
    assert float((found - exact).pow(2).mean() / error.pow(2).mean()) == pytest.approx(1, abs=0.3)
    mean_error = float(error.pow(2).sum().sqrt()) / 400
    assert float((found - exact).mean()) == pytest.approx(0, abs=4 * mean_error)
    score = ode_nll(evidence(WIDE, test=x), **{**SMALL, "steps": 20})
    assert score.details["divergence"] == "Hutchinson, 4 Rademacher probes an example"
    assert score.details["probe_standard_error"] > 0
    assert score.n_reference == 300


def test_no_example_depends_on_another():
    x = WIDE.draw(700)
    signs = flow_ode.rademacher(2, 700, 24, torch.Generator().manual_seed(2))
    whole, _ = flow_ode.log_density(WIDE, x, 10, signs)
    few, _ = flow_ode.log_density(WIDE, x[495:505], 10, signs[:, 495:505])
    assert torch.allclose(whole[495:505], few, atol=1e-10)


class Still(UniformDensity):
    """Nothing moves, and the base is uniform on the unit cube."""

    def velocity(self, x, t):
        return torch.zeros_like(x)

    def log_base(self, x):
        return self.log_prob(x)


@pytest.mark.parametrize("levels", [2, 17])
@pytest.mark.parametrize("side", [2, 5])
def test_a_flow_that_stands_still_needs_log2_levels_bits(levels, side):
    x = torch.randint(levels, (30, 1, side, side), generator=torch.Generator().manual_seed(0))
    found = evidence(Still(), test=x.to(torch.uint8), levels=levels)
    score = ode_bits_per_dim(found, **{**SMALL, "steps": 4})
    assert score.value == pytest.approx(math.log2(levels), abs=1e-12)
    assert score.kind == "estimate"


def test_what_has_no_flow_says_so():
    for metric, levels in ((ode_nll, None), (ode_bits_per_dim, 4)):
        found = evidence(StandIn(), test=torch.zeros(4, 2), levels=levels)
        assert "no probability flow" in metric(found, **SMALL).reason

    class Wrong(Gaussian):
        def velocity(self, x, t):
            return super().velocity(x, t)[:, :1]

    with pytest.raises(ValueError, match=r"velocity returned shape \[4, 1\], expected \[4, 2\]"):
        ode_nll(evidence(Wrong(PLANE.variance), test=PLANE.draw(4)), **SMALL)
