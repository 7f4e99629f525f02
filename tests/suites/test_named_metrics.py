"""Metrics fixed to a network or a protocol: their definitions, on tiny embedders and points."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from standins import evidence, normal

from gengauge.errors import UnsupportedError
from gengauge.registry import Registry
from gengauge_suites.fidelity.cmmd import cmmd, v_statistic
from gengauge_suites.fidelity.energy import energy_distance
from gengauge_suites.fidelity.frechet import fd
from gengauge_suites.fidelity.inception import inception_score, sfid, split_scores
from gengauge_suites.fidelity.kernel import cubic, kid, unbiased_mmd
from gengauge_suites.fidelity.subsets import drawn, kid_subsets, subset_values

REGISTRY = Registry()


class Plain:
    """Points are their own features; the first three are logits, doubled they are places."""

    id, sha256 = "plain", "0"

    def __init__(self):
        self.seen = []

    def features(self, x):
        self.seen.append(len(x))
        return x.flatten(1).double()

    def classes_of(self, features):
        return features[:, :3]

    def spatial(self, x):
        return 2 * x.flatten(1).double()


class Classes(Plain):
    classes_of = None

    def classes(self, x):
        return x[:, :3]


class Features:
    id, sha256 = "features", "0"

    def features(self, x):
        return x.double()


# where they are measured


def embedders(metric):
    spec = REGISTRY.metrics[metric]
    return {e.id for e in REGISTRY.embedders.values() if spec.fits_embedder(e)}


def test_only_the_canonical_network_gives_numbers_their_published_names():
    for metric in ("fid", "sfid", "inception_score"):
        assert embedders(metric) == {"inception"}
    assert embedders("cmmd") == {"clip/ViT-L-14-336"}
    assert "inception" not in embedders("fd")
    assert {"dinov2", "digits", "clip/ViT-B-32"} <= embedders("fd")
    assert {"inception", "dinov2"} <= embedders("kid_subsets")
    assert "digits" not in embedders("kid_subsets")
    assert REGISTRY.metrics["fid"].target == REGISTRY.metrics["fd"].target


# the Inception score


def test_inception_score_of_one_picture_is_one():
    same = evidence(samples=torch.ones(60, 4).double(), test=normal(60, 4, 1))
    found = inception_score(same, Plain(), splits=10)
    assert found.value == 1
    assert found.interval.low == found.interval.high == 1


def test_inception_score_of_sure_and_balanced_classes_is_their_number():
    one_hot = 1e3 * torch.eye(3).double().repeat(40, 1)
    assert split_scores(one_hot, 4).tolist() == pytest.approx([3.0] * 4, rel=1e-12)
    assert split_scores(one_hot[::3], 4).tolist() == [1.0] * 4  # one class only


def test_inception_score_by_definition():
    logits = 3 * normal(50, 7, 1)
    p = logits.softmax(1)
    expected = [
        math.exp(float((q * (q.log() - q.mean(0).log())).sum(1).mean())) for q in p.chunk(5)
    ]
    assert split_scores(logits, 5).tolist() == pytest.approx(expected, rel=1e-12)


def test_inception_score_takes_one_pass_and_its_interval_covers():
    """At the same size of split the truth is the mean over many draws."""
    scores, truth = [], []
    for seed in range(60):
        embedder = Plain()
        found = inception_score(
            evidence(samples=2 * normal(400, 3, seed), test=normal(40, 3, 1)), embedder, splits=10
        )
        assert embedder.seen.count(400) == 1  # the samples: no second pass for the classes
        scores.append(found)
        truth.append(found.value)
    mean = float(np.mean(truth))
    covered = sum(s.interval.low <= mean <= s.interval.high for s in scores)
    assert 51 <= covered <= 60
    assert inception_score(
        evidence(samples=normal(60, 3, 1), test=normal(60, 3, 2)), Classes(), splits=10
    ).value == pytest.approx(
        inception_score(
            evidence(samples=normal(60, 3, 1), test=normal(60, 3, 2)), Plain(), splits=10
        ).value
    )


def test_inception_score_says_why_there_is_none():
    few = evidence(samples=normal(50, 3, 1), test=normal(50, 3, 2))
    assert "2 samples in each of 30 splits" in inception_score(few, Plain(), splits=30).reason
    with pytest.raises(UnsupportedError, match="names no classes"):
        inception_score(few, Features(), splits=10)


# sFID


def test_sfid_is_the_distance_of_spatial_features():
    both = evidence(samples=normal(80, 5, 1) + 1, test=normal(80, 5, 2))
    assert sfid(both, Plain()).value == pytest.approx(4 * fd(both, Plain()).value, rel=1e-9)
    with pytest.raises(UnsupportedError, match="no spatial features"):
        sfid(both, Features())


# CMMD


def test_cmmd_by_the_authors_formula():
    x, y = (torch.nn.functional.normalize(normal(n, 8, n), dim=1) for n in (60, 50))

    def k(a, b):  # google-research/cmmd, distance.py
        square = -2 * a @ b.T + (a**2).sum(1)[:, None] + (b**2).sum(1)[None]
        return torch.exp(-square / (2 * 10**2))

    expected = 1000 * (k(x, x).mean() + k(y, y).mean() - 2 * k(x, y).mean())
    value, error, unbiased = v_statistic(x, y)
    assert value == pytest.approx(float(expected), rel=1e-9)
    u, _ = unbiased_mmd(k, x, y)
    assert unbiased == pytest.approx(1000 * u, rel=1e-8)
    variance = 0.0
    for z, less in ((x, lambda i: (x[torch.arange(60) != i], y)),
                    (y, lambda i: (x, y[torch.arange(50) != i]))):  # fmt: skip
        left = torch.tensor([v_statistic(*less(i))[0] for i in range(len(z))]).double()
        variance += float((len(z) - 1) / len(z) * ((left - left.mean()) ** 2).sum())
    assert error == pytest.approx(variance**0.5, rel=1e-6)


def test_cmmd_normalises_and_scales():
    y = normal(100, 6, 1)
    x = normal(100, 6, 2) + 2
    found = cmmd(evidence(samples=x, test=y), Plain())
    longer = cmmd(evidence(samples=7 * x, test=0.1 * y), Plain())
    assert longer.value == pytest.approx(found.value, rel=1e-9)
    assert found.details["unbiased"] < found.value
    assert cmmd(evidence(samples=y, test=y), Plain()).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("shift", "most"), [(0.5, 0.99), (0.1, 0.99), (0, 1)])
def test_cmmd_interval_covers_its_expectation(shift, most):
    """Between equal clouds the jackknife's error is up to 1.4 times too large, never too small."""
    found = [
        cmmd(evidence(samples=normal(80, 4, 2 * i) + shift, test=normal(80, 4, 2 * i + 1)), Plain())
        for i in range(200)
    ]
    mean = float(np.mean([s.value for s in found]))
    covered = np.mean([s.interval.low <= mean <= s.interval.high for s in found])
    assert 0.9 <= covered <= most


