"""Perplexity and bits per character against counted cases."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from standins import StandIn, UniformMass, evidence

from gengauge.data import Split
from gengauge_suites.likelihood.text import bits_per_char, perplexity

GIVEN = {"k": 4, "terms": 4}


class Tabled(StandIn):
    """Independent tokens, each with the logit of its number."""

    def __init__(self, logits):
        self.logits = logits.log_softmax(0)

    def log_mass(self, x):
        return self.logits[x.long()].sum(1)


def text(model, n=200, length=12, vocabulary=7, seed=0, counted=True):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(vocabulary, (n, length), generator=generator)
    characters = length + (x % 4).sum(1) if counted else None
    found = evidence(model, test=x, levels=vocabulary)
    test = Split(x, characters=characters)
    found.dataset = replace(found.dataset, modality="text", test=test)
    return found


@pytest.mark.parametrize("vocabulary", [2, 7, 50257])
def test_a_uniform_model_is_as_perplexed_as_its_vocabulary_is_large(vocabulary):
    score = perplexity(text(UniformMass(vocabulary), vocabulary=vocabulary), **GIVEN)
    assert score.value == pytest.approx(vocabulary, rel=1e-12)
    assert score.kind == "exact"
    assert score.interval.low <= score.value * (1 + 1e-12)


def test_bits_per_character_is_a_ratio_of_sums():
    found = text(UniformMass(7))
    counts = found.dataset.test.characters
    score = bits_per_char(found, **GIVEN)
    assert score.value == pytest.approx(200 * 12 * math.log2(7) / float(counts.sum()), rel=1e-12)
    mean_of_ratios = float((12 * math.log2(7) / counts).mean())
    assert score.value < mean_of_ratios - 0.001
    assert score.details["characters"] == int(counts.sum())
    assert float(score.per_example.mean()) == pytest.approx(score.value)


def test_perplexity_is_exp_of_the_nats_per_token():
    model = Tabled(torch.linspace(0, 2, 7))
    found = text(model)
    nats = -model.log_mass(found.dataset.test.x)
    score = perplexity(found, **GIVEN)
    assert score.value == pytest.approx(math.exp(float(nats.sum()) / (200 * 12)))
    assert score.details["tokens"] == 2400
    assert score.details["nats_per_token"] == pytest.approx(math.log(score.value))
    assert score.interval.low < score.value < score.interval.high
    # the interval is not symmetric: exp of one that is
    low, high = math.log(score.interval.low), math.log(score.interval.high)
    assert (low + high) / 2 == pytest.approx(math.log(score.value))
    assert float(score.per_example.mean()) == pytest.approx(score.value)


def test_intervals_cover_the_truth_as_often_as_they_say():
    logits = torch.linspace(0, 3, 7)
    model, repeats = Tabled(logits), 300
    nats = -float(model.logits.double().mean())  # tokens are uniform
    per_character = nats / (1 + float(torch.arange(7).remainder(4).double().mean()))
    inside = np.zeros(2)
    for seed in range(repeats):
        found = text(model, n=80, length=4, seed=seed)
        truths = (math.exp(nats), per_character / math.log(2))
        for i, (metric, truth) in enumerate(zip((perplexity, bits_per_char), truths, strict=True)):
            interval = metric(found, **GIVEN).interval
            inside[i] += interval.low <= truth <= interval.high
    assert ((inside / repeats >= 0.90) & (inside / repeats <= 0.99)).all()


def test_bounds_are_upper_bounds_and_refusals_have_reasons():
    class Bounded(StandIn):
        def bound(self, x, generator):
            return torch.full((len(x),), -x.shape[1] * math.log(9.0), dtype=torch.float64)

    score = perplexity(text(Bounded()), **GIVEN)
    assert score.kind == "upper_bound"
    assert score.value == pytest.approx(9)
    assert "raw characters" in bits_per_char(text(UniformMass(7), counted=False), **GIVEN).reason
    assert "neither a likelihood" in perplexity(text(StandIn()), **GIVEN).reason
    assert "at least 2" in perplexity(text(UniformMass(7), n=1), **GIVEN).reason
    certain = Tabled(torch.tensor([0.0] * 6 + [-math.inf]))
    assert "zero density" in perplexity(text(certain), **GIVEN).reason
    empty = text(UniformMass(7))
    counts = empty.dataset.test.characters.clone()
    counts[3] = 0
    test = replace(empty.dataset.test, characters=counts)
    empty.dataset = replace(empty.dataset, test=test)
    assert "1 test examples stand for no characters" in bits_per_char(empty, **GIVEN).reason
