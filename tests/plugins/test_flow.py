"""The flow: exact inverse, and a log-determinant that is the Jacobian's."""

import pytest
import torch
from torch.autograd.functional import jacobian
from worlds import load

from gengauge import Budget, Dataset, FitRun, Split
from gengauge_plugins.flow.coupling import CouplingFlow, masks
from gengauge_plugins.flow.preprocess import Logit, Standardise

NORMAL = torch.distributions.Normal(0.0, 1.0)


def fitted(kind: str, levels: int | None) -> CouplingFlow:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 4, generator=generator) * torch.tensor([1.0, 5.0, 0.2, 2.0]) + 3
    if levels is not None:
        x = torch.randint(levels, (400, 1, 2, 2), generator=generator).to(torch.uint8)
    data = Dataset("x", "points", Split(x[:300]), Split(x[300:350]), Split(x[350:]), levels)
    model = CouplingFlow(kind=kind, transforms=3, hidden=16, bins=4, batch_size=64)
    model.fit(data, FitRun(seed=0, budget=Budget.parse("30 steps")))
    return model


@pytest.fixture(scope="module", params=[(k, v) for k in ("nsf", "realnvp") for v in (None, 17)],
                ids=str)  # fmt: skip
def flow(request) -> CouplingFlow:
    return fitted(*request.param)


def inside(flow: CouplingFlow, n: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    u = torch.rand(n, 4, generator=generator, dtype=torch.float64)
    return 0.02 + 0.96 * u if flow.levels else 3 + 2 * (u - 0.5)


def test_log_prob_is_the_change_of_variables(flow):
    """log p(x) = log N(f(x)) + log |det df/dx|, the determinant taken by autograd."""
    x = inside(flow)
    for one in x:
        base = flow.network(one[None])[0].detach()
        slope = jacobian(lambda v: flow.network(v[None])[0].double(), one)
        expected = NORMAL.log_prob(base).sum() + torch.linalg.slogdet(slope).logabsdet
        assert abs(float(flow.log_prob(one[None]) - expected)) < 1e-3


def test_inverse_returns_the_data(flow):
    x = inside(flow)
    assert torch.allclose(flow.network.inverse(flow.network(x)), x, atol=1e-4)


def test_logit_counts_its_jacobian():
    y = torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    forward = Logit.of(torch.rand(50, 3, generator=torch.Generator().manual_seed(1)), 0.05)
    for one in y:
        slope = jacobian(lambda v: forward(v[None])[0][0], one)
        expected = torch.linalg.slogdet(slope).logabsdet
        assert abs(float(forward(one[None])[1] - expected)) < 1e-10
    assert torch.allclose(forward.inverse(forward(y)[0]), y, atol=1e-12)


def test_density_is_zero_where_the_logit_is_not_defined():
    model = fitted("nsf", 17)
    far = torch.full((1, 1, 2, 2), 0.5)
    far[0, 0, 0, 0] = 1.5
    edge = torch.zeros(1, 1, 2, 2)
    assert float(model.log_prob(far)) == -torch.inf
    assert torch.isfinite(model.log_prob(edge)).all()


def test_standardising_makes_unit_variance():
    x = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)) * 40 + 7
    z, _ = Standardise.of(x)(x)
    assert torch.allclose(z.mean(0), torch.zeros(2).double(), atol=1e-6)
    assert torch.allclose(z.std(0), torch.ones(2).double(), atol=1e-6)


@pytest.mark.parametrize("features", [2, 3, 64])
def test_masks_come_in_complementary_pairs(features):
    drawn = masks(features, 4)
    for a, b in zip(drawn[::2], drawn[1::2], strict=True):
        assert (a ^ b).all()
        assert a.any()
        assert b.any()


@pytest.mark.parametrize("kind", ["nsf", "realnvp"])
def test_a_table_in_raw_units_is_learned(kind):
    data = load("table/breast-cancer")
    model = CouplingFlow(kind=kind, transforms=2, hidden=32, bins=4)
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
            CouplingFlow().fit(data, FitRun(seed=0, budget=Budget.parse("1 steps")))
