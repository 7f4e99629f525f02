"""Likelihood within a class against closed forms, and labels that go with their rows."""

import math

import pytest
import torch
from standins import ProbabilisticPCA, StandIn, UniformMass, evidence, normal

from gengauge.errors import UnsupportedError
from gengauge.registry import Registry
from gengauge_suites.likelihood.given_class import bits_per_dim_given_class, nll_given_class
from gengauge_suites.likelihood.metrics import bits_per_dim, nll

BITS = {"k": 4, "draws": 3, "dequantise": "importance"}
MANY = 5000  # more than are evaluated together


class Shifted(StandIn):
    """Normal about the class's number, in the plane."""

    def log_prob(self, x):
        return -0.5 * x.double().pow(2).sum(1) - math.log(2 * math.pi)

    def log_prob_given(self, x, labels):
        return self.log_prob(x.double() - labels[:, None])


class ShiftedPCA(ProbabilisticPCA):
    """Probabilistic PCA about the class's number, with its importance weights."""

    def log_weights_given(self, x, labels, k, generator):
        return self.log_weights(x - labels[:, None], k, generator)


class OneLevel(StandIn):
    """Every value is the class's number with chance 1/2, else any of the others."""

    def __init__(self, levels):
        self.levels = levels

    def log_mass_given(self, x, labels):
        hit = (x.flatten(1) == labels[:, None]).double()
        return (hit * math.log(0.5) + (1 - hit) * math.log(0.5 / (self.levels - 1))).sum(1)


class OneBin(StandIn):
    """The same as a density, constant within each level's bin."""

    def __init__(self, levels):
        self.mass = OneLevel(levels)

    def log_prob_given(self, y, labels):
        x, levels = y.mul(self.mass.levels).floor(), self.mass.levels
        return self.mass.log_mass_given(x, labels) + x[0].numel() * math.log(levels)


def asked(n=MANY):
    labels = torch.randint(3, (n,), generator=torch.Generator().manual_seed(1))
    return normal(n, 2, seed=2) + labels[:, None], labels


def test_every_row_keeps_its_label_through_batches():
    x, labels = asked()
    score = nll_given_class(evidence(Shifted(), test=x, labels=labels), k=1)
    expected = -Shifted().log_prob(x - labels[:, None])
    assert torch.allclose(score.per_example, expected, atol=1e-12)
    assert score.kind == "exact"
    assert score.interval.low < math.log(2 * math.pi) + 1 < score.interval.high
    assert nll(evidence(Shifted(), test=x, labels=labels), 1, 4).value > score.value + 0.5


def test_importance_weights_keep_their_labels_and_bound():
    weight, (_, labels) = normal(2, 1, seed=1), asked()
    x = normal(MANY, 1, 3) @ weight.T + normal(MANY, 2, 4, scale=0.5) + labels[:, None]
    exact = ShiftedPCA(weight, 0.5)
    score = nll_given_class(evidence(exact, test=x, labels=labels), k=20)
    truth = exact.log_density(x - labels[:, None])
    assert torch.allclose(score.per_example, -truth, atol=1e-9)
    assert (score.kind, score.details["method"]) == ("upper_bound", "IWAE-20")
    loose = nll_given_class(evidence(ShiftedPCA(weight, 0.5, 2.0), test=x, labels=labels), k=1)
    # a proposal of twice the variance in one dimension: KL = (2 - 1 - ln 2) / 2
    assert loose.value - score.value == pytest.approx((1 - math.log(2)) / 2, abs=0.03)
    assert loose.details["effective_sample_size"]["of"] == 1


def pictures(levels=5, n=MANY):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(levels, (n,), generator=generator)
    return torch.randint(levels, (n, 1, 2, 2), generator=generator).to(torch.uint8), labels


def test_a_mass_is_exact_and_a_density_of_the_same_cells_dequantises_to_it():
    x, labels = pictures()
    mass, density = (
        bits_per_dim_given_class(evidence(kind(5), test=x, levels=5, labels=labels), **BITS)
        for kind in (OneLevel, OneBin)
    )
    hits = float((x.flatten(1) == labels[:, None]).double().mean())
    expected = hits * 1 + (1 - hits) * math.log2(8)
    assert mass.value == pytest.approx(expected, abs=1e-12)
    assert density.value == pytest.approx(expected, abs=1e-12)
    assert (mass.kind, density.kind) == ("exact", "upper_bound")
    assert set(density.details["dequantised"]) == {"importance", "uniform"}


def test_a_label_that_tells_nothing_gains_nothing():
    class Blind(UniformMass):
        def log_mass_given(self, x, labels):
            return self.log_mass(x)

    x, labels = pictures()
    found = evidence(Blind(5), test=x, levels=5, labels=labels)
    given, plain = bits_per_dim_given_class(found, **BITS), bits_per_dim(found, **BITS, terms=4)
    assert given.value == pytest.approx(plain.value, abs=1e-12)


def test_dequantisation_noise_is_that_of_bits_per_dim():
    seen = []

    class Spy(OneBin):
        def log_prob(self, y):
            seen.append(y)
            return torch.zeros(len(y))

        def log_prob_given(self, y, labels):
            seen.append(y)
            return torch.zeros(len(y))

    x, labels = pictures(n=50)
    found = evidence(Spy(5), test=x, levels=5, labels=labels)
    bits_per_dim(found, **BITS, terms=4)
    bits_per_dim_given_class(found, **BITS)
    assert all(torch.equal(a, b) for a, b in zip(seen[:3], seen[3:], strict=True))


def test_what_cannot_be_asked_is_unscored_in_words():
    x, labels = asked(6)
    score = nll_given_class(evidence(StandIn(), test=x, labels=labels), k=1)
    assert score.reason == "has neither a likelihood within a class nor a bound on it"
    image, mark = pictures(n=6)
    assert bits_per_dim_given_class(
        evidence(StandIn(), test=image, levels=5, labels=mark), **BITS
    ).reason
    with pytest.raises(UnsupportedError, match="no class labels"):
        nll_given_class(evidence(Shifted(), test=x), k=1)
    for name in ("nll_given_class", "bits_per_dim_given_class"):
        metric, data = Registry().metrics[name], Registry().datasets
        fits = {
            d for d in ("digits", "points/moons", "points/checkerboard") if metric.fits(data[d])
        }
        assert fits == {"digits" if name[0] == "b" else "points/moons"}
