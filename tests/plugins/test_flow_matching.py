"""Flow matching: couplings, units, solvers and what paths become."""

import itertools
import math

import numpy as np
import pytest
import torch
from standins import StandIn, evidence
from worlds import load

from gengauge import Budget, Dataset, FitRun, Split
from gengauge_plugins.transport import plans, solvers
from gengauge_plugins.transport.flow_matching import FlowMatching
from gengauge_plugins.transport.paths import times
from gengauge_plugins.transport.scaling import Scale
from gengauge_suites.likelihood.flow_ode import log_density
from gengauge_suites.speed.straightness import path_straightness


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fitted(data: Dataset, steps: int, **parameters) -> FlowMatching:
    model = FlowMatching(**parameters)
    model.fit(data.for_training(), FitRun(0, Budget.parse(f"{steps} steps")))
    return model


def cloud(n: int = 600) -> Dataset:
    x = torch.tensor([5.0, -3.0]) + torch.tensor([2.0, 0.1]) * torch.randn(n, 2, generator=stream())
    return Dataset("cloud", "points", Split(x), Split(x[:100]), Split(x[:100]))


def test_the_exact_plan_is_the_cheapest_matching():
    x, y = torch.randn(2, 6, 3, generator=stream())
    cost = plans.costs(x, y)
    rows = plans.exact_plan(cost)
    every = [cost[list(p), range(6)].sum() for p in itertools.permutations(range(6))]
    assert cost[rows, range(6)].sum() == pytest.approx(min(every))


def test_the_entropic_plan_survives_what_underflows():
    x, y = torch.randn(2, 40, 64, generator=stream())
    cost = plans.costs(x, y)
    assert (np.exp(-cost / 0.02) == 0).all()  # what plain Sinkhorn starts from
    plan = plans.entropic_plan(cost, 0.02)
    assert abs(plan.sum(0) - 1 / 40).sum() < 0.01
    assert (plan.argmax(0) == plans.exact_plan(cost)).mean() > 0.9
    loose = plans.entropic_plan(cost, 1e5)
    assert abs(loose - 1 / 1600).max() < 1e-5  # all regularisation: independent


def test_rows_are_drawn_by_their_share():
    plan = np.array([[0.3, 0.0], [0.1, 0.0], [0.0, 0.6]])
    rows = torch.stack([plans.drawn_rows(plan, stream(i)) for i in range(2000)])
    assert rows[:, 0].bincount(minlength=3) / 2000 == pytest.approx([0.75, 0.25, 0], abs=0.05)
    assert bool((rows[:, 1] == 2).all())


def test_couplings_with_labels_do_not_skew_the_classes():
    """A plan over the whole batch gives a class the noise beside it; within classes it stays."""
    labels = torch.arange(400) % 2
    y = torch.randn(400, 2, generator=stream()) + 4.0 * (labels[:, None] - 0.5)
    x = torch.randn(400, 2, generator=stream(1))
    skewed = plans.coupled(x, y, None, plans.exactly, stream())
    kept = plans.coupled(x, y, labels, plans.exactly, stream())
    assert float(skewed[labels == 1].mean()) > 0.4
    for label in (0, 1):  # the very same draws, in another order
        mine = labels == label
        assert torch.equal(kept[mine].sort(0).values, x[mine].sort(0).values)
        assert not torch.equal(kept[mine], x[mine])
    assert float((kept - y).square().sum()) < float((x - y).square().sum())


@pytest.mark.parametrize("kind", solvers.COST)
def test_solvers_have_their_order_and_cost(kind):
    order = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}[kind]
    calls = []

    def rate(x, t):
        calls.append(t)
        return x * math.cos(t)

    def miss(steps):
        end = solvers.solve(rate, torch.ones(1).double(), 1.0, 0.0, steps, kind)
        return abs(float(end) - math.exp(-math.sin(1.0)))

    assert miss(8) / miss(16) == pytest.approx(2**order, rel=0.25)
    assert len(calls) == (8 + 16) * solvers.COST[kind]


def test_times_are_spread_evenly():
    u = times(50, "uniform", stream(), torch.device("cpu"))
    assert torch.equal((u * 50).long(), torch.arange(50))
    middle = times(1000, "logit-normal", stream(), torch.device("cpu"))
    assert float(middle.logit().std()) == pytest.approx(1, abs=0.02)


def test_scale_has_the_units_of_the_data():
    x = cloud().train.x
    apart, together = Scale.of(x, False), Scale.of(x, True)
    assert torch.allclose(apart(x).std(0), torch.ones(2).double(), atol=0.01)
    assert float(together(x).square().mean()) == pytest.approx(1)
    assert float(together.spread[0]) == float(together.spread[1])
    assert torch.allclose(apart.inverse(apart(x)), x.double(), atol=1e-6)
    assert float(apart.log_det) == pytest.approx(
        -float(x.double().std(0, correction=0).log().sum())
    )


