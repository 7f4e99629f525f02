"""The flow: exact inverse, and a log-determinant that is the Jacobian's, of every kind."""

import pytest
import torch
from flows import exact, fitted, inside, slope
from torch.autograd.functional import jacobian
from worlds import load

from gengauge import Budget, Dataset, FitRun, Split
from gengauge_plugins.flow.flow import Flow
from gengauge_plugins.flow.kinds import VECTOR_KINDS, Shape, VectorFlow, masks, orders
from gengauge_plugins.flow.preprocess import Logit, Standardise
from gengauge_plugins.flow.quantiles import Quantiles

NORMAL = torch.distributions.Normal(0.0, 1.0)
KINDS = [*((kind, None) for kind in VECTOR_KINDS), ("nsf", 17), ("maf", 17), ("glow", 17),
         ("glow", None)]  # fmt: skip


@pytest.fixture(scope="module", params=KINDS, ids=str)
def flow(request) -> Flow:
    return fitted(*request.param)


def test_log_prob_is_the_change_of_variables(flow):
    """log p(x) = log N(f(x)) + log |det df/dx|, the determinant taken by autograd."""
    network = exact(flow)
    for one in inside(flow):
        expected = float(NORMAL.log_prob(network(one[None])[0]).sum()) + slope(network, one)
        assert abs(float(network.log_prob(one[None])) - expected) < 1e-8
        single = float(flow.log_prob(one.view(1, *flow.shape)))
        assert abs(single - expected) < 1e-3


def test_inverse_returns_the_data_and_the_noise(flow):
    network, x = exact(flow), inside(flow)
    noise = torch.randn(4, x.shape[1], generator=torch.Generator().manual_seed(2)).double()
    assert torch.allclose(network.inverse(network(x)), x, atol=1e-8)
    assert torch.allclose(network(network.inverse(noise)), noise, atol=1e-5)


def test_the_inverse_has_the_inverse_determinant(flow):
    network = exact(flow)
    x = inside(flow, 1)
    noise = network(x)[0].detach()
    back = torch.linalg.slogdet(jacobian(lambda v: network.inverse(v[None])[0], noise)).logabsdet
    assert abs(float(back) + slope(network, x[0])) < 1e-6


def test_a_single_value_is_a_flow_too():
    for kind in VECTOR_KINDS:
        flow = VectorFlow(1, kind, Shape(2, 8, 4)).double()
        z = torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None].requires_grad_()
        noise, log_det = flow(z)
        [slopes] = torch.autograd.grad(noise.sum(), z)
        assert torch.allclose(slopes[:, 0].abs().log(), log_det)
        assert torch.allclose(flow.inverse(noise), z)


@pytest.mark.parametrize("forward", [
    Logit.of(torch.rand(50, 3, generator=torch.Generator().manual_seed(1)), 0.05),
    Quantiles.of(torch.randint(5, (50, 3), generator=torch.Generator().manual_seed(1)), 5),
], ids=["logit", "quantiles"])  # fmt: skip
def test_levels_are_counted_with_their_jacobian(forward):
    y = torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for one in y:
        matrix = jacobian(lambda v: forward(v[None])[0][0], one)
        expected = torch.linalg.slogdet(matrix).logabsdet
        assert abs(float(forward(one[None])[1] - expected)) < 1e-10
    assert torch.allclose(forward.inverse(forward(y)[0]), y, atol=1e-12)


def test_quantiles_alone_are_the_independent_values():
    """The normal scores' density integrates, over a level, to that level's share of training."""
    x = torch.tensor([[0], [0], [2], [2], [2]])
    scores = Quantiles.of(x, levels=3)
    z, log_det = scores((torch.arange(3)[:, None] + 0.5) / 3)
    mass = (NORMAL.log_prob(z).sum(1) + log_det).exp() / 3
    share = 0.99 * torch.tensor([0.4, 0.0, 0.6]) + 0.01 / 3
    assert torch.allclose(mass, share.double())
    assert float(scores(torch.tensor([[1.0]]))[1]) == -torch.inf


def test_density_is_zero_where_the_logit_is_not_defined():
    model = fitted("nsf", 17, preprocess="logit")
    far = torch.full((1, 4), 0.5)
    far[0, 0] = 1.5
    assert float(model.log_prob(far)) == -torch.inf
    assert torch.isfinite(model.log_prob(torch.zeros(1, 4))).all()


def test_standardising_makes_unit_variance():
    x = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)) * 40 + 7
    z, _ = Standardise.of(x)(x)
    assert torch.allclose(z.mean(0), torch.zeros(2).double(), atol=1e-6)
    assert torch.allclose(z.std(0), torch.ones(2).double(), atol=1e-6)


@pytest.mark.parametrize("features", [2, 3, 64])
def test_masks_and_orders_come_in_complementary_pairs(features):
    drawn = masks(features, 4)
    for a, b in zip(drawn[::2], drawn[1::2], strict=True):
        assert (a ^ b).all()
        assert a.any()
        assert b.any()
    placed = orders(features, 4)
    for a, b in zip(placed[::2], placed[1::2], strict=True):
        assert (a + b == features - 1).all()
        assert sorted(a.tolist()) == list(range(features))


@pytest.mark.parametrize("kind", ["nsf", "nsf-ar"])
def test_a_coupling_flow_samples_in_one_pass(kind):
    assert fitted(kind, None).evaluations_per_sample == (1 if kind == "nsf" else 4)


@pytest.mark.parametrize("kind", ["nsf", "realnvp", "maf"])
def test_a_table_in_raw_units_is_learned(kind):
    data = load("table/breast-cancer")
    model = Flow(kind=kind, transforms=2, hidden=32, bins=4)
    model.fit(data.for_training(), FitRun(seed=0, budget=Budget.parse("40 steps")))
    x = data.train.x.double()
    independent = torch.distributions.Normal(x.mean(0), x.std(0)).log_prob(data.test.x).sum(1)
    assert float(model.log_prob(data.test.x).mean()) > float(independent.mean()) + 5
    drawn = model.sample(400, None, torch.Generator().manual_seed(0)).double()
    assert ((drawn.median(0).values - x.median(0).values).abs() < 0.5 * x.std(0)).all()


def test_units_far_from_one_are_standardised():
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    units = torch.tensor([1e-8, 1.0, 1e8])
    z, log_det = Standardise.of(x * units)(x * units)
    assert torch.allclose(z.std(0), torch.ones(3).double())
    assert torch.allclose(log_det, -x.std(0).log().sum())  # the units' product is 1


def test_wrong_data_never_trains():
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    constant, spoilt = x.clone(), x.clone()
    constant[:, 1], spoilt[3, 2] = 4.0, torch.nan
    black = torch.zeros(40, 1, 2, 2, dtype=torch.uint8)
    cases = [
        (constant, None, "of x the columns 1 are; remove them"),
        (spoilt, None, "flow cannot be trained: 1 of 120 train values"),
        (x[:1], None, "the 1 of x are equal"),
        (x[:0], None, "flow needs training examples"),
        (black, 17, "the 40 of x are equal"),
        (black + 17, 17, "are 17 to 17, and 17 levels are 0 to 16"),
    ]
    for wrong, levels, said in cases:
        data = Dataset("x", "points", Split(wrong), Split(wrong[:0]), Split(wrong[:0]), levels)
        with pytest.raises(ValueError, match=said):
            Flow().fit(data, FitRun(seed=0, budget=Budget.parse("1 steps")))
