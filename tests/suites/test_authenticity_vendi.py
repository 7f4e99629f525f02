"""AuthPct and the Vendi score on cases with a known answer."""

import math

import pytest
import torch
from standins import evidence, normal

from gengauge_suites.memorisation.authenticity import auth_pct
from gengauge_suites.memorisation.vendi import entropy_without_each, score_of, vendi


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


def share_by_definition(x, train):
    own = torch.cdist(train, train).fill_diagonal_(torch.inf).min(1).values
    gap, index = torch.cdist(x, train).min(1)
    return float((gap > own[index]).double().mean())


def test_authentic_share_agrees_with_the_definition():
    x, train = normal(300, 5, 1), normal(250, 5, 2)
    score = auth_pct(evidence(samples=x, test=normal(90, 5, 3), train=train), Plain())
    assert score.value == pytest.approx(share_by_definition(x, train), abs=1e-12)
    assert (score.n_samples, score.n_reference, score.split) == (300, 250, "train")
    assert score.interval.low < score.value < score.interval.high


def test_where_training_and_test_data_are_one_set_the_pass_is_shared():
    x, y = normal(300, 5, 1), normal(250, 5, 2)
    score = auth_pct(evidence(samples=x, test=y, train=y.clone()), Plain())
    assert score.value == pytest.approx(share_by_definition(x, y), abs=1e-12)


def test_copies_are_never_authentic_and_far_samples_always():
    train, test = normal(200, 4, 1), normal(90, 4, 2)
    copies = auth_pct(evidence(samples=train[:100], test=test, train=train), Plain())
    assert copies.value == 0
    assert copies.interval.high > 0
    far = auth_pct(evidence(samples=normal(80, 4, 3) + 50, test=test, train=train), Plain())
    assert far.value == 1


def test_too_few_training_examples_are_unscored():
    found = evidence(samples=normal(80, 4, 3), test=normal(90, 4, 2), train=normal(9, 4, 1))
    assert "at least 40 training examples, got 9" in auth_pct(found, Plain()).reason


def test_orthogonal_clusters_count_themselves():
    x = torch.eye(8, dtype=torch.float64).repeat(20, 1) * 3
    score = vendi(evidence(samples=x, test=x), Plain())
    assert score.value == pytest.approx(8)
    assert score.protocol == {"size": 160}


def test_equal_samples_are_one():
    score = vendi(evidence(samples=torch.ones(90, 5), test=torch.ones(90, 5)), Plain())
    assert score.value == pytest.approx(1)
    assert score.interval.low == pytest.approx(1)
    assert score.interval.high == pytest.approx(1)


def test_more_samples_than_the_size_are_scored_in_sets():
    x = normal(2100, 6, 1) + 1
    score = vendi(evidence(samples=x, test=x), Plain())
    assert score.protocol == {"size": 1000}
    assert score.n_samples == 2000
    fewer = vendi(evidence(samples=x[:1050], test=x), Plain())
    assert abs(fewer.value - score.value) < 4 * fewer.interval.standard_error


def test_features_without_direction_are_unscored():
    x = normal(100, 4, 1)
    x[7] = 0
    assert "1 samples are all zero" in vendi(evidence(samples=x, test=x), Plain()).reason


def entropy_by_definition(x):
    values = torch.linalg.eigvalsh(x @ x.T / len(x)).clamp_min(1e-300)
    return float(-(values * values.log()).sum())


@pytest.mark.parametrize(("n", "d"), [(30, 50), (60, 8), (40, 40)])
def test_left_out_entropies_are_those_of_the_rest(n, d):
    x = normal(n, d, 1) + 0.3
    x[3] = x[4]  # a singular Gram matrix
    x /= torch.linalg.vector_norm(x, dim=1, keepdim=True)
    whole, found = entropy_without_each(x)
    assert whole == pytest.approx(entropy_by_definition(x), rel=1e-12)
    expected = [entropy_by_definition(x[torch.arange(n) != i]) for i in range(n)]
    assert found.tolist() == pytest.approx(expected, rel=1e-10)


def test_the_score_is_the_exponential_of_the_mean_entropy():
    x = normal(120, 10, 1)
    x /= torch.linalg.vector_norm(x, dim=1, keepdim=True)
    value, _ = score_of((x[:60], x[60:]))
    parts = [entropy_by_definition(x[:60]), entropy_by_definition(x[60:])]
    assert value == pytest.approx(math.exp(sum(parts) / 2), rel=1e-10)
