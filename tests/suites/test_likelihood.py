"""Likelihoods against closed forms."""

import math

import pytest
import torch
from standins import ProbabilisticPCA, StandIn, UniformDensity, UniformMass, evidence, normal

from gengauge_suites.datasets.points import density
from gengauge_suites.likelihood import estimates
from gengauge_suites.likelihood.metrics import bits_per_dim, elbo, excess_nll, iwae, nll

BITS = {"k": 4, "draws": 3, "dequantise": "importance", "terms": 4}
LEVELS = pytest.mark.parametrize("levels", [2, 17, 256])


def images(levels, n=50):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(levels, (n, 1, 4, 4), generator=generator).to(torch.uint8)


class LogisticLogits(StandIn):
    """The logit of every value is standard logistic, which makes the value itself uniform."""

    def log_prob(self, y):
        logit = y.log() - (-y).log1p()
        log_pdf = -logit - 2 * torch.nn.functional.softplus(-logit)
        return (log_pdf - y.log() - (-y).log1p()).flatten(1).sum(1)


@LEVELS
@pytest.mark.parametrize("model", [UniformDensity(), LogisticLogits()])
def test_uniform_density_needs_exactly_log2_levels_bits(model, levels):
    score = bits_per_dim(evidence(model, test=images(levels), levels=levels), **BITS)
    assert score.value == pytest.approx(math.log2(levels), abs=1e-10)
    assert score.kind == "upper_bound"


@LEVELS
def test_uniform_mass_needs_exactly_log2_levels_bits(levels):
    score = bits_per_dim(evidence(UniformMass(levels), test=images(levels), levels=levels), **BITS)
    assert score.value == pytest.approx(math.log2(levels), abs=1e-12)
    assert score.kind == "exact"


PCA_WEIGHT = normal(5, 2, seed=1)


def pca(widen):
    return ProbabilisticPCA(PCA_WEIGHT, 0.5, widen)


def pca_data(n=2000):
    return normal(n, 2, seed=2) @ PCA_WEIGHT.T + normal(n, 5, seed=3, scale=0.5)


def test_exact_posterior_makes_the_elbo_the_likelihood():
    x = pca_data()
    score = elbo(evidence(pca(1.0), test=x), k=3, terms=4)
    truth = pca(1.0).log_density(x)
    assert score.kind == "lower_bound"
    assert (score.per_example - truth).abs().max() < 1e-11
    assert score.value == pytest.approx(float(truth.mean()), abs=1e-12)


def test_importance_samples_close_the_gap_of_a_wide_proposal():
    x = pca_data()
    truth = float(pca(1.0).log_density(x).mean())
    found = [iwae(evidence(pca(2.0), test=x), k=k) for k in (1, 10, 100)]
    gaps = [truth - score.value for score in found]
    # A proposal of twice the variance in q = 2 dimensions: KL = (q / 2) (2 - 1 - ln 2).
    assert gaps[0] == pytest.approx(1 - math.log(2), abs=0.05)
    assert gaps[0] > 5 * gaps[1] > 25 * gaps[2] > -1e-3
    size = found[2].details["effective_sample_size"]
    # (E w)^2 / E w^2 = (3/4)^(q/2) of k draws for that proposal
    assert size["mean"] / 100 == pytest.approx(0.75, abs=0.02)


def test_nll_of_a_latent_variable_model_is_an_upper_bound_from_the_same_weights():
    x, calls = pca_data(300), []

    class Counting(ProbabilisticPCA):
        def log_weights(self, x, k, generator):
            calls.append(len(x))
            return super().log_weights(x, k, generator)

    found = evidence(Counting(PCA_WEIGHT, 0.5, 2.0), test=x)
    upper, lower = nll(found, k=8, terms=4), iwae(found, k=8)
    assert upper.value == pytest.approx(-lower.value, abs=1e-12)
    assert (upper.kind, lower.kind) == ("upper_bound", "lower_bound")
    assert sum(calls) == len(x)  # the encoder saw each example once


def test_effective_sample_size_is_k_for_equal_weights_and_1_for_one():
    weights = torch.tensor([[3.0, 0.0], [3.0, -800.0], [3.0, -800.0]], dtype=torch.float64)
    assert estimates.effective_sample_size(weights).tolist() == pytest.approx([3, 1])


@pytest.mark.parametrize(("widen", "warned"), [(1.0, False), (100.0, True)])
def test_a_poor_effective_sample_size_is_said_in_words(widen, warned):
    found = evidence(ProbabilisticPCA(PCA_WEIGHT, 0.01, widen), test=pca_data(200))
    for score in (iwae(found, k=20), nll(found, k=20, terms=4)):
        size = score.details["effective_sample_size"]["mean"]
        assert (size < 2) == warned
        assert ("fewer than 2 count" in score.details.get("warning", "")) == warned


