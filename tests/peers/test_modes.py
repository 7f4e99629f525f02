"""Mode counts beside scipy's neighbourhoods and its relative entropy."""

import pytest
import scipy.stats
import torch
import worlds
from agreement import budget
from scipy.spatial import KDTree
from standins import StandIn, normal

from gengauge import Evidence
from gengauge_suites.fidelity.modes import high_quality, mode_kl, modes_covered, modes_represented

EIGHT = worlds.load("points/eight-gaussians")


@pytest.fixture(scope="module")
def samples():
    """Points about seven modes, unevenly, with a wide spread, and two about the eighth."""
    which = (
        (8 * torch.rand(398, generator=torch.Generator().manual_seed(0)) ** 2).long().clamp(0, 6)
    )
    which = torch.cat([which, torch.tensor([7, 7])])
    return EIGHT.truth.means[which] + 0.35 * normal(400, 2, 1)


@pytest.fixture(scope="module")
def near(samples):
    """How many samples lie within three deviations of each centre, whose balls do not meet."""
    found = KDTree(samples.numpy()).query_ball_point(EIGHT.truth.means.numpy(), 3 * 0.25)
    return [len(members) for members in found]


def test_modes_and_quality_are_those_of_scipys_balls(samples, near):
    found = Evidence(EIGHT, StandIn(), samples, 0)
    covered = sum(n > 0 for n in near)
    represented = sum(n >= 0.1 * 400 / 8 for n in near)
    assert (covered, represented) == (8, 7)  # or the counts would tell nothing
    assert modes_covered(found).value == pytest.approx(
        covered, **budget("modes_covered", "scipy, query_ball_point")
    )
    assert modes_represented(found).value == pytest.approx(
        represented, **budget("modes_represented", "scipy, query_ball_point")
    )
    assert high_quality(found).value == pytest.approx(
        sum(near) / 400, **budget("high_quality", "scipy, query_ball_point")
    )


def test_the_divergence_is_scipys_relative_entropy(samples, near):
    shares = [n / sum(near) for n in near]
    plain = float(scipy.stats.entropy(shares, [1 / 8] * 8))
    value = mode_kl(Evidence(EIGHT, StandIn(), samples, 0)).value
    bias = 7 / (2 * sum(near))
    assert value + bias == pytest.approx(plain, **budget("mode_kl", "scipy, entropy"))
