"""The flow with labels, with learned noise, and by convolutions."""

import math

import pytest
import torch
from flows import exact, fitted, inside, slope
from torch.autograd.functional import jacobian
from worlds import load

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge_plugins.flow.flow import Flow
from gengauge_plugins.flow.glow.layers import ActNorm, InvertibleConv, squeeze, unsqueeze
from gengauge_plugins.flow.glow.network import Glow
from gengauge_plugins.flow.noise import VariationalNoise

STREAM = torch.Generator
NORMAL = torch.distributions.Normal(0.0, 1.0)


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """A network that is not the identity anywhere: what starts at zero is moved."""
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return module.double()


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 4), (1, 8, 8), (2, 4, 6)], ids=str)
@pytest.mark.parametrize("label", [None, 1])
def test_a_multiscale_flow_of_any_picture_is_exact(shape, label):
    glow = shaken(Glow(shape, steps=2, width=6, classes=0 if label is None else 3))
    labels = None if label is None else torch.tensor([label])
    z = torch.randn(1, math.prod(shape), generator=STREAM().manual_seed(0), dtype=torch.float64)
    matrix = jacobian(lambda v: glow(v[None], labels)[0][0], z[0])
    noise, log_det = glow(z, labels)
    assert abs(float(torch.linalg.slogdet(matrix).logabsdet - log_det)) < 1e-8
    assert torch.allclose(glow.inverse(noise, labels), z, atol=1e-8)


def test_a_first_batch_leaves_actnorm_standard():
    x = 5 * torch.randn(64, 3, 4, 4, generator=STREAM().manual_seed(0)) - 2
    norm = ActNorm(3)
    norm.initialise(x)
    y, log_det = norm(x)
    assert torch.allclose(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(y.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5)
    assert abs(float(log_det) + 16 * 3 * math.log(5)) < 2


def test_an_invertible_convolution_starts_as_a_rotation():
    layer = InvertibleConv(5)
    x = torch.randn(2, 5, 3, 3, generator=STREAM().manual_seed(0))
    y, log_det = layer(x)
    assert abs(float(log_det)) < 1e-4
    assert torch.allclose(y.norm(dim=1), x.norm(dim=1), atol=1e-5)
    assert torch.allclose(layer.inverse(y), x, atol=1e-5)


def test_squeezing_keeps_neighbours_together():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert squeeze(x)[0, :, 0, 0].tolist() == [0, 1, 4, 5]
    assert torch.equal(unsqueeze(squeeze(x)), x)


@pytest.fixture(scope="module", params=["nsf", "maf", "glow"])
def labelled(request) -> Flow:
    return fitted(request.param, 17, conditional=True)


def test_within_a_class_the_density_is_exact(labelled):
    network, x = exact(labelled), inside(labelled, 3)
    for one, label in zip(x, torch.arange(3), strict=True):
        y = label[None]
        expected = float(NORMAL.log_prob(network(one[None], y)).sum()) + slope(network, one, y)
        assert abs(float(network.log_prob(one[None], y)) - expected) < 1e-8


def test_classes_are_summed_by_their_frequencies(labelled):
    x = inside(labelled, 5).view(5, *labelled.shape)
    each = torch.stack([labelled.log_prob_given(x, torch.full((5,), c)) for c in range(3)], 1)
    assert torch.allclose(labelled.log_prob(x), each.logsumexp(1) - math.log(3), atol=1e-3)


def test_bayes_rule_gives_the_class():
    x = torch.randn(600, 2, generator=STREAM().manual_seed(0))
    y = torch.arange(600) % 3 // 2  # two thirds are of class 0
    split = Split(x + 6 * y[:, None], y)
    data = Dataset("two", "points", split, split, split, class_names=("a", "b", "none"))
    model = Flow(conditional=True, transforms=2, hidden=16)
    model.fit(data, FitRun(0, Budget.parse("60 steps")))
    found = model.class_probabilities(split.x)
    assert (found.argmax(1) == y).double().mean() > 0.98
    assert torch.allclose(found.sum(1), torch.ones(600).double())
    assert (found[:, 2] == 0).all()
    drawn = model.sample(3000, None, STREAM().manual_seed(1)).mean(1)
    assert abs(float((drawn > 3).double().mean()) - 1 / 3) < 0.05
    with pytest.raises(UnsupportedError, match="class 2 has no training example"):
        model.sample(1, torch.tensor([2]), STREAM())


def test_without_labels_there_are_no_classes():
    model = fitted("realnvp", None)
    for ask in (
        lambda: model.class_probabilities(torch.zeros(1, 4)),
        lambda: model.log_prob_given(torch.zeros(1, 4), torch.zeros(1)),
    ):
        with pytest.raises(UnsupportedError, match="set conditional=true"):
            ask()


@pytest.mark.parametrize("shape", [(5,), (1, 4, 4)], ids=str)
def test_learned_noise_knows_its_density(shape):
    """log q(u | x) = log N(e) - log |du/de|, the determinant taken by autograd."""
    noise = shaken(VariationalNoise(shape, 4, 6))
    x = torch.randint(4, (1, math.prod(shape)), generator=STREAM().manual_seed(0))
    seen = x.double() * (2 / 3) - 1
    base = torch.randn(x.shape, generator=STREAM().manual_seed(1)).double()
    matrix = jacobian(lambda e: torch.special.ndtr(noise.moved(e, seen)[0])[0], base)[:, 0]
    u, log_q = noise(x, STREAM().manual_seed(1))
    expected = NORMAL.log_prob(base).sum() - torch.linalg.slogdet(matrix).logabsdet
    reached = torch.special.ndtr(noise.moved(base, seen)[0])
    assert torch.allclose(u, reached.clamp(1e-7, 1 - 1e-7), rtol=0, atol=1e-12)
    assert abs(float(log_q - expected)) < 1e-8


def test_learned_noise_of_pictures_begins_uniform():
    noise = VariationalNoise((1, 4, 4), 4, 6)
    u, log_q = noise(torch.zeros(2000, 16, dtype=torch.int64), STREAM().manual_seed(0))
    assert float(log_q.abs().max()) < 1e-3
    assert abs(float(u.mean()) - 0.5) < 0.01
    assert abs(float(u.var()) - 1 / 12) < 0.01


def test_the_bound_is_that_of_the_noise_it_was_trained_with():
    data = load("digits").limited(300)
    for noise in ("uniform", "variational"):
        model = Flow(kind="realnvp", hidden=32, noise=noise)
        model.fit(data, FitRun(0, Budget.parse("60 steps")))
        x = data.test.x
        bound = model.bound(x, STREAM().manual_seed(0))
        y = (x.double() + torch.rand(x.shape, generator=STREAM().manual_seed(0)).double()) / 17
        plain = model.log_prob(y) - 64 * math.log(17)
        gap = float((bound - plain).mean().abs())
        assert gap < 0.5 if noise == "uniform" else gap > 0.05


def test_a_picture_that_cannot_be_halved_is_refused():
    x = torch.randn(20, 1, 7, 7, generator=STREAM().manual_seed(0))
    data = Dataset("odd", "image", Split(x), Split(x), Split(x))
    with pytest.raises(ValueError, match=r"even sides .* shape \[1, 7, 7\]; take kind=nsf"):
        Flow(kind="glow").fit(data, FitRun(0, Budget.parse("1 steps")))