# KID over subsets


@pytest.mark.parametrize(("n", "m"), [(30, 40), (200, 260)])
def test_subset_values_by_definition_whether_or_not_they_overlap(n, m):
    x, y = normal(n, 5, 1), normal(m, 5, 2) + 0.5
    of_x, of_y = drawn(n, m, 6, 25)
    expected = [unbiased_mmd(cubic, x[i], y[j])[0] for i, j in zip(of_x, of_y, strict=True)]
    assert subset_values(x, y, of_x, of_y).tolist() == pytest.approx(expected, rel=1e-9)
    assert all(len(set(row.tolist())) == 25 for row in torch.cat([of_x, of_y]))


def test_blocks_of_rows_do_not_change_subset_values():
    x, y = normal(1100, 3, 1), normal(1200, 3, 2)
    of_x, of_y = drawn(1100, 1200, 12, 400)
    one = [unbiased_mmd(cubic, x[i], y[j])[0] for i, j in zip(of_x, of_y, strict=True)]
    assert subset_values(x, y, of_x, of_y).tolist() == pytest.approx(one, rel=1e-7, abs=1e-10)


def test_the_interval_is_not_the_spread_of_subsets():
    both = evidence(samples=normal(600, 4, 1), test=normal(600, 4, 2))
    found, full = kid_subsets(both, Plain(), subsets=50, size=60), kid(both, Plain())
    spread = found.details["spread of subsets"]
    assert found.interval.standard_error == pytest.approx(
        math.hypot(full.interval.standard_error, spread / 50**0.5)
    )
    assert found.interval.standard_error < spread / 3
    assert abs(found.value - full.value) < 4 * spread / 50**0.5
    assert found.details["all pairs"] == full.value


