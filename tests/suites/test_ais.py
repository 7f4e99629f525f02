"""Annealed importance sampling against probabilistic PCA, whose likelihood is known."""

import math

import pytest
import torch
from standins import LinearDecoder, LinearGaussian, ProbabilisticPCA, StandIn, evidence, normal

from gengauge_suites.likelihood import annealing
from gengauge_suites.likelihood.ais import Sampler, ais
from gengauge_suites.likelihood.observation import Noisy

WEIGHT = normal(6, 3, seed=1)
NOISE = 0.3
SMALL = {"examples": 40, "temperatures": 60, "chains": 2, "leapfrog": 4}


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def truth(x):
    return ProbabilisticPCA(WEIGHT, NOISE).log_density(x)


def sandwiched(temperatures, n=300, chains=1):
    """Return forward and reverse estimates and the truth on data from the model, ``[n]`` each."""
    model = LinearGaussian(WEIGHT, NOISE)
    z = model.draw_prior(n, stream(1))
    x = model.draw_observation(z, stream(2))
    sampler = Sampler(model, model, temperatures, 4, stream(3))
    sampler.learn(x)
    low = annealing.log_mean(sampler.forward(x, chains).log_weights, chains)
    return low, sampler.reverse(x, z, chains), truth(x)


def test_forward_and_reverse_sandwich_the_truth_and_narrow():
    gaps = []
    for temperatures in (10, 40, 160):
        low, high, true = sandwiched(temperatures)
        for below, above in ((low, true), (true, high)):
            slack = 3 * float((above - below).std()) / math.sqrt(len(true))
            assert float((above - below).mean()) > -slack
        gaps.append(float((high - low).mean()))
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0
    assert gaps[2] < 1.2


def test_weights_are_unbiased_in_both_directions():
    low, high, true = sandwiched(80, n=2000)
    for ratio in ((low - true).exp(), (true - high).exp()):
        error = float(ratio.std()) / math.sqrt(len(ratio))
        assert float(ratio.mean()) == pytest.approx(1, abs=4 * error)
        assert error < 0.06


def test_more_chains_tighten_both_sides():
    one, many = sandwiched(15), sandwiched(15, chains=8)
    assert float(many[0].mean()) > float(one[0].mean())
    assert float(many[1].mean()) < float(one[1].mean())


def test_the_score_bounds_the_truth_and_says_how_loose_it_is():
    x = LinearGaussian(WEIGHT, NOISE).draw_observation(normal(40, 3, seed=5), stream(6))
    score = ais(evidence(LinearGaussian(WEIGHT, NOISE), test=x), **SMALL)
    short = truth(x).mean() - score.value
    simulated = score.details["simulated"]
    assert score.kind == "lower_bound"
    assert score.n_reference == 40
    assert -0.1 < short < 2 * simulated["gap"] + 0.2
    assert simulated["gap"] == pytest.approx(simulated["reverse"] - simulated["forward"])
    assert simulated["gap_standard_error"] > 0
    assert 0.7 < score.details["acceptance"] < 0.9  # the adapted steps hold what they aimed at
    assert score.details["observation"] == {"model": "the model's own"}


def test_a_generator_without_noise_is_given_the_datas():
    """W z exactly, while the data has noise of 0.3 about it: validation must find that out."""
    model = LinearGaussian(WEIGHT, NOISE)
    held_out, test = (
        model.draw_observation(normal(40, 3, seed=s), stream(s)) for s in (7, 8)
    )  # fmt: skip
    found = evidence(LinearDecoder(WEIGHT), test=test, validation=held_out)
    score = ais(found, **{**SMALL, "temperatures": 200})
    chosen = score.details["observation"]
    assert 0.75 * NOISE < math.sqrt(chosen["variance"]) < 1.33 * NOISE
    assert chosen["units"] == "the data's"
    assert "variance chosen on validation" in score.protocol["observation"]
    same = ProbabilisticPCA(WEIGHT, math.sqrt(chosen["variance"])).log_density(test).mean()
    assert score.value == pytest.approx(float(same), abs=0.4)
    assert score.value < float(same) + 0.1