def test_the_interval_of_nll_covers_the_truth_as_often_as_it_says():
    """Exact model of a skewed likelihood: E[-log p] = entropy of a standard normal in the plane."""

    class Normal(StandIn):
        def log_prob(self, x):
            return -0.5 * x.pow(2).sum(1) - math.log(2 * math.pi)

    truth, inside, repeats = math.log(2 * math.pi) + 1, 0, 600
    for seed in range(repeats):
        interval = nll(evidence(Normal(), test=normal(60, 2, seed=seed)), 1, 4).interval
        inside += interval.low <= truth <= interval.high
    assert 0.90 <= inside / repeats <= 0.99


class Truthful(StandIn):
    def __init__(self, truth):
        self.log_prob = truth.log_prob


def test_the_truth_has_no_excess_and_a_shift_has_its_divergence():
    truth = density("eight-gaussians")
    x = truth.sample(20_000, torch.Generator().manual_seed(4))
    score = excess_nll(evidence(Truthful(truth), test=x, truth=truth), k=1, terms=4)
    assert abs(score.value) < 4 * score.interval.standard_error
    assert score.interval.low < score.value < score.interval.high
    assert score.details["paired"] == [0, 0]

    class Shifted(StandIn):
        def log_prob(self, x):
            return truth.log_prob(x - 0.05)

    shifted = excess_nll(evidence(Shifted(), test=x, truth=truth), k=1, terms=4)
    low, high = shifted.details["paired"]
    # well-separated round modes of scale 0.25: KL = |shift|^2 / (2 * 0.25^2)
    assert low < 0.005 / (2 * 0.25**2) < high
    assert shifted.kind == "exact"


def test_zero_density_is_unscored_with_a_count():
    x = torch.tensor([[0.5, 0.5], [2.0, 0.5], [0.1, 0.2], [0.5, -1.0]])
    score = nll(evidence(UniformDensity(), test=x), k=1, terms=4)
    assert score.value is None
    assert score.reason == "2 of 4 test examples have zero density"


def test_models_without_the_capability_are_unscored_with_a_reason():
    found = evidence(StandIn(), test=torch.zeros(4, 2))
    for score in (nll(found, 1, 4), elbo(found, 1, 4), iwae(found, 1)):
        assert score.value is None
        assert score.reason
    assert bits_per_dim(evidence(StandIn(), test=images(4), levels=4), **BITS).reason
    assert elbo(evidence(UniformDensity(), test=torch.rand(4, 2)), 1, 4).reason


def test_a_wrong_shape_is_an_error_rather_than_a_broadcast():
    class Wrong(StandIn):
        def log_prob(self, x):
            return torch.zeros(len(x), 1)

    with pytest.raises(ValueError, match=r"returned shape \[4, 1\], expected \[4\]"):
        nll(evidence(Wrong(), test=torch.zeros(4, 2)), k=1, terms=4)


class Bounded(StandIn):
    """Its own bound, two nats below the standard normal."""

    def bound(self, x, generator):
        return -0.5 * x.pow(2).sum(1) - math.log(2 * math.pi) - 2


def test_the_strongest_answer_is_taken():
    class Weighted(Bounded):
        def log_weights(self, x, k, generator):
            return (self.bound(x, generator) + 1).expand(k, len(x))

    class Dense(Weighted):
        def log_prob(self, x):
            return self.bound(x, None) + 2

    x = normal(50, 2, seed=7)
    truth = float(-Dense().log_prob(x).mean())
    found = [nll(evidence(model, test=x), 4, 4) for model in (Dense(), Weighted(), Bounded())]
    assert [s.value - truth for s in found] == pytest.approx([0, 1, 2])
    assert [s.kind for s in found] == ["exact", "upper_bound", "upper_bound"]
    assert [s.details["method"] for s in found] == [
        "density", "IWAE-4", "the model's variational bound",
    ]  # fmt: skip
    assert excess_nll(evidence(Bounded(), test=x, truth=Normals()), 4, 4).kind == "upper_bound"


class Normals:
    entropy = math.log(2 * math.pi) + 1

    def log_prob(self, x):
        return -0.5 * x.pow(2).sum(1) - math.log(2 * math.pi)


def test_a_bound_of_ones_own_is_an_elbo():
    x = normal(50, 2, seed=7)
    score = elbo(evidence(Bounded(), test=x), 4, 4)
    assert score.kind == "lower_bound"
    assert score.value == pytest.approx(float(Bounded().bound(x, None).mean()))


def test_an_attribute_of_the_same_name_is_no_inference_network():
    class Mixture(UniformDensity):
        log_weights = torch.zeros(3)

    score = elbo(evidence(Mixture(), test=torch.rand(4, 2)), 1, 4)
    assert "no inference network" in score.reason
