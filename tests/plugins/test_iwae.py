"""The importance-weighted objective: its value, its gradient, and the gap it is known for."""

import math

import pytest
import torch
import worlds

from gengauge import Budget, FitRun
from gengauge_plugins.networks.logistic import DiscretisedLogistic
from gengauge_plugins.vae.iwae import IWAE
from gengauge_plugins.vae.network import Architecture, Network
from gengauge_plugins.vae.objectives import negative_elbo, negative_iwae
from gengauge_plugins.vae.vae import VAE


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(components: int = 1) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network(DiscretisedLogistic(5), Architecture((1, 1, 3), 2, 8, components))


X = torch.randint(5, (6, 3), generator=stream(1))


@pytest.mark.parametrize("components", [1, 4])
def test_the_objective_is_the_bound_of_its_weights(components):
    net, k = network(components), 7
    noise = torch.randn(k, 6, 2, generator=stream(2))
    weights = net.log_weights(X, None, noise)
    expected = -(weights.logsumexp(0) - math.log(k)).mean() / 3
    came = negative_iwae(net, X, None, k, 1.0, stream(2))
    assert float(came.detach()) == pytest.approx(float(expected.detach()), abs=1e-5)


def test_one_sample_is_the_elbo_in_expectation():
    net, n = network(), 4000
    x = X[:1].expand(n, 3)
    one = float(negative_iwae(net, x, None, 1, 1.0, stream(3)).detach())
    assert one == pytest.approx(
        float(negative_elbo(net, x, None, 1.0, stream(4)).detach()), abs=0.02
    )


def gradients(net: Network, doubly: bool, k: int, repeats: int) -> dict[str, torch.Tensor]:
    """Gradients of each parameter ``[repeats, numbers]``; plainly, through log-weights alone."""
    found: dict[str, list[torch.Tensor]] = {name: [] for name, _ in net.named_parameters()}
    for i in range(repeats):
        net.zero_grad()
        if doubly:
            loss = negative_iwae(net, X, None, k, 1.0, stream(i))
        else:
            noise = torch.randn(k, len(X), 2, generator=stream(10**6 + i))
            loss = -net.log_weights(X, None, noise).logsumexp(0).mean() / 3
        loss.backward()
        for name, parameter in net.named_parameters():
            found[name].append(parameter.grad.flatten().double().clone())
    return {name: torch.stack(each) for name, each in found.items()}


def test_the_doubly_reparameterised_gradient_is_the_plain_one_with_less_noise():
    net, repeats = network(), 1500
    plain, doubly = (gradients(net, way, 8, repeats) for way in (False, True))
    quieter = []
    for name, one in plain.items():
        other = doubly[name]
        error = ((one.var(0) + other.var(0)) / repeats).sqrt()
        assert ((one.mean(0) - other.mean(0)).abs() < 5 * error + 1e-7).all(), name
        if name.startswith("encoder"):
            quieter.append(float(other.var(0).sum() / one.var(0).sum()))
    assert max(quieter) < 0.7


@pytest.fixture(scope="module")
def trained():
    """Both objectives in the classic setting: normal prior, two dense layers, coins."""
    data = worlds.load("digits/binary")
    weights = {}
    for name, made in (("vae", VAE), ("iwae", lambda **given: IWAE(16, **given))):
        model = made(components=1, hidden=100, latent=16, lr=2e-3)
        model.fit(data.for_training(), FitRun(0, Budget.parse("400 steps")))
        weights[name] = model.log_weights(data.test.x, 500, stream())
    return weights


def bound(weights: torch.Tensor, k: int) -> torch.Tensor:
    return weights[:k].logsumexp(0) - math.log(k)


def surely_above(difference: torch.Tensor, least: float) -> bool:
    """Whether a mean over test examples is above ``least`` beyond its 99.9 % interval."""
    return float(difference.mean() - 3.3 * difference.std() / len(difference) ** 0.5) > least


def test_training_on_the_tighter_bound_shows_on_static_binary_digits(trained):
    """0.9 to 1.4 nats where the field's tables say about 2 to 3 on 28 x 28 (Burda et al.)."""
    assert surely_above(bound(trained["iwae"], 500) - bound(trained["vae"], 500), 0.6)


def test_the_tighter_bound_of_one_model_shows_too(trained):
    for name, least in (("vae", 0.2), ("iwae", 1.5)):
        weights = trained[name]
        gap = bound(weights, 50) - weights.mean(0)
        assert surely_above(gap, least)
        assert not surely_above(bound(weights, 500) - bound(weights, 50), 0.2)  # and is converging


def test_the_codes_of_the_weighted_objective_are_worse(trained):
    assert surely_above(trained["vae"].mean(0) - trained["iwae"].mean(0), 0.2)
