"""Intervals of clustered values cover what they say, where the naive ones do not."""

import numpy as np
import pytest

from gengauge.clustered import (
    bootstrap,
    clustered_mean_interval,
    clustered_share_interval,
    share_interval,
)
from gengauge.statistics import mean_interval, wilson

RNG = np.random.default_rng


def prompts(rng, count, each):
    """Values of ``count`` prompts, their own mean and ``each`` images around it; truth 0."""
    effect = rng.exponential(1.0, count) - 1.0
    x = np.repeat(effect, each) + 0.5 * rng.standard_normal(count * each)
    return x, np.repeat(np.arange(count), each)


def coverage(interval, draw, truth, draws=400):
    rng = RNG(0)
    found = [interval(*draw(rng)) for _ in range(draws)]
    return np.mean([i.low <= truth <= i.high for i in found])


def test_values_on_their_own_need_no_clusters():
    x = RNG(0).standard_normal(50)
    plain, clustered = mean_interval(x), clustered_mean_interval(x, range(50))
    assert clustered.low == pytest.approx(plain.low, rel=1e-12)
    assert clustered.standard_error == pytest.approx(plain.standard_error, rel=1e-12)


def test_a_repeated_value_is_no_new_evidence():
    x = RNG(0).standard_normal(50)
    clustered = clustered_mean_interval(np.repeat(x, 4), np.repeat(np.arange(50), 4))
    assert clustered.standard_error == pytest.approx(mean_interval(x).standard_error, rel=1e-12)
    assert clustered.high == pytest.approx(mean_interval(x).high, rel=1e-12)


def test_the_mean_of_clustered_values_is_covered():
    def draw(rng):
        return prompts(rng, 60, 5)

    assert 0.9 <= coverage(clustered_mean_interval, draw, 0.0) <= 0.99
    assert coverage(lambda x, c: mean_interval(x), draw, 0.0) < 0.8  # why clusters matter


@pytest.mark.parametrize("share", [0.02, 0.3, 0.97])
def test_the_share_of_clustered_hits_is_covered(share):
    def draw(rng):
        chance = rng.beta(4 * share, 4 * (1 - share), 80)
        return (rng.random((80, 4)) < chance[:, None]).ravel().astype(float), np.repeat(
            np.arange(80), 4
        )

    assert 0.9 <= coverage(clustered_share_interval, draw, share) <= 0.995


def test_shares_of_nothing_and_all_keep_an_interval():
    none = clustered_share_interval(np.zeros(40), range(40))
    assert none.low == 0
    assert 0.05 < none.high < 0.2
    whole = clustered_share_interval(np.ones(40), np.arange(40) // 2)
    assert whole.high == 1
    assert whole.low < 1 - none.high  # twenty clusters say less than forty


def test_rounding_leaves_no_share_outside_its_interval():
    for n in range(1, 400):
        assert wilson(n, n).high == 1
        assert wilson(0, n).low == 0


def test_independent_hits_are_wilson():
    hits = np.arange(2000) % 5 == 0
    ours, plain = clustered_share_interval(hits, range(2000)), wilson(400, 2000)
    assert ours.low == pytest.approx(plain.low, abs=1e-4)
    assert ours.high == pytest.approx(plain.high, abs=1e-4)
    assert share_interval(0.2, 9, 10.0, 9).low >= 0


def test_one_cluster_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 clusters, got 1"):
        clustered_mean_interval([1.0, 2.0], [3, 3])
    with pytest.raises(ValueError, match="at least 2 clusters"):
        bootstrap(lambda i: 0.0, [1, 1], 0)


@pytest.mark.parametrize("method", ["BCa", "percentile"])
def test_the_bootstrap_covers_a_clustered_statistic(method):
    def interval(x, clusters):
        ratio = lambda i: float(x[i].mean())  # noqa: E731
        return bootstrap(ratio, clusters, 1, method=method, resamples=300)

    assert 0.88 <= coverage(interval, lambda rng: prompts(rng, 60, 3), 0.0, draws=150) <= 0.99


def test_the_bootstrap_is_seeded():
    x = RNG(0).standard_normal(30)

    def run(seed):
        return bootstrap(lambda i: float(np.median(x[i])), range(30), seed, resamples=200)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert run(1).low < float(np.median(x)) < run(1).high
