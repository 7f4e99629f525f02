"""Precision, recall, density and coverage on cases with a known answer."""

import pytest
import torch
from standins import evidence, normal

from gengauge_suites.fidelity.neighbours import count, coverage, density, precision, recall


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


def whole(x, y, k):
    counts = count(x, y, k)
    return [
        float(t[-1]) for t in (counts.precision, counts.recall, counts.density, counts.coverage)
    ]


def by_definition(x, y, k):
    """The four scores straight from the papers, with distances by direct subtraction."""
    xx, yy, xy = (torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
                  for a, b in ((x, x), (y, y), (x, y)))  # fmt: skip
    radius_x = xx.fill_diagonal_(torch.inf).kthvalue(k, 1).values
    radius_y = yy.fill_diagonal_(torch.inf).kthvalue(k, 1).values
    inside_y = xy <= radius_y[None]
    return [
        float(inside_y.any(1).double().mean()),
        float((xy <= radius_x[:, None]).any(0).double().mean()),
        float(inside_y.double().sum() / (k * len(x))),
        float(inside_y.any(0).double().mean()),
    ]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_agrees_with_the_definition(k):
    x, y = normal(700, 6, 1) * 1.1, normal(620, 6, 2)  # more rows than one block of the pass
    assert whole(x, y, k) == pytest.approx(by_definition(x, y, k), abs=1e-12)


def test_left_out_replicates_agree_with_the_definition_on_the_rest():
    x, y = normal(300, 4, 1), normal(260, 4, 2) + 0.2
    found = count(x, y, 3)
    blocks_x, blocks_y = torch.arange(300) * 20 // 300, torch.arange(260) * 20 // 260
    for b in (0, 7, 19):
        expected = by_definition(x[blocks_x != b], y[blocks_y != b], 3)
        got = [found.precision[b], found.recall[b], found.density[b], found.coverage[b]]
        assert [float(g) for g in got] == pytest.approx(expected, abs=1e-12)


def test_a_perfect_model_of_categorical_data_is_perfect():
    """Every neighbour is a duplicate, so all radii are 0: strict < would score 0."""
    codes = torch.eye(10, dtype=torch.float64) * 0.1 + 7.3
    x, y = codes.repeat(30, 1), codes.repeat(40, 1)
    p, r, d, c = whole(x, y, 5)
    assert (p, r, c) == (1, 1, 1)
    assert d == pytest.approx(40 / 5)
    score = precision(evidence(samples=x, test=y), Plain(), 5)
    assert score.interval.high == 1
    assert 0.97 < score.interval.low < 1  # a share of exactly 1 still has an interval


def test_far_samples_score_nothing_and_one_mode_covers_its_part():
    y = torch.cat([normal(200, 3, 1), normal(200, 3, 2) + 100])
    assert whole(normal(300, 3, 3) - 1000, y, 3) == [0, 0, 0, 0]
    p, r, _, c = whole(normal(400, 3, 3), y, 3)
    assert p > 0.9
    assert r == pytest.approx(0.5, abs=0.05)
    assert c == pytest.approx(0.5, abs=0.06)


def test_real_data_covers_one_minus_two_to_the_minus_k():
    for k in (3, 5):
        values = [whole(normal(600, 5, 2 * i), normal(600, 5, 2 * i + 1), k)[3] for i in range(8)]
        assert sum(values) / 8 == pytest.approx(1 - 2.0**-k, abs=0.012)


@pytest.mark.parametrize("measure", [precision, recall, density, coverage])
def test_intervals_cover_the_expectation(measure):
    """95 % intervals, 60 draws of n = 300, D = 4: at least 87 % must cover."""
    scores = [
        measure(evidence(samples=0.9 * normal(300, 4, 2 * i), test=normal(300, 4, 2 * i + 1)),
                Plain(), 3)
        for i in range(60)
    ]  # fmt: skip
    centre = sum(s.value for s in scores) / len(scores)
    covered = sum(s.interval.low <= centre <= s.interval.high for s in scores) / len(scores)
    assert covered >= 0.87
    widths = [s.interval.high - s.interval.low for s in scores]
    assert sum(widths) / len(widths) < 0.4


def test_k_beyond_the_data_is_unscored():
    found = evidence(samples=normal(60, 3, 1), test=normal(90, 3, 2))
    assert "k = 30 is too large for 60" in density(found, Plain(), 30).reason
    assert "k = 30 is too large for 60" in coverage(found, Plain(), 30).reason


def test_scores_name_their_k():
    found = evidence(samples=normal(100, 3, 1), test=normal(90, 3, 2))
    assert recall(found, Plain(), 3).protocol == {"k": 3}
    assert density(found, Plain(), 5).protocol == {"k": 5}
