"""The Schroedinger bridge: against its closed form on normal data, and between data sets."""

import math

import numpy as np
import pytest
import torch
from standins import evidence
from worlds import load

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import GengaugeError, UnsupportedError
from gengauge_plugins.transport import plans, solvers
from gengauge_plugins.transport.bridge import SchroedingerBridge
from gengauge_plugins.transport.sources import each_once
from gengauge_suites.likelihood.ode import ode_nll

CPU = torch.device("cpu")


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fitted(data: Dataset, steps: int, **parameters) -> SchroedingerBridge:
    model = SchroedingerBridge(**parameters)
    model.fit(data.for_training(), FitRun(0, Budget.parse(f"{steps} steps")))
    return model


def root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values) @ vectors.T


def covariance(a: np.ndarray, b: np.ndarray, sigma: float) -> np.ndarray:
    """Return cov(x0, x1) of the entropic plan between N(., a) and N(., b).

    Bunne et al. 2023, The Schroedinger Bridge between Gaussian Measures has a Closed Form,
    section 2 (there C_sigma), https://arxiv.org/abs/2202.05722.
    """
    half = root(a)
    d = root(4 * half @ b @ half + sigma**4 * np.eye(len(a)))
    return 0.5 * (half @ d @ np.linalg.inv(half) - sigma**2 * np.eye(len(a)))


def halfway(a: np.ndarray, b: np.ndarray, sigma: float) -> np.ndarray:
    """Return the covariance of the bridge at t = 1/2, equation 11 there."""
    c = covariance(a, b, sigma)
    return (a + b + c + c.T + sigma**2 * np.eye(len(a))) / 4


NARROW = np.array([[0.7, 0.4], [0.4, 0.5]])


@pytest.mark.parametrize("sigma", [0.4, 1.0])
def test_the_plan_is_the_closed_form_of_normal_distributions(sigma):
    x = torch.randn(1200, 2, generator=stream())
    y = (
        torch.randn(1200, 2, generator=stream(1))
        @ torch.from_numpy(np.linalg.cholesky(NARROW).T).float()
    )
    x, y = x - x.mean(0), y - y.mean(0)
    plan = plans.entropic_plan(plans.costs(x, y), 2 * sigma**2)
    found = x.double().numpy().T @ plan @ y.double().numpy()
    expected = covariance(np.cov(x.numpy().T), np.cov(y.numpy().T), sigma)
    # a sample's plan overfits it: the excess falls with the number of points
    assert abs(found - expected).max() < 0.02


def test_the_plan_tends_to_the_map_and_to_independence():
    one = np.eye(1)
    assert covariance(one, 4 * one, 1e-4) == pytest.approx(2.0, abs=1e-6)  # x -> 2x
    assert covariance(one, 4 * one, 1e3) == pytest.approx(0.0, abs=1e-4)


class Exact(torch.nn.Module):
    """The answers of a perfect network: the bridge from N(0, 1) to N(0, b) on a line."""

    def __init__(self, b: float, sigma: float) -> None:
        super().__init__()
        self.b, self.sigma = b, sigma
        self.c = float(covariance(np.eye(1), b * np.eye(1), sigma)[0, 0])
        self.kept, self.classes = torch.zeros(0, 1), 0
        self.scale = type("Scale", (), {"spread": torch.ones(1)})()
        self.device = CPU

    def scaled(self, x):
        return x.double()

    def forward(self, x, t, labels=None):
        t = t[:, None]
        room = self.sigma**2 * t * (1 - t)
        variance = (1 - t) ** 2 + t**2 * self.b + 2 * t * (1 - t) * self.c + room
        with_end = (1 - t) * self.c + t * self.b
        with_start = (1 - t) + t * self.c
        drift = (with_end - with_start) / variance * x
        push = self.sigma / variance * x * (t * (1 - t) + 0.01).sqrt()  # as the model divides it
        return torch.stack([drift, push], 1)


@pytest.mark.parametrize("b", [0.25, 3.0])
def test_exact_answers_give_the_closed_form(b):
    model = SchroedingerBridge(sigma=0.8, steps=60)
    model.shape, model.field = (1,), Exact(b, 0.8)
    start = torch.randn(40_000, 1, generator=stream())
    end = model._moved(start, None, 60, stream(1))
    found = np.cov(start.flatten().numpy(), end.flatten().numpy())
    assert found[1, 1] == pytest.approx(b, rel=0.03)
    assert found[0, 1] == pytest.approx(model.field.c, abs=0.03)
    model.sampler = "ode"  # the same marginals, without noise: the map that is monotone
    there = model._moved(start, None, 60, stream())
    assert torch.allclose(there, math.sqrt(b) * start, atol=0.02)

    def velocity(x, t):
        return model.velocity(x, torch.full((len(x),), t))

    middle = solvers.solve(velocity, start.double(), 1.0, 0.5, 40, "rk4")
    expected = float(halfway(np.eye(1), b * np.eye(1), 0.8)[0, 0])
    assert float(middle.var()) == pytest.approx(expected, rel=0.03)
    back = solvers.solve(velocity, there.double(), 0.0, 1.0, 60, "rk4")
    assert torch.allclose(back, start.double(), atol=0.03)


