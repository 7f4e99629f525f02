"""The continuous flow: derivatives, divergence and determinant are autograd's, both directions."""

import math

import pytest
import torch
from torch.autograd.functional import jacobian

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge_plugins.flow.continuous.continuous import ContinuousFlow
from gengauge_plugins.flow.continuous.field import Field, divergence, unit_directions
from gengauge_plugins.flow.continuous.network import Network
from gengauge_plugins.flow.continuous.whiten import Whiten
from gengauge_suites.likelihood import flow_ode

NORMAL = torch.distributions.Normal(0.0, 1.0)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(n: int = 400, classes: int = 2) -> Dataset:
    y = torch.arange(n) % classes
    x = torch.randn(n, 2, generator=stream()) * torch.tensor([1.0, 30.0]) + 8 * y[:, None]
    return Dataset("two", "points", Split(x, y), Split(x[:100], y[:100]), Split(x[:50], y[:50]))


def fitted(steps: str = "20 steps", **given: object) -> ContinuousFlow:
    model = ContinuousFlow(hidden=16, batch_size=128, **given)  # type: ignore[arg-type]
    model.fit(points(), FitRun(0, Budget.parse(steps)))
    return model


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """A network in float64 that is not the identity: its last layer starts at zero."""
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=stream(parameter.numel()))
    return module.double().requires_grad_(False)


def network(steps: int, classes: int = 0) -> Network:
    return shaken(Network(Whiten(3), hidden=12, depth=2, classes=classes, steps=steps))


@pytest.mark.parametrize("depth", [1, 3])
def test_derivatives_that_come_with_the_field_are_autograds(depth):
    field = shaken(Field(4, hidden=8, depth=depth, context=2))
    z, context = torch.randn(2, 4, generator=stream()).double(), torch.tensor([[0.3, 1.0]]).double()
    directions = unit_directions(z)
    v, slopes = field(z, context, directions)
    for i in range(2):
        matrix = jacobian(lambda one: field.velocity(one[None], context)[0], z[i])
        assert torch.allclose(slopes[:, i].T, matrix, atol=1e-12)
        assert abs(float(divergence(directions, slopes)[i] - matrix.trace())) < 1e-12
    assert torch.allclose(v, field.velocity(z, context))


def test_random_signs_estimate_the_divergence_without_bias():
    field = shaken(Field(6, hidden=8, depth=2, context=1))
    z = torch.randn(1, 6, generator=stream()).double().expand(4000, 6)
    signs = 2.0 * torch.randint(2, (1, 4000, 6), generator=stream(1)).double() - 1
    time = torch.zeros(1, 1).double()
    guesses = divergence(signs, field(z, time, signs)[1])
    every = unit_directions(z[:1])
    exact = divergence(every, field(z[:1], time, every)[1])
    assert guesses.std() > 0
    assert abs(float(guesses.mean() - exact)) < 5 * float(guesses.std()) / math.sqrt(4000)


@pytest.mark.parametrize("label", [None, 1])
def test_the_divergences_integral_is_the_maps_determinant(label):
    """Of 40 steps: a step's own determinant is only nearly that of the integral."""
    net = network(40, classes=0 if label is None else 2)
    labels = None if label is None else torch.tensor([label])
    z = torch.randn(1, 3, generator=stream()).double()
    matrix = jacobian(lambda one: net.to_noise(one[None], labels, None)[0][0], z[0])
    noise, log_det, _ = net.to_noise(z, labels, None)
    assert abs(float(torch.linalg.slogdet(matrix).logabsdet - log_det)) < 1e-6
    assert torch.allclose(net.from_noise(noise, labels, 40), z, atol=1e-6)
    assert not torch.allclose(noise, z, atol=1e-2)


def test_the_harness_integrates_what_was_trained():
    model = fitted()
    model.network.double()
    x = points().test.x.double()
    found, _ = flow_ode.log_density(model, x, 20, None)
    model.network.steps = 20
    noise, log_det, _ = model.network.to_noise(model.network.whiten(x), None, None)
    own = NORMAL.log_prob(noise).sum(1) + log_det + model.network.whiten.log_det
    assert torch.allclose(found, own.detach(), atol=1e-6)


def test_few_steps_solve_what_many_do():
    """The penalty keeps paths smooth: those of training and of sampling tell one density."""
    model = fitted()
    fine, evaluations = model.sample_in(32, 200, None, stream(3))
    coarse, _ = model.sample_in(model.sampling_steps, 200, None, stream(3))
    assert evaluations == 128
    assert (fine - coarse).abs().max() < 1e-2 * fine.std()
    assert model.evaluations_per_sample == 4 * model.sampling_steps


def test_whitened_data_is_standard_and_comes_back():
    x = torch.randn(3000, 3, generator=stream()).double().cumsum(1) * torch.tensor([1e-4, 1, 1e5])
    whiten = Whiten.of(x)
    z = whiten(x)
    assert torch.allclose(z.T.cov(), torch.eye(3).double(), atol=5e-3)
    assert torch.allclose(whiten.inverse(z), x, rtol=1e-9)
    slope = jacobian(lambda one: whiten(one[None])[0], x[0])
    assert torch.allclose(torch.linalg.slogdet(slope).logabsdet, whiten.log_det)


def test_levels_that_never_vary_are_whitened_by_their_noise():
    x = torch.full((50, 2), 0.5).double()
    assert torch.allclose(Whiten.of(x, noise=0.1).root, 0.1 * torch.eye(2).double())


def test_training_beats_the_gaussian_it_starts_from():
    model, x = fitted("80 steps"), points().test.x
    whiten = model.network.whiten
    gaussian = NORMAL.log_prob(whiten(x)).sum(1) + whiten.log_det
    found, _ = flow_ode.log_density(model, x, 10, None)
    assert float(found.mean()) > float(gaussian.mean()) + 0.1


def test_labels_tell_which_class_is_asked_for():
    model = fitted("80 steps", conditional=True)
    drawn = model.sample(400, torch.arange(400) % 2, stream(1))[:, 0]
    right = (drawn > 4).long() == torch.arange(400) % 2
    assert right.double().mean() > 0.9


def test_what_was_not_learned_cannot_be_asked_for():
    with pytest.raises(UnsupportedError, match="unconditional"):
        fitted("2 steps").sample(1, torch.tensor([0]), stream())
    with pytest.raises(UnsupportedError, match="class 5 has no training example"):
        fitted("2 steps", conditional=True).sample(1, torch.tensor([5]), stream())
    x = torch.ones(20, 2)
    data = Dataset("ones", "points", Split(x), Split(x), Split(x))
    with pytest.raises(ValueError, match="the 20 of ones are equal"):
        ContinuousFlow().fit(data, FitRun(0, Budget.parse("1 steps")))
