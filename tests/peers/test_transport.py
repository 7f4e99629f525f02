"""Paths, targets and plans beside torchcfm's, the code of the papers' authors."""

import pytest
import torch
from agreement import budget
from standins import StandIn, evidence
from torchcfm.conditional_flow_matching import (
    ConditionalFlowMatcher,
    SchrodingerBridgeConditionalFlowMatcher,
)
from torchcfm.optimal_transport import OTPlanSampler
from torchdiffeq import odeint

from gengauge_plugins.transport import paths, plans
from gengauge_suites.speed.straightness import path_straightness

N, SIGMA = 60, 0.7
TIMES = torch.linspace(0.02, 0.98, N)


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X0, X1, NOISE = (
    normal(N, 1, 4, 4, seed=0),
    2 + normal(N, 1, 4, 4, seed=1),
    normal(N, 1, 4, 4, seed=2),
)


def test_straight_paths_and_their_velocities():
    peer = ConditionalFlowMatcher(sigma=0.0)
    state, velocity = paths.straight(X0, X1, TIMES)
    theirs = peer.sample_xt(X0, X1, TIMES, NOISE)
    assert torch.allclose(state, theirs, atol=1e-6)
    assert torch.equal(velocity, peer.compute_conditional_flow(X0, X1, TIMES, theirs))


def test_bridges_and_their_flows():
    peer = SchrodingerBridgeConditionalFlowMatcher(sigma=SIGMA)
    state = paths.bridge(X0, X1, TIMES, NOISE, SIGMA)
    assert torch.allclose(state, peer.sample_xt(X0, X1, TIMES, NOISE), atol=1e-6)
    push = NOISE / (TIMES * (1 - TIMES)).sqrt().view(-1, 1, 1, 1)
    ours = paths.bridge_flow(X1 - X0, push, TIMES, SIGMA)
    theirs = peer.compute_conditional_flow(X0, X1, TIMES, state)
    assert torch.allclose(ours, theirs, atol=1e-4, rtol=1e-4)


def test_bridge_score_is_the_gradient_of_the_log_density():
    state = paths.bridge(X0, X1, TIMES, NOISE, SIGMA).requires_grad_()
    at = TIMES.view(-1, 1, 1, 1)
    mean = (1 - at) * X0 + at * X1
    log = -0.5 * ((state - mean) ** 2 / (SIGMA**2 * at * (1 - at))).sum()
    [gradient] = torch.autograd.grad(log, state)
    ours = paths.bridge_score(NOISE / (at * (1 - at)).sqrt(), SIGMA)
    assert torch.allclose(ours, gradient, rtol=1e-4, atol=1e-3)
    # the stochastic equation's drift leads to the end: flow + sigma^2 / 2 score
    push = NOISE / (at * (1 - at)).sqrt()
    drift = paths.bridge_flow(X1 - X0, push, TIMES, SIGMA) + 0.5 * SIGMA**2 * ours
    end = paths.bridge_end(state, X1 - X0, push, TIMES, SIGMA)
    assert torch.allclose((end - state) / (1 - at), drift, rtol=1e-3, atol=1e-3)
    assert torch.allclose(end, X1, atol=1e-5)


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)])
def test_exact_plan(shape):
    x, y = normal(N, *shape, seed=3), 1 + normal(N, *shape, seed=4)
    theirs = torch.from_numpy(OTPlanSampler(method="exact").get_map(x, y))
    rows = plans.exactly(x, y, torch.Generator())
    assert torch.equal(rows, theirs.argmax(0))


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)])
def test_entropic_plan(shape):
    x, y = normal(N, *shape, seed=3), 1 + normal(N, *shape, seed=4)
    sampler = SchrodingerBridgeConditionalFlowMatcher(sigma=2.0, ot_method="sinkhorn").ot_sampler
    theirs = sampler.get_map(x.double(), y.double())
    ours = plans.entropic_plan(plans.costs(x, y), sampler.reg)
    allowed = 1e-3  # Sinkhorn ends where the marginals are as near
    assert abs(ours - theirs).sum() < allowed
    assert abs(ours.sum(0) - 1 / N).sum() < allowed


class Winding(StandIn):
    """A field that turns, and faster later on."""

    def velocity(self, x, t):
        turned = torch.stack([-x[:, 1], x[:, 0]], 1)
        return 1 + (1 + t[:, None]) * turned + 0.2 * x.sin()

    def log_base(self, x):
        return x[:, 0]


def test_path_straightness_is_that_of_an_adaptive_solver():
    x = normal(200, 2, seed=5)

    def rates(t, state):
        v = Winding().velocity(state[0], t.expand(200))
        return v, v.square().sum(1)

    start = (x.double(), torch.zeros(200).double())
    ends, energy = odeint(rates, start, torch.tensor([0.0, 1.0]).double(), rtol=1e-10, atol=1e-10)
    theirs = float(energy[-1].sum() / (ends[-1] - start[0]).square().sum()) - 1
    ours = path_straightness(evidence(Winding(), test=x), steps=24, examples=200)
    assert ours.value == pytest.approx(theirs, **budget("path_straightness", "torchdiffeq, dopri5"))
