"""The Gaussian mixture against scikit-learn, and in the corners where EM breaks."""

from itertools import pairwise

import pytest
import torch
from sklearn.mixture import GaussianMixture as Estimator

from gengauge import Budget, Dataset, FitRun, Split
from gengauge_plugins.mixture.forms import Mixture
from gengauge_plugins.mixture.gaussians import Gaussians
from gengauge_plugins.mixture.gmm import GaussianMixture

KINDS = ("full", "tied", "diag", "spherical")


def points(x: torch.Tensor) -> Dataset:
    part = len(x) // 4
    return Dataset("x", "points", Split(x[: 2 * part]), Split(x[2 * part : 3 * part]),
                   Split(x[3 * part :]))  # fmt: skip


def cloud(n: int = 800, d: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    centres = 3 * torch.randn(4, d, generator=generator)
    which = torch.randint(4, (n,), generator=generator)
    return centres[which] + torch.randn(n, d, generator=generator)


def fitted(x: torch.Tensor, budget: str = "20 steps", **parameters) -> GaussianMixture:
    model = GaussianMixture(**parameters)
    model.fit(points(x), FitRun(seed=0, budget=Budget.parse(budget)))
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_density_and_responsibilities_equal_scikit_learn(kind):
    """Also where the fit was of other units: the log-Jacobian turns its density back."""
    shift, scale = torch.tensor([5.0, -2.0, 0.5]).double(), torch.tensor([10.0, 0.1, 1.0]).double()
    z = cloud().double()
    peer = Estimator(5, covariance_type=kind, random_state=0).fit(z.numpy())
    fit = Mixture(*(torch.as_tensor(a) for a in (peer.weights_, peer.means_, peer.covariances_)))
    found = Gaussians.of([fit], kind, torch.ones(1), shift, scale).log_joint(z * scale + shift)
    expected = torch.as_tensor(peer.score_samples(z.numpy())) - scale.log().sum()
    torch.testing.assert_close(found.logsumexp(1), expected, rtol=1e-10, atol=1e-10)
    probabilities = torch.as_tensor(peer.predict_proba(z.numpy()))
    torch.testing.assert_close(found.softmax(1), probabilities, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_follow_the_density(kind):
    model = fitted(cloud(), components=4, covariance=kind)
    x = model.sample(20000, None, torch.Generator().manual_seed(0)).double()
    weights, means = model.gaussians.log_mixing.exp(), model.gaussians.means
    assert torch.allclose(x.mean(0), weights @ means, atol=0.1)
    # entropy two ways: drawn points score on average what an independent draw scores
    again = model.sample(20000, None, torch.Generator().manual_seed(1)).double()
    assert abs(float(model.log_prob(x).mean() - model.log_prob(again).mean())) < 0.05
    which = model.responsibilities(x).mean(0)
    assert torch.allclose(which, weights, atol=0.02)


def test_likelihood_rises_and_the_best_iteration_is_kept():
    model = GaussianMixture(components=4, regularisation=1e-3)
    run = FitRun(seed=0, budget=Budget.parse("40 steps"))
    data = points(cloud())
    model.fit(data, run)
    train = [-point["train_loss"] for point in run.curve]
    assert all(b >= a - 1e-6 for a, b in pairwise(train))
    best = max(-point["validation_loss"] for point in run.curve)
    assert abs(float(model.log_prob(data.validation.x).mean()) - best) < 1e-6


def test_duplicates_and_too_many_components_survive():
    few = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]).repeat(8, 1)
    model = fitted(few, components=6, regularisation=1e-12)
    assert torch.isfinite(model.log_prob(few)).all()
    assert len(model.gaussians.means) == 3  # no more than there are different examples
    assert fitted(cloud(24), components=50).gaussians.means.shape[0] == 12


def test_a_value_that_never_varies_is_survived():
    x = cloud()
    x[:, 1] = 4.0
    model = fitted(x, components=3)
    drawn = model.sample(100, None, torch.Generator().manual_seed(0))
    assert torch.allclose(drawn[:, 1], torch.full((100,), 4.0), atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "count"),
    [("full", 1 + 6 + 12), ("tied", 1 + 6 + 6), ("diag", 1 + 6 + 6), ("spherical", 1 + 6 + 2)],
)
def test_parameters_are_counted(kind, count):
    assert fitted(cloud(), components=2, covariance=kind).n_parameters == count


@pytest.mark.parametrize("kind", KINDS)
def test_denoising_is_the_posterior_mean(kind):
    """Tweedie's formula: x + sigma^2 times the gradient of the noisy density's logarithm."""
    x, sigma = cloud(), 0.7
    model = fitted(x, components=4, covariance=kind)
    fit = model.gaussians
    factors = fit.factors[fit.which]
    full = torch.stack([f.diag() if f.ndim == 1 else f for f in factors])
    covariance = torch.linalg.inv(full @ full.transpose(1, 2)) + sigma**2 * torch.eye(3)
    noisy_density = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=fit.log_mixing),
        torch.distributions.MultivariateNormal(fit.means, covariance),
    )
    noisy = (x[:50].double() + sigma).requires_grad_()
    noisy_density.log_prob(noisy).sum().backward()
    expected = noisy.detach() + sigma**2 * noisy.grad
    torch.testing.assert_close(model.denoise(noisy.detach(), sigma), expected)


def test_denoising_levels_takes_and_gives_levels():
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(17, (400, 1, 1, 2), generator=generator).to(torch.uint8)
    x[:, :, :, 1] = x[:, :, :, 0]  # equal pixels: noise on one is corrected by the other
    data = Dataset("x", "image", Split(x[:200]), Split(x[200:300]), Split(x[300:]), levels=17)
    model = GaussianMixture(components=6)
    model.fit(data, FitRun(seed=0, budget=Budget.parse("20 steps")))
    clean = x[:200].double()
    assert torch.allclose(model.denoise(clean, 1e-6), clean, atol=1e-3)
    noisy = clean + 2 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    error = (model.denoise(noisy, 2.0) - clean).pow(2).mean()
    assert float(error) < 0.7 * float((noisy - clean).pow(2).mean())