def test_too_few_for_a_subset_is_unscored():
    few = evidence(samples=normal(100, 3, 1), test=normal(2000, 3, 2))
    found = kid_subsets(few, Plain(), subsets=100, size=1000)
    assert found.value is None
    assert found.reason == "needs at least 1000 samples and reference examples, got 100 and 2000"


# energy distance


def test_energy_distance_by_definition():
    x, y = normal(60, 3, 1), normal(50, 3, 2) + 0.3
    pairs = float((x[:, None] - y[None]).norm(dim=2).mean())
    expected = 2 * pairs - float(torch.pdist(x).mean()) - float(torch.pdist(y).mean())
    assert energy_distance(evidence(samples=x, test=y)).value == pytest.approx(expected, rel=1e-9)


def absolute_mean(shift, scale):
    """E|N(shift, scale^2)|."""
    z = shift / scale
    return scale * math.sqrt(2 / math.pi) * math.exp(-(z**2) / 2) + shift * math.erf(z / 2**0.5)


@pytest.mark.parametrize(("shift", "scale"), [(0.5, 2), (0.2, 1), (2, 1), (0, 1)])
def test_energy_distance_of_normals_has_a_closed_form_and_a_covering_interval(shift, scale):
    within = (1 + scale) * 2 / math.sqrt(math.pi)
    truth = 2 * absolute_mean(shift, math.sqrt(1 + scale**2)) - within
    found = [
        energy_distance(
            evidence(samples=normal(100, 1, 2 * i), test=scale * normal(100, 1, 2 * i + 1) + shift)
        )
        for i in range(300)
    ]
    values = np.array([s.value for s in found])
    assert abs(values.mean() - truth) < 4 * values.std() / 300**0.5
    covered = np.mean([s.interval.low <= truth <= s.interval.high for s in found])
    assert 0.9 <= covered <= 0.99


def test_energy_distance_of_equal_clouds_is_about_nothing_and_can_be_negative():
    found = [
        energy_distance(evidence(samples=normal(100, 3, 2 * i), test=normal(100, 3, 2 * i + 1)))
        for i in range(40)
    ]
    values = np.array([s.value for s in found])
    assert (values < 0).any()
    assert (values > 0).any()
    assert abs(values.mean()) < 4 * values.std() / 40**0.5
    assert np.mean([s.interval.low <= 0 <= s.interval.high for s in found]) >= 0.9


def test_energy_distance_scales_with_the_data():
    x, y = normal(90, 4, 1), normal(80, 4, 2) + 1
    once = energy_distance(evidence(samples=x, test=y))
    thrice = energy_distance(evidence(samples=3 * x + 5, test=3 * y + 5))
    assert thrice.value == pytest.approx(3 * once.value, rel=1e-9)
    assert once.value > 0.3


@pytest.mark.parametrize("metric", [
    lambda e: cmmd(e, Plain()), lambda e: sfid(e, Plain()), energy_distance,
    lambda e: inception_score(e, Plain(), splits=10), lambda e: kid_subsets(e, Plain(), 5, 20),
])  # fmt: skip
def test_bad_input_has_a_reason(metric):
    bad = normal(60, 4, 1)
    bad[7, 2] = math.nan
    assert "1 of 60 samples are not finite" in metric(evidence(samples=bad, test=bad)).reason
    assert "needs at least" in metric(evidence(samples=bad[:5], test=normal(60, 4, 2))).reason
