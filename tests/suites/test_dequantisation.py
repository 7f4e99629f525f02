"""Levelled data put before a density: noise fills each level's bin."""

import math

import pytest
import torch
from scipy import stats
from standins import StandIn, UniformDensity, evidence

from gengauge_suites.likelihood.metrics import bits_per_dim


class OffCentre(StandIn):
    """N(0.3, 0.3^2) in units of a bin, so that level 0 has mass Phi(0.7 / 0.3) - Phi(-1)."""

    def log_prob(self, y):
        law = torch.distributions.Normal(0.3, 0.3)
        return law.log_prob(2 * y).flatten(1).sum(1) + math.log(2) * y[0].numel()


EXACT = -math.log2(stats.norm.cdf(0.7 / 0.3) - stats.norm.cdf(-1))


def bits(draws, way, n, d=1):
    x = torch.zeros(n, d, dtype=torch.uint8)
    found = evidence(OffCentre(), test=x, levels=2)
    return bits_per_dim(found, k=1, draws=draws, dequantise=way, terms=4)


# one draw: E[-log2 q(u)] = log2(0.3 sqrt(2 pi)) + (1/12 + 0.2^2) / (2 * 0.3^2 ln 2)
@pytest.mark.parametrize(
    ("draws", "n", "expected"), [(1, 40_000, 0.577), (10, 20_000, 0.2850), (1000, 2_000, 0.2664)]
)
def test_importance_closes_the_gap_of_dequantisation(draws, n, expected):
    score = bits(draws, "importance", n)
    assert pytest.approx(0.2662, abs=5e-5) == EXACT
    assert score.kind == "upper_bound"
    assert score.value == pytest.approx(expected, abs=max(4 * score.interval.standard_error, 5e-4))


@pytest.mark.parametrize("draws", [1, 2, 5, 20, 100])
@pytest.mark.parametrize("d", [1, 3])
def test_bits_never_fall_below_the_mass_in_expectation(draws, d):
    importance, uniform = (bits(draws, way, 20_000 // draws + 500, d) for way in
                           ("importance", "uniform"))  # fmt: skip
    assert importance.value > EXACT - 3 * importance.interval.standard_error
    assert importance.value <= uniform.value + 1e-12
    both = importance.details["dequantised"]
    assert both["importance"] == pytest.approx(importance.value)
    assert both["uniform"] == pytest.approx(uniform.value)


def test_one_draw_outside_the_support_costs_the_uniform_bound_its_score_only():
    class Half(StandIn):
        """Uniform on the lower half of the first bin."""

        def log_prob(self, y):
            return torch.where(y.flatten(1).lt(0.25).all(1), math.log(4), -math.inf)

    found = evidence(Half(), test=torch.zeros(30, 1, dtype=torch.uint8), levels=2)
    kept = bits_per_dim(found, k=1, draws=60, dequantise="importance", terms=4)
    assert kept.value == pytest.approx(0, abs=0.2)  # the level has all the mass
    assert set(kept.details["dequantised"]) == {"importance"}
    lost = bits_per_dim(found, k=1, draws=60, dequantise="uniform", terms=4)
    assert lost.reason == "30 of 30 test examples have zero density"


def test_dequantisation_bounds_the_mass_and_matches_its_integral():
    """With density 2 y the mass of level x of two is 1/4 or 3/4; the bound is E log 2 y."""

    class Ramp(StandIn):
        def log_prob(self, y):
            return (2 * y).log().flatten(1).sum(1)

    x = torch.ones(4000, 1, dtype=torch.uint8)
    score = bits_per_dim(
        evidence(Ramp(), test=x, levels=2), k=1, draws=20, dequantise="uniform", terms=4
    )
    y = torch.linspace(0.5, 1, 100_001, dtype=torch.float64)
    bound = 1 - float(torch.trapezoid((2 * y).log() / math.log(2), y)) / 0.5
    assert score.value > -math.log2(0.75)
    assert score.value == pytest.approx(bound, abs=4 * score.interval.standard_error)


def test_noise_is_the_same_for_every_model():
    seen = []

    class Spy(UniformDensity):
        def log_prob(self, x):
            seen.append(x.clone())
            return super().log_prob(x)

    for _ in range(2):
        bits_per_dim(
            evidence(Spy(), test=torch.arange(17).view(17, 1), levels=17),
            k=1,
            draws=2,
            dequantise="importance",
            terms=4,
        )
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0], seen[1])