def test_before_it_has_learned_the_flow_is_that_of_a_normal_distribution():
    """The field is exact on normal data, so units, signs and Jacobians show in the density."""
    data = cloud(4000)
    model = fitted(data, 1, hidden=8, lr=1e-12)
    x = data.test.x.double()
    found, _ = log_density(model, x, 50, None)
    mean, deviation = data.train.x.double().mean(0), data.train.x.double().std(0, correction=0)
    truth = torch.distributions.Normal(mean, deviation).log_prob(x).sum(1)
    assert float((found - truth).abs().max()) < 1e-3
    drawn = model.sample(4000, None, stream()).double()
    assert torch.allclose(drawn.mean(0), mean, atol=0.1)
    assert torch.allclose(drawn.std(0) / deviation, torch.ones(2).double(), atol=0.05)


@pytest.fixture(scope="module")
def modes() -> dict[str, FlowMatching]:
    data = load("points/eight-gaussians")
    return {c: fitted(data, 150, coupling=c, hidden=48) for c in ("independent", "ot")}


def test_transport_couplings_make_straighter_paths(modes):
    test = load("points/eight-gaussians").test.x
    found = {
        name: path_straightness(evidence(model, test=test), steps=16, examples=200)
        for name, model in modes.items()
    }
    assert found["ot"].interval.high < found["independent"].interval.low
    assert 0 < found["ot"].value < 0.5 * found["independent"].value


class Circling(StandIn):
    """Half a turn about the origin, or a straight way at even or growing speed."""

    def __init__(self, kind):
        self.kind = kind

    def velocity(self, x, t):
        if self.kind == "turn":
            return math.pi * torch.stack([-x[:, 1], x[:, 0]], 1)
        speed = torch.ones_like(t) if self.kind == "even" else 2 * t
        return speed[:, None] * torch.tensor([3.0, 4.0]).double().expand_as(x)

    def log_base(self, x):
        return x[:, 0]


@pytest.mark.parametrize(("kind", "excess"), [
    ("even", 0.0), ("growing", 1 / 3),  # int (2t)^2 - 1
    ("turn", math.pi**2 / 4 - 1),  # a half circle, pi r long, over its diameter
])  # fmt: skip
def test_straightness_of_known_paths(kind, excess):
    x = torch.randn(100, 2, generator=stream())
    score = path_straightness(evidence(Circling(kind), test=x), steps=24, examples=100)
    assert score.value == pytest.approx(excess, abs=1e-4)
    assert score.interval.low <= score.value <= score.interval.high
    assert score.kind == "estimate"


def test_straightness_says_why_there_is_none():
    x = torch.randn(100, 2, generator=stream())
    found = path_straightness(evidence(StandIn(), test=x), steps=4, examples=100)
    assert found.reason == "has no probability flow"
    few = path_straightness(evidence(Circling("even"), test=x[:5]), steps=4, examples=100)
    assert "needs 20 test examples" in few.reason


def test_more_steps_come_nearer_and_are_counted(modes):
    model = modes["independent"]
    close, _ = model.sample_in(64, 300, None, stream())
    misses = []
    for steps in model.step_choices[:5]:
        x, evaluations = model.sample_in(steps, 300, None, stream())
        assert evaluations == 2 * steps
        misses.append(float((x - close).square().mean()))
    assert misses[:3] == sorted(misses[:3], reverse=True)
    assert misses[-1] < 0.02 * misses[0]
    assert model.evaluations_per_sample == 2 * model.steps
    guided = FlowMatching(conditional=True, guidance=2.0, solver="rk4", steps=3)
    assert guided.evaluations_per_sample == 24


@pytest.mark.parametrize("coupling", ["independent", "ot"])
def test_classes_are_answered_and_guidance_moves_away_from_the_rest(coupling):
    labels = torch.arange(1200) % 3
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    x = centres[labels] + 0.5 * torch.randn(1200, 2, generator=stream())
    data = Dataset("three", "points", *[Split(x, labels)] * 3)
    model = fitted(data, 200, conditional=True, coupling=coupling, hidden=48,
                   batch_size=256)  # fmt: skip
    asked = torch.arange(600) % 3
    drawn = model.sample(600, asked, stream())
    nearest = torch.cdist(drawn, centres).argmin(1)
    assert float((nearest == asked).float().mean()) > 0.97
    for label in range(3):
        mine = drawn[asked == label]
        assert torch.allclose(mine.mean(0), centres[label], atol=0.25)
        assert torch.allclose(mine.std(0), torch.full((2,), 0.5), atol=0.15)
    model.guidance = 3.0
    further = model.sample(600, asked, stream())
    assert float(further[asked == 1][:, 0].mean()) > float(drawn[asked == 1][:, 0].mean()) + 0.1
    free = torch.cdist(model.sample(900, None, stream()), centres).argmin(1).bincount()
    assert free / 900 == pytest.approx([1 / 3] * 3, abs=0.06)
