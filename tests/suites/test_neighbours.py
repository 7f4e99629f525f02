"""Precision, recall, density and coverage on cases with a known answer."""

import pytest
import torch
from standins import evidence, normal

from gengauge.evidence import Features
from gengauge_suites.fidelity import deletion, passes, tiles
from gengauge_suites.fidelity.between import between
from gengauge_suites.fidelity.kernel import kid
from gengauge_suites.fidelity.neighbours import coverage, density, estimate, precision, recall
from gengauge_suites.fidelity.passes import measured


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


NAMES = ("precision", "recall", "density", "coverage")


def whole(x, y, k):
    found = measured(Features(x, y), (k,), (k,))[2]
    return [estimate(found, k, name).value for name in NAMES]


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


def in_single(monkeypatch):
    monkeypatch.setattr(tiles, "SINGLE_FROM", 0)
    monkeypatch.setitem(tiles._BLOCK, "cpu", 96)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_float32_tiles_count_what_float64_counts(monkeypatch, offset):
    """What a comparison hangs on is decided by subtraction: not one count may differ."""
    x, y = normal(500, 12, 1).float() * 1.05 + offset, normal(450, 12, 2).float() + offset
    expected = by_definition(x.double(), y.double(), 3)
    in_single(monkeypatch)
    assert whole(x, y, 3) == pytest.approx(expected, abs=1e-12)


def test_tight_clusters_far_apart_are_told_in_float32(monkeypatch):
    """Distances of 1e-4 beside norms of 1: less than a float32 product can tell."""
    places = normal(8, 6, 3)
    x, y = (places[torch.arange(400) % 8] + 1e-4 * normal(400, 6, s) for s in (4, 5))
    expected = by_definition(x, y, 3)
    in_single(monkeypatch)
    assert whole(x, y, 3) == pytest.approx(expected, abs=1e-12)


def test_a_copy_of_the_reference_reaches_every_radius():
    y = normal(300, 40, 1)
    assert whole(y, y, 3) == pytest.approx(by_definition(y, y, 3), abs=1e-12)
    p, r, d, c = whole(y, y, 3)
    assert (p, r, c) == (1, 1, 1)
    assert d == pytest.approx(4 / 3)  # a point, its own ball and on average k others


def without(x, y, k, j):
    """Which samples lie in a ball, and in how many, without reference example j."""
    rest = y[torch.arange(len(y)) != j]
    own = torch.cdist(rest, rest).fill_diagonal_(torch.inf).kthvalue(k, 1).values
    inside = torch.cdist(x, rest) <= own
    return inside.any(1).double(), inside.double().sum(1), inside.any(0).double()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_counted_changes_are_those_of_really_leaving_a_centre_out(seed):
    x, y, k = normal(70, 3, 2 * seed), 0.9 * normal(60, 3, 2 * seed + 1), 3
    found = measured(Features(x, y), (k,), (k,))[2]
    balls = found.about_reference[k]
    events = deletion._changes(balls)
    change = torch.zeros(len(y)).double().index_add_(0, events[:, 0], events[:, 1].double())
    inside = (balls.inside > 0).double()
    moved = [without(x, y, k, j) for j in range(len(y))]
    expected = torch.stack([m[0].sum() - inside.sum() for m in moved])
    assert torch.equal(change, expected)
    flips = sum(float((m[0] - inside).abs().sum()) for m in moved)
    assert len(events) == flips
    shell = (balls.held_next - balls.held).repeat_interleave(k)
    grown = torch.zeros(len(y)).double().index_add_(0, balls.known.index[:, :k].flatten(), shell)
    counts = torch.stack([m[1].sum() - balls.inside.sum() for m in moved])
    assert torch.equal(grown - balls.held, counts)


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


def test_a_score_of_nothing_or_everything_has_an_interval():
    y = normal(200, 3, 2)
    far, near = (evidence(samples=x, test=y) for x in (normal(200, 3, 1) + 100, y.clone()))
    for measure in (precision, recall, coverage, density):
        interval = measure(far, Plain(), 3).interval
        assert interval.low == 0
        assert 0 < interval.high < 0.03
    for measure in (precision, recall, coverage):
        interval = measure(near, Plain(), 3).interval
        assert interval.high == 1
        assert 0.97 < interval.low < 1


def test_constant_features_of_both_are_one_point():
    found = evidence(samples=torch.ones(60, 3), test=torch.ones(50, 3))
    assert [m(found, Plain(), 3).value for m in (precision, recall, coverage)] == [1, 1, 1]
    assert density(found, Plain(), 5).value == pytest.approx(50 / 5)


def test_features_that_are_not_finite_are_unscored():
    class Broken(Plain):
        sha256 = "broken"  # features of real data are kept under it

        def features(self, x):
            return torch.where(x > 1, torch.nan, x).double()

    found = evidence(samples=normal(60, 3, 1).clamp_max(1), test=normal(90, 3, 2))
    assert "reference examples are not finite" in precision(found, Broken(), 3).reason


def test_the_default_scores_share_one_pass(monkeypatch):
    found = evidence(samples=normal(100, 3, 1), test=normal(90, 3, 2))
    made = []
    monkeypatch.setattr(passes, "between", lambda *a: made.append(1) or between(*a))
    for measure, k in ((precision, 3), (recall, 3), (density, 5), (coverage, 5)):
        measure(found, Plain(), k)
    kid(found, Plain())
    assert made == [1]
    assert recall(found, Plain(), 7).value > recall(found, Plain(), 3).value
    assert made == [1, 1]


def test_k_beyond_the_data_is_unscored():
    found = evidence(samples=normal(60, 3, 1), test=normal(90, 3, 2))
    assert "k = 30 is too large for 60" in density(found, Plain(), 30).reason
    assert "k = 30 is too large for 60" in coverage(found, Plain(), 30).reason


def test_scores_name_their_k():
    found = evidence(samples=normal(100, 3, 1), test=normal(90, 3, 2))
    assert recall(found, Plain(), 3).protocol == {"k": 3}
    assert density(found, Plain(), 5).protocol == {"k": 5}
