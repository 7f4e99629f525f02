"""Likelihoods beside closed forms of torch.distributions and scipy, and text beside torchmetrics.

A metric is given a model whose likelihood a library knows; what is compared is all that happens
between the model's answer and the score.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from agreement import budget
from scipy import stats
from shared_features import peer
from sklearn.mixture import GaussianMixture
from standins import LinearGaussian, ProbabilisticPCA, StandIn, evidence, normal
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal
from torch.nn.functional import cross_entropy

from gengauge.data import Split, dequantise
from gengauge_suites.likelihood.ais import ais
from gengauge_suites.likelihood.given_class import bits_per_dim_given_class, nll_given_class
from gengauge_suites.likelihood.metrics import bits_per_dim, elbo, excess_nll, iwae, nll
from gengauge_suites.likelihood.ode import ode_bits_per_dim, ode_nll
from gengauge_suites.likelihood.text import bits_per_char, perplexity

WEIGHT, NOISE = normal(6, 3, seed=1), 0.3
GIVEN = {"k": 4, "terms": 4}
ODE = {"steps": 100, "probes": 4, "examples": 300}


def pca_log_density(x):
    """Probabilistic PCA in closed form, as torch has it."""
    zero, noise = torch.zeros(6).double(), torch.full((6,), NOISE**2).double()
    return LowRankMultivariateNormal(zero, WEIGHT, noise).log_prob(x)


def pca_data(n):
    return normal(n, 3, seed=2) @ WEIGHT.T + NOISE * normal(n, 6, seed=3)


class Density(StandIn):
    def __init__(self, log_prob):
        self.log_prob = log_prob


def test_nll_is_scikit_learns_score():
    x = torch.cat([normal(200, 2, 1) + 3, normal(200, 2, 2)])
    machine = GaussianMixture(3, random_state=0).fit(x.numpy())
    parts = MultivariateNormal(*(torch.from_numpy(v) for v in (machine.means_,
                                                               machine.covariances_)))  # fmt: skip
    weights = torch.distributions.Categorical(torch.from_numpy(machine.weights_))
    model = Density(torch.distributions.MixtureSameFamily(weights, parts).log_prob)
    test = normal(300, 2, 4) + 1
    allowed = budget("nll", "scikit-learn, GaussianMixture.score")
    ours = nll(evidence(model, test=test), **GIVEN).value
    assert ours == pytest.approx(-machine.score(test.numpy()), **allowed)


def test_excess_is_scipys_density_less_its_entropy():
    x = normal(500, 3, 1)
    truth = stats.multivariate_normal(np.zeros(3))

    class Known:
        entropy = float(
            MultivariateNormal(torch.zeros(3).double(), torch.eye(3).double()).entropy()
        )

        def log_prob(self, x):
            return torch.from_numpy(truth.logpdf(x.numpy()))

    model = Density(MultivariateNormal(torch.ones(3).double(), torch.eye(3).double()).log_prob)
    wrong = stats.multivariate_normal(np.ones(3))
    theirs = -wrong.logpdf(x.numpy()).mean() - truth.entropy()
    ours = excess_nll(evidence(model, test=x, truth=Known()), **GIVEN).value
    assert ours == pytest.approx(theirs, **budget("excess_nll", "scipy, logpdf and entropy"))


class Tabled(StandIn):
    """Independent tokens or levels, each with the logit of its number."""

    logits = torch.linspace(0, 3, 17, dtype=torch.float64).sin() * 2

    def log_mass(self, x):
        return self.logits.log_softmax(0)[x.long()].flatten(1).sum(1)


def levels(n=200, shape=(1, 4, 4)):
    return torch.randint(17, (n, *shape), generator=torch.Generator().manual_seed(0))


def crossed(x, reduction):
    """torch's cross-entropy of the table, nats."""
    logits = Tabled.logits.expand(x.numel(), 17)
    return float(cross_entropy(logits, x.flatten(), reduction=reduction))


def test_bits_per_dim_are_cross_entropy_in_bits():
    x = levels()
    ours = bits_per_dim(evidence(Tabled(), test=x, levels=17), 4, 2, "importance", 4)
    theirs = crossed(x, "mean") / math.log(2)
    assert ours.kind == "exact"
    assert ours.value == pytest.approx(theirs, **budget("bits_per_dim", "torch, cross-entropy"))


def test_dequantised_bits_per_dim_are_the_formula_on_a_beta_density():
    """-log p(y) / (D ln 2) + log2(levels) at uniform y within each level's bin (Theis et al.)."""
    x, law = levels(), stats.beta(2, 2)
    model = Density(lambda y: torch.from_numpy(law.logpdf(y.numpy())).flatten(1).sum(1))
    found = evidence(model, test=x, levels=17)
    y = dequantise(x, 17, found.generator("dequantise"))
    theirs = -law.logpdf(y.numpy()).mean() / math.log(2) + math.log2(17)
    ours = bits_per_dim(found, 4, 1, "uniform", 4).value
    assert ours == pytest.approx(theirs, **budget("bits_per_dim", "scipy, dequantised density"))


def test_nats_within_a_class_are_scipys():
    labels, means = torch.arange(300) % 3, normal(3, 2, 5)
    x = normal(300, 2, 6) + means[labels]

    class Classes(StandIn):
        def log_prob_given(self, x, labels):
            return MultivariateNormal(means[labels], torch.eye(2).double()).log_prob(x)

    by_class = [stats.multivariate_normal(m.numpy()).logpdf(x.numpy()) for m in means]
    theirs = -np.choose(labels.numpy(), by_class).mean()
    ours = nll_given_class(evidence(Classes(), test=x, labels=labels), 4).value
    allowed = budget("nll_given_class", "scipy, a density for each class")
    assert ours == pytest.approx(theirs, **allowed)


