"""Modes are counted as the papers count them, and the intervals hold what they promise."""

import math
from dataclasses import replace

import pytest
import torch
import worlds
from scipy import stats
from standins import StandIn

from gengauge import Evidence
from gengauge.data import Modal
from gengauge_suites.datasets.densities import Mixture, SeparateModes
from gengauge_suites.fidelity.modes import (
    Counts,
    high_quality,
    mode_kl,
    modes_covered,
    modes_represented,
)
from gengauge_suites.fidelity.specs_modes import modal

METRICS = (modes_covered, modes_represented, high_quality, mode_kl)
EIGHT = worlds.load("points/eight-gaussians")


def evidence(x, dataset=EIGHT):
    return Evidence(dataset, StandIn(), x, 0)


def at(counts, scattered=0):
    """Samples on the centres, ``counts`` of each, and some in the middle, near to none."""
    spots = [EIGHT.truth.means[k].repeat(c, 1) for k, c in enumerate(counts)]
    return torch.cat([*spots, torch.zeros(scattered, 2, dtype=torch.float64)]).float()


def counted(counts, n=None):
    """Evidence in which ``counts`` [8] were counted already."""
    counts = torch.as_tensor(counts).double().numpy()
    found = evidence(torch.zeros(1, 2))
    found.memo("modes", lambda: Counts(counts, n or int(counts.sum()), 2))
    return found


def test_modes_are_known_where_they_are_separate():
    assert isinstance(EIGHT.truth, Modal)
    assert not isinstance(worlds.load("points/moons").truth, Modal)
    assert [s.id for s in worlds.SPECS.values() if s.has_modes] == ["points/eight-gaussians"]
    for metric in modal():
        fitting = [s.id for s in worlds.SPECS.values() if metric.fits(s)]
        assert fitting == ["points/eight-gaussians"]
    score = modes_covered(evidence(torch.zeros(5, 2), worlds.load("points/moons")))
    assert score.reason == "the modes of the data are not known"


def test_the_truth_has_all_modes_evenly_and_the_quality_of_three_deviations():
    found = evidence(EIGHT.test.x)
    assert modes_covered(found).value == modes_represented(found).value == 8
    quality = high_quality(found)
    assert 1 - math.exp(-4.5) == pytest.approx(quality.details["high_quality_of_truth"])
    assert quality.interval.low < 1 - math.exp(-4.5) < quality.interval.high
    kl = mode_kl(found)
    assert kl.interval.low <= 0 <= kl.interval.high
    assert kl.interval.high < 2e-3


def test_a_collapsed_model_has_one_mode_and_the_divergence_of_one_in_eight():
    found = evidence(at([500, 0, 0, 0, 0, 0, 0, 0]))
    assert modes_covered(found).value == modes_represented(found).value == 1
    assert high_quality(found).value == 1
    kl = mode_kl(found)
    assert kl.value == pytest.approx(math.log(8))
    assert kl.interval.low < math.log(8) < kl.interval.high


def test_three_deviations_are_the_border():
    step = torch.tensor([[1.0, 0.0]], dtype=torch.float64) * 0.25
    centre = EIGHT.truth.means[:1]
    inside, outside = centre + 2.999 * step, centre + 3.001 * step
    assert high_quality(evidence(inside)).value == 1
    assert high_quality(evidence(outside)).value == 0
    assert modes_covered(evidence(outside)).value == 0


def test_a_stray_sample_covers_a_mode_and_does_not_represent_it():
    found = evidence(at([400, 400, 400, 400, 400, 400, 400, 1]))
    assert modes_covered(found).value == 8
    score = modes_represented(found)
    assert score.value == 7
    assert (score.interval.low, score.interval.high) == (7, 7)
    assert modes_represented(found, share=0.001).value == 8


def test_samples_between_modes_lower_the_quality_alone():
    plain, scattered = evidence(at([100] * 8)), evidence(at([100] * 8, scattered=200))
    assert high_quality(scattered).value == pytest.approx(0.8)
    assert mode_kl(scattered).value == mode_kl(plain).value
    assert modes_covered(scattered).value == 8


