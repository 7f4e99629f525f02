"""The variational autoencoder: its decoder is a distribution, its bounds are bounds."""

import math

import pytest
import torch
from scipy import stats

from gengauge import Budget, FitRun
from gengauge.registry import Registry, load_target
from gengauge_plugins.networks.decoders import Gaussian
from gengauge_plugins.networks.logistic import DiscretisedLogistic
from gengauge_plugins.vae.prior import MixturePrior
from gengauge_plugins.vae.vae import VAE


@pytest.fixture(scope="module")
def digits():
    spec = Registry().datasets["digits"]
    return load_target(spec.target)(spec)


@pytest.fixture(scope="module")
def vae(digits):
    model = VAE(latent=8, hidden=96, lr=5e-3)
    model.fit(digits.for_training(), FitRun(seed=0, budget=Budget.parse("400 steps")))
    return model


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_levels_sum_to_one_wherever_the_location_lies(levels):
    decoder = DiscretisedLogistic(levels)
    locations = torch.linspace(-4, 4, 41).double()
    scales = torch.linspace(-4, 4, 9).double()
    h = torch.cartesian_prod(locations, scales)  # [m, 2]
    every = torch.arange(levels).view(levels, 1, 1)
    total = decoder.log_likelihood(every, h.expand(levels, -1, 2)).exp().sum(0)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-9)


def test_mass_is_the_logistic_distribution_of_the_bin():
    decoder, h = DiscretisedLogistic(17), torch.tensor([[0.25, 0.3]]).double()
    location, inverse = (float(v) for v in decoder._location_scale(h))
    law = stats.logistic(location, 1 / inverse)
    for level in range(17):
        low = -math.inf if level == 0 else level - 0.5
        high = math.inf if level == 16 else level + 0.5
        came = float(decoder.log_likelihood(torch.tensor([[level]]), h).exp())
        assert abs(came - (law.cdf(high) - law.cdf(low))) < 1e-12


def test_draws_follow_the_mass():
    decoder, h = DiscretisedLogistic(5), torch.tensor([[0.3, -0.5]])
    drawn = decoder.sample(h.expand(40000, 2), torch.Generator().manual_seed(0)).flatten()
    expected = decoder.log_likelihood(torch.arange(5).view(5, 1), h.expand(5, 2)).exp().flatten()
    assert torch.allclose(torch.bincount(drawn.int(), minlength=5) / 40000, expected, atol=0.01)


def test_gaussian_decoder_is_the_normal_density_in_the_datas_units():
    decoder = Gaussian(torch.tensor([2.0]), torch.tensor([3.0]))
    h = torch.tensor([[0.5, -0.2]])
    law = stats.norm(2.0 + 3.0 * 0.5, 3.0 * math.exp(-0.2))
    came = decoder.log_likelihood(torch.tensor([[4.0]]), h)
    assert abs(float(came) - law.logpdf(4.0)) < 1e-5


def test_more_importance_samples_tighten_the_bound(vae, digits):
    weights = vae.log_weights(digits.test.x, 64, torch.Generator().manual_seed(0))
    assert weights.shape == (64, len(digits.test.x))
    elbo = weights.mean(0)
    iwae = torch.logsumexp(weights, 0) - math.log(64)
    assert (elbo <= iwae + 1e-9).all()
    assert float(iwae.mean() - elbo.mean()) > 0.1


def test_training_leaves_independent_pixels_behind(vae, digits):
    weights = vae.log_weights(digits.test.x, 64, torch.Generator().manual_seed(0))
    bits = -float((torch.logsumexp(weights, 0) - math.log(64)).mean()) / 64 / math.log(2)
    assert bits < 2.4  # independent pixels: 2.43


def test_reconstructions_resemble_their_originals(vae, digits):
    x = digits.test.x.float()
    error = float((vae.reconstruct(digits.test.x).float() - x).pow(2).mean())
    assert error < 0.5 * float((x - x.mean(0)).pow(2).mean())


def test_mean_decoding_is_the_expected_level():
    decoder, h = DiscretisedLogistic(17), torch.tensor([[0.8, 0.6]])
    mass = decoder.log_likelihood(torch.arange(17).view(17, 1), h.expand(17, 2)).exp().flatten()
    assert int(decoder.mean(h)) == round(float(mass @ torch.arange(17.0)))


def test_decode_chooses_between_draws_and_means(vae, digits):
    means = VAE(latent=8, hidden=96, decode="mean")
    means.network, means.shape = vae.network, vae.shape
    drawn = vae.sample(200, None, torch.Generator().manual_seed(0)).float()
    centre = means.sample(200, None, torch.Generator().manual_seed(0)).float()
    # the same latents: what differs is the observation noise, which has a variance of its own
    assert float((drawn - centre).pow(2).mean()) > 0.5
    assert float(centre.var(0).sum()) < float(drawn.var(0).sum())


def prior(components: int) -> MixturePrior:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mixture = MixturePrior(components, latent=2)
        for parameter in mixture.parameters():
            parameter.data += 0.4 * torch.randn_like(parameter)
    return mixture


def test_the_mixture_prior_is_the_density_of_its_gaussians():
    mixture = prior(5)
    law = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=mixture.logits),
        torch.distributions.Independent(
            torch.distributions.Normal(mixture.mean, mixture.log_std.exp()), 1
        ),
    )
    z = torch.randn(3, 7, 2, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(mixture.log_prob(z), law.log_prob(z), atol=1e-4)


@pytest.mark.parametrize("components", [1, 5])
def test_draws_follow_the_prior(components):
    mixture, generator = prior(components), torch.Generator().manual_seed(2)
    noise, u = torch.randn(50000, 2, generator=generator), torch.rand(50000, generator=generator)
    drawn = mixture.place(noise, u).detach()
    side = torch.linspace(-8, 8, 321)
    grid = torch.cartesian_prod(side, side)
    mass = mixture.log_prob(grid).detach().exp() * 0.05**2
    assert float(mass.sum()) == pytest.approx(1, abs=0.01)
    for power in (1, 2):
        expected = (mass[:, None] * grid**power).sum(0)
        assert torch.allclose((drawn**power).mean(0), expected, atol=0.05)


@pytest.mark.parametrize("components", [1, 5])
def test_the_divergence_is_that_of_the_log_densities(components):
    mixture, n = prior(components), 200000
    mean, log_std = torch.tensor([0.3, -0.2]), torch.tensor([-0.5, 0.1])
    z = mean + log_std.exp() * torch.randn(n, 2, generator=torch.Generator().manual_seed(3))
    law = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    expected = float((law.log_prob(z) - mixture.log_prob(z)).detach().mean())
    came = mixture.divergence(z, mean.expand(n, 2), log_std.expand(n, 2)).mean().detach()
    assert float(came) == pytest.approx(expected, abs=0.02)


def test_a_new_mixture_covers_the_standard_normal():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mixture = MixturePrior(4096, latent=3)
    generator = torch.Generator().manual_seed(4)
    noise, u = torch.randn(50000, 3, generator=generator), torch.rand(50000, generator=generator)
    assert torch.allclose(mixture.place(noise, u).std(0), torch.ones(3), atol=0.05)