def test_a_trained_bridge_matches_the_closed_form():
    """Within 0.08 of each entry: 300 steps of 256 pairs, and plans of 128 at a time."""
    factor = torch.from_numpy(np.linalg.cholesky(NARROW).T).float()
    x = torch.tensor([3.0, -1.0]) + torch.randn(6000, 2, generator=stream()) @ factor
    data = Dataset("oval", "points", Split(x), Split(x[:500]), Split(x[:500]))
    model = fitted(data, 300, hidden=48, sigma=0.7, batch_size=256)
    spread = float(model.field.scale.spread[0])
    target = np.cov(x.numpy().T) / spread**2
    start = torch.randn(20_000, 2, generator=stream(2))
    end = model._moved(start, None, 40, stream(3))
    found = np.cov(start.numpy().T, end.numpy().T)
    assert abs(found[2:, 2:] - target).max() < 0.08
    assert abs(found[:2, 2:] - covariance(np.eye(2), target, 0.7)).max() < 0.08
    assert torch.allclose(end.mean(0), torch.zeros(2), atol=0.08)

    def velocity(x, t):
        return model.velocity(x, torch.full((len(x),), t))

    base = model.field.scale.inverse(start)
    middle = (solvers.solve(velocity, base, 1.0, 0.5, 10, "midpoint") - base.mean(0)) / spread
    assert abs(np.cov(middle.numpy().T) - halfway(np.eye(2), target, 0.7)).max() < 0.08
    truth = torch.distributions.MultivariateNormal(x.mean(0), torch.cov(x.T))
    score = ode_nll(evidence(model, test=x[:500]), steps=20, probes=2, examples=500)
    assert score.value == pytest.approx(-float(truth.log_prob(x[:500]).mean()), abs=0.08)


def test_from_moons_to_gaussians(tmp_path):
    data, moons = load("points/eight-gaussians"), load("points/moons")
    model = fitted(data, 200, source="points/moons", hidden=64, sigma=0.3, batch_size=256)
    assert torch.equal(model.field.kept, moons.validation.x.double())
    drawn = model.sample(1000, None, stream())
    near = (torch.cdist(drawn.double(), data.truth.centres).min(1).values < 0.75).float().mean()
    assert float(near) > 0.5  # three deviations, which hold a quarter of the square
    start = model._source(1000, None, stream())
    ways = model._moved(start, None, model.steps, stream(1)) - start
    shuffled = ways + start - start[torch.randperm(1000, generator=stream())]
    assert float(ways.square().sum(1).mean()) < 0.8 * float(shuffled.square().sum(1).mean())
    with pytest.raises(UnsupportedError, match="has no likelihood: the density it starts from"):
        model.log_base(drawn)
    model.save(tmp_path)
    loaded = SchroedingerBridge(source="points/moons", hidden=64, sigma=0.3)
    loaded.load(tmp_path, CPU)
    assert torch.equal(loaded.sample(50, None, stream()), model.sample(50, None, stream()))


def test_from_one_digit_to_another():
    data = load("digits")
    model = fitted(data, 30, source="class:3", conditional=True, hidden=64)
    threes = data.validation.x[data.validation.labels == 3]
    assert torch.equal(model.field.kept, threes.double())
    assert len(model.pool.train) == int((data.train.labels == 3).sum())
    drawn = model.sample(20, torch.full((20,), 8), stream())
    assert drawn.shape == (20, 1, 8, 8)
    unheld = Dataset("x", "image", data.train, data.validation.first(0), data.test, levels=17)
    assert len(fitted(unheld, 1, source="class:3", hidden=8).field.kept) == len(model.pool.train)


def test_sources_that_cannot_be_say_why():
    moons, digits = load("points/moons"), load("digits")
    bare = Dataset("bare", "points", Split(moons.train.x), *[Split(moons.test.x)] * 2)
    for data, source, said in (
        (digits, "points/moons", r"\[2\] and None came for \[1, 8, 8\] and 17"),
        (digits, "class:12", "class 12, which has no example in digits; choose one of"),
        (digits, "class:three", "class three, which has no example"),
        (bare, "class:0", "bare has no labels"),
        (moons, "points/moon", "points/moons"),
    ):
        with pytest.raises((ValueError, GengaugeError), match=said):
            fitted(data, 1, source=source, hidden=8)


def test_sources_are_used_once_each_before_again():
    rows = each_once(torch.arange(10), 25, stream())
    assert rows[:10].sort().values.tolist() == rows[10:20].sort().values.tolist()
    assert rows[:10].unique().numel() == 10
    assert rows[20:].unique().numel() == 5


def test_the_last_step_leaves_no_noise_and_steps_are_counted():
    model = SchroedingerBridge(sigma=2.0)
    model.shape, model.field = (1,), Exact(1e-6, 2.0)
    end = model._moved(torch.randn(500, 1, generator=stream()), None, 7, stream())
    assert float(end.std()) < 0.01  # a noisy one would leave 0.5
    assert SchroedingerBridge(steps=7).evaluations_per_sample == 7
    assert SchroedingerBridge(steps=7, sampler="ode").evaluations_per_sample == 14
