"""Completions of real beginnings, by models whose every probability is known."""

import numpy as np
import pytest
import torch
from standins import StandIn

from gengauge import Dataset, Evidence, Split
from gengauge.errors import UnsupportedError
from gengauge.registry import Registry
from gengauge_suites.alignment.completion import completion_accuracy

LENGTH, TOKENS = 6, 5


def texts(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(TOKENS, (n, LENGTH), generator=generator)


def gathered(model, n=400, conditions=("prefix",)):
    train = torch.full((10, LENGTH), 3)
    data = Dataset("made", "text", Split(train), Split(texts(n, 1)), Split(texts(n)), TOKENS)
    return Evidence(data, model, texts(n, 2), seed=0, conditions=conditions)


class Repeats(StandIn):
    """Goes on with the last token it was given with chance ``p``, else with any of the others."""

    def __init__(self, p):
        self.p = p

    def sample(self, n, condition, generator):
        move = torch.randint(1, TOKENS, (n, LENGTH), generator=generator)
        stay = torch.rand(n, LENGTH, generator=generator) < self.p
        going_on = (condition[:, -1:] + torch.where(stay, 0, move)) % TOKENS
        return torch.cat([condition, going_on[:, : LENGTH - condition.shape[1]]], 1)


@pytest.mark.parametrize("p", [0.2, 0.7, 1.0])
def test_the_expectation_is_the_mean_probability_of_the_true_token(p):
    evidence = gathered(Repeats(p), n=4000)
    x = evidence.dataset.test.x
    same = float((x[:, 3] == x[:, 2]).double().mean())
    expected = same * p + (1 - same) * (1 - p) / (TOKENS - 1)
    score = completion_accuracy(evidence)
    assert score.value == pytest.approx(expected, abs=4 * score.interval.standard_error + 1e-12)
    assert (score.kind, score.n_samples, score.details["given"]) == ("estimate", 4000, 3)
    assert score.interval.method == "wilson"


def test_the_interval_covers_the_expectation():
    found = []
    for seed in range(200):
        evidence = gathered(Repeats(0.4), n=100)
        evidence.seed = seed
        x = evidence.dataset.test.x
        same = float((x[:, 3] == x[:, 2]).double().mean())
        interval = completion_accuracy(evidence).interval
        found.append(interval.low <= same * 0.4 + (1 - same) * 0.15 <= interval.high)
    assert 0.9 <= np.mean(found) <= 0.995


def test_only_the_first_token_is_judged_and_the_whole_text_is_not_shown():
    class Knows(StandIn):
        asked = None

        def sample(self, n, condition, generator):
            self.asked = condition
            x = texts(n)
            x[:, 4:] = (x[:, 4:] + 1) % TOKENS
            return x

    model = Knows()
    score = completion_accuracy(gathered(model))
    assert (score.value, score.interval.high) == (1.0, 1.0)
    assert torch.equal(model.asked, texts(400)[:, :3])


def test_guessing_the_commonest_token_is_shown_beside_it():
    score = completion_accuracy(gathered(Repeats(1.0)))
    share = float((texts(400)[:, 3] == 3).double().mean())
    assert score.details["always_the_commonest"] == pytest.approx(share)


def test_completions_of_something_else_are_not_scored():
    class Deaf(StandIn):
        def sample(self, n, condition, generator):
            x = texts(n)
            x[:7, 1] = (x[:7, 1] + 1) % TOKENS
            return x

    score = completion_accuracy(gathered(Deaf()))
    assert score.reason == "7 of 400 completions do not begin with what was asked for"
    with pytest.raises(UnsupportedError, match="takes no prefix condition"):
        completion_accuracy(gathered(Deaf(), conditions=("class",)))


def test_it_is_measured_on_text_alone():
    registry = Registry()
    metric = registry.metrics["completion_accuracy"]
    fits = {d.modality for d in registry.datasets.values() if metric.fits(d)}
    assert fits == {"text"}