@pytest.mark.parametrize("levels", [2, 5, 256])
def test_noise_about_a_decoder_is_a_mass_on_levels(levels):
    decoder = LinearDecoder(torch.tensor([[0.3]], dtype=torch.float64))
    every = torch.arange(levels)[:, None]
    for deviation in (1e-3, 0.05, 3.0):
        model = Noisy(decoder, torch.tensor([deviation]), levels)
        for z in (-2.0, 0.0, 1.1, 9.0):
            mass = model.log_observation(every, torch.full((levels, 1), z).double()).exp()
            assert float(mass.sum()) == pytest.approx(1, abs=1e-12)
    drawn = model.draw_observation(torch.full((20_000, 1), 1.1).double(), stream())
    expected = model.log_observation(every, torch.full((levels, 1), 1.1).double()).exp()
    share = torch.bincount(drawn.flatten().long(), minlength=levels) / 20_000
    assert torch.allclose(share.double(), expected, atol=0.015)


def test_a_levelled_generator_is_scored_with_a_mass():
    decoder = LinearDecoder(0.03 * WEIGHT, shift=0.5)
    model = Noisy(decoder, torch.tensor([0.05]), 16)
    x, held_out = (model.draw_observation(normal(40, 3, seed=s), stream(s)) for s in (1, 2))
    score = ais(evidence(decoder, test=x, validation=held_out, levels=16), **SMALL)
    deviation = math.sqrt(score.details["observation"]["variance"])
    assert 0.03 < deviation < 0.08
    assert score.details["observation"]["units"] == "levels scaled to 0 .. 1"
    assert -6 * math.log(16) < score.value < 0


def test_the_same_twice_and_the_same_examples_for_every_model():
    x = normal(90, 6, seed=3)
    few = {**SMALL, "temperatures": 20}
    one, two, other = (
        ais(evidence(LinearGaussian(WEIGHT, noise), test=x), **few) for noise in (0.9, 0.9, 1.0)
    )
    assert torch.equal(one.per_example, two.per_example)
    assert one.n_reference == other.n_reference == 40
    # both rank examples alike, as both saw the same
    ranks = torch.stack([one.per_example, other.per_example])
    assert float(torch.corrcoef(ranks)[0, 1]) > 0.7


def test_a_prior_in_other_units_is_no_harder():
    """z scaled a thousandfold and the weights as much down is the same model."""

    class Stretched(LinearGaussian):
        def draw_prior(self, n, generator):
            return 1000 * super().draw_prior(n, generator)

        def log_prior(self, z):
            return super().log_prior(z / 1000) - z.shape[1] * math.log(1000)

        def decode(self, z):
            return super().decode(z / 1000)

    x = LinearGaussian(WEIGHT, NOISE).draw_observation(normal(40, 3, seed=5), stream(6))
    plain, stretched = (
        ais(evidence(kind(WEIGHT, NOISE), test=x), **SMALL) for kind in (LinearGaussian, Stretched)
    )
    assert stretched.value == pytest.approx(plain.value, abs=0.1)


def test_what_cannot_be_annealed_says_why():
    assert "no decoder" in ais(evidence(StandIn(), test=torch.zeros(4, 6)), **SMALL).reason
    bare = evidence(LinearDecoder(WEIGHT), test=torch.zeros(4, 6).double())
    assert "validation examples" in ais(bare, **SMALL).reason
    one = evidence(LinearGaussian(WEIGHT, 1.0), test=torch.zeros(1, 6).double())
    assert "at least 2" in ais(one, **SMALL).reason

    class Wrong(LinearGaussian):
        def log_observation(self, x, z):
            return super().log_observation(x, z)[:, None]

    with pytest.raises(ValueError, match=r"log_observation returned shape"):
        ais(evidence(Wrong(WEIGHT, 1.0), test=torch.zeros(4, 6).double()), **SMALL)