def test_each_mode_is_measured_in_its_own_deviations():
    truth = SeparateModes(torch.tensor([[0.0, 0.0], [10.0, 0.0]]), torch.tensor([3.0, 0.1]), 0.0)
    data = replace(EIGHT, truth=truth)
    x = torch.tensor([[6.0, 0.0], [9.0, 0.0]])  # the second lies nearer to the narrow mode
    assert modes_covered(evidence(x, data)).details["shares"] == [1.0, 0.0]


@pytest.mark.parametrize("metric", METRICS)
def test_what_cannot_be_counted_is_said(metric):
    x = at([10] * 8)
    x[3, 0] = torch.nan
    assert metric(evidence(x)).reason == "1 of 80 samples are not finite"
    assert metric(evidence(x[:0])).reason == "there are no samples"
    assert "not known" in metric(evidence(x, replace(EIGHT, truth=None))).reason


def test_without_samples_of_quality_there_is_no_divergence():
    score = mode_kl(evidence(at([0] * 8, scattered=50)))
    assert score.value is None
    assert "no sample is of high quality" in score.reason


def test_the_order_of_samples_does_not_matter():
    x = EIGHT.test.x[:500]
    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    for metric in METRICS:
        assert metric(evidence(x)).value == metric(evidence(x[order])).value


# intervals: counts are drawn as samples would give them

EVEN, TILTED = [1 / 8] * 8, [0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.04, 0.03]
LOST = [1 / 7] * 7 + [0.0]
CONCENTRATED = [0.5] + [0.5 / 7] * 7
NEARLY_LOST = [0.14] * 7 + [0.02]


def drawn(p, n, trials=300):
    return stats.multinomial(n, p).rvs(trials, random_state=0)


def share_that_holds(metric, p, n, truth):
    scores = [metric(counted(c)) for c in drawn(p, n)]
    inside = [s.interval.low - 1e-9 <= truth <= s.interval.high + 1e-9 for s in scores]
    return sum(inside) / len(inside)


@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize("p", [EVEN, TILTED, LOST, CONCENTRATED, NEARLY_LOST], ids=str)
def test_the_divergence_lies_in_its_interval(p, n):
    truth = sum(q * math.log(8 * q) for q in p if q)
    assert share_that_holds(mode_kl, p, n, truth) > 0.92


@pytest.mark.parametrize("p", [EVEN, TILTED, CONCENTRATED], ids=str)
def test_the_divergence_is_unbiased(p):
    truth = sum(q * math.log(8 * q) for q in p)
    values = [mode_kl(counted(c)).value for c in drawn(p, 300, 600)]
    error = stats.sem(values)
    assert sum(values) / len(values) == pytest.approx(truth, abs=4 * error + 1e-3)


@pytest.mark.parametrize("n", [20, 200])
@pytest.mark.parametrize("p", [EVEN, LOST, NEARLY_LOST], ids=str)
def test_the_expected_count_lies_in_its_interval(p, n):
    expected = sum(1 - (1 - q) ** n for q in p)
    assert share_that_holds(modes_covered, p, n, expected) > 0.95


@pytest.mark.parametrize(("p", "truth"), [(EVEN, 8), (LOST, 7), (NEARLY_LOST, 8)], ids=str)
def test_the_represented_modes_lie_in_their_interval(p, truth):
    assert share_that_holds(modes_represented, p, 300, truth) > 0.95


def test_the_chance_of_covering_grows_with_the_samples():
    few, many = (modes_covered(counted(n * torch.tensor([1] * 8))) for n in (3, 100))
    assert few.interval.low < 7 < many.interval.low
    assert few.interval.high == 8


def test_a_single_mode_leaves_room_for_rare_ones_and_not_for_all():
    score = modes_covered(counted([5000, 0, 0, 0, 0, 0, 0, 0]))
    upper = float(stats.beta(2, 7).ppf(0.975))  # Clopper & Pearson, one of eight
    assert (score.interval.low, score.interval.high) == pytest.approx((1, 8 * upper), abs=1e-6)


def test_a_plain_mixture_has_no_modes():
    assert not isinstance(Mixture(torch.zeros(2, 2), torch.ones(2), 0.0), Modal)