def test_bits_within_a_class_are_cross_entropy_in_bits():
    x, labels = levels(), torch.arange(200) % 3
    logits = normal(3, 17, 7)

    class Classes(StandIn):
        def log_mass_given(self, x, labels):
            each = logits.log_softmax(1)[labels]
            return each.gather(1, x.flatten(1).long()).sum(1)

    rows = logits[labels].repeat_interleave(16, 0)
    theirs = float(cross_entropy(rows, x.flatten())) / math.log(2)
    found = evidence(Classes(), test=x, levels=17, labels=labels)
    ours = bits_per_dim_given_class(found, 4, 2, "importance").value
    allowed = budget("bits_per_dim_given_class", "torch, cross-entropy within the class")
    assert ours == pytest.approx(theirs, **allowed)


def test_bounds_with_the_true_posterior_are_the_closed_form():
    x, model = pca_data(300), ProbabilisticPCA(WEIGHT, NOISE)
    theirs = float(pca_log_density(x).mean())
    found = evidence(model, test=x)
    ours = {"elbo": elbo(found, **GIVEN).value, "iwae": iwae(found, 16).value}
    for metric, value in ours.items():
        allowed = budget(metric, "torch.distributions, exact posterior")
        assert value == pytest.approx(theirs, **allowed), metric


def test_many_importance_samples_of_a_poor_proposal_come_to_the_closed_form():
    x = pca_data(400)
    ours = iwae(evidence(ProbabilisticPCA(WEIGHT, NOISE, widen=2.0), test=x), 2000).value
    theirs = float(pca_log_density(x).mean())
    assert ours == pytest.approx(theirs, **budget("iwae", "torch.distributions, wide proposal"))


def test_annealing_comes_to_the_closed_form():
    x = pca_data(30)
    found = evidence(LinearGaussian(WEIGHT, NOISE), test=x)
    ours = ais(found, examples=30, temperatures=400, chains=16, leapfrog=4).value
    theirs = float(pca_log_density(x).mean())
    assert ours == pytest.approx(theirs, **budget("ais", "torch.distributions, closed form"))


class Flow(StandIn):
    """The variance-preserving probability flow of N(MEAN, SPREAD^2), schedule of Song et al."""

    mean, spread = torch.tensor([0.4, 0.6]).double(), torch.tensor([0.2, 0.5]).double()

    def velocity(self, x, t):
        signal = torch.exp(-0.5 * (0.1 * t + 0.5 * 19.9 * t**2))[:, None]
        variance = signal**2 * self.spread**2 + 1 - signal**2
        score = -(x.flatten(1) - signal * self.mean) / variance
        flat = -0.5 * (0.1 + 19.9 * t)[:, None] * (x.flatten(1) + score)
        return flat.reshape(x.shape)

    def log_base(self, x):
        signal = math.exp(-0.5 * (0.1 + 0.5 * 19.9))
        deviation = (signal**2 * self.spread**2 + 1 - signal**2).sqrt()
        law = torch.distributions.Normal(signal * self.mean, deviation)
        return law.log_prob(x.flatten(1)).sum(1)


def flow_log_density(x):
    return MultivariateNormal(Flow.mean, torch.diag(Flow.spread**2)).log_prob(x.flatten(1))


def test_the_flow_of_a_gaussian_has_its_density():
    x = Flow.mean + Flow.spread * normal(300, 2, 1)
    ours = ode_nll(evidence(Flow(), test=x), **ODE).value
    theirs = -float(flow_log_density(x).mean())
    assert ours == pytest.approx(theirs, **budget("ode_nll", "torch.distributions, closed form"))


def test_the_flow_of_a_gaussian_has_its_bits():
    x = levels(300, (1, 1, 2))
    found = evidence(Flow(), test=x, levels=17)
    y = dequantise(x, 17, found.generator("dequantise"))
    theirs = -float(flow_log_density(y.double()).mean()) / (2 * math.log(2)) + math.log2(17)
    allowed = budget("ode_bits_per_dim", "torch.distributions, closed form")
    assert ode_bits_per_dim(found, **ODE).value == pytest.approx(theirs, **allowed)


def test_perplexity_is_that_of_torchmetrics():
    x = levels(100, (12,))
    theirs = peer("torchmetrics.functional.text").perplexity(Tabled.logits.expand(100, 12, 17), x)
    found = evidence(Tabled(), test=x, levels=17)
    found.dataset = replace(found.dataset, modality="text")
    ours = perplexity(found, **GIVEN).value
    assert ours == pytest.approx(float(theirs), **budget("perplexity", "torchmetrics"))


def test_bits_per_character_are_summed_cross_entropy_over_characters():
    x = levels(100, (12,))
    characters = 12 + (x % 4).sum(1)
    found = evidence(Tabled(), test=x, levels=17)
    test = Split(x, characters=characters)
    found.dataset = replace(found.dataset, modality="text", test=test)
    theirs = crossed(x, "sum") / math.log(2) / int(characters.sum())
    allowed = budget("bits_per_char", "torch, cross-entropy")
    assert bits_per_char(found, **GIVEN).value == pytest.approx(theirs, **allowed)
