"""The training loop: deterministic, within its budget, honest about divergence."""

import time

import pytest
import torch
from torch import nn

from gengauge import Budget, FitRun, PowerAverage, train
from gengauge.errors import DivergedError
from gengauge.training import _clip

X = torch.randn(512, 4, generator=torch.Generator().manual_seed(0))
TARGET = torch.tensor([1.0, -2.0, 0.5, 3.0])


def linear(seed: int = 0) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(4, 1)


def run_for(budget: str, seed: int = 0) -> FitRun:
    return FitRun(seed=seed, budget=Budget.parse(budget))


def squared(module: nn.Module):
    def loss(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        noise = 0.1 * torch.randn(len(x), generator=generator)
        return (module(x).squeeze(1) - x @ TARGET - noise).pow(2).mean()

    return loss


def fit(budget: str, seed: int = 0, **options) -> tuple[nn.Linear, FitRun]:
    module, run = linear(), run_for(budget, seed)
    train(run, module, squared(module), (X,), validation=(X[:50],), lr=0.1, **options)
    return module, run


def test_it_learns_and_logs_a_falling_curve():
    module, run = fit("300 steps")
    assert torch.allclose(module.weight[0], TARGET, atol=0.05)
    losses = [point["validation_loss"] for point in run.curve]
    assert losses[-1] < 0.05 * losses[0]
    assert [point["step"] for point in run.curve][-1] == 300
    assert not module.training


def test_equal_seeds_give_equal_weights_and_others_do_not():
    first, again, other = (fit("40 steps", seed)[0].weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("budget", ["1 steps", "7 steps", "53 steps"])
def test_a_budget_in_steps_is_met_exactly(budget):
    _, run = fit(budget, batch_size=32)
    assert run.steps == int(budget.split()[0])
    assert run.examples == 32 * run.steps


def test_a_budget_in_examples_is_not_overdrawn():
    _, run = fit("1000 examples", batch_size=64)
    assert (run.steps, run.examples) == (15, 960)


def test_a_budget_in_seconds_ends_slow_steps_at_once_and_validates_the_end():
    module, run = linear(), run_for("0.2 s")
    plain = squared(module)

    def slow(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        time.sleep(0.05)
        return plain(x, generator)

    train(run, module, slow, (X,), validation=(X[:50],))
    assert run.steps <= 6
    assert run.curve[-1]["step"] == run.steps


def test_a_loss_that_is_not_finite_is_reported():
    module, run = linear(), run_for("200 steps")
    plain = squared(module)

    def breaks(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return plain(x, generator) * (float("nan") if run.steps >= 20 else 1.0)

    with pytest.raises(DivergedError, match=r"nan at step \d+"):
        train(run, module, breaks, (X,))
    assert run.steps < 200


def test_the_best_validation_point_is_restored():
    module, run = linear(), run_for("200 steps")
    start = module.weight.detach().clone()

    def worsens(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Push training away from where validation is best: at the first weights."""
        if module.training:
            return -(module.weight - start).pow(2).sum() - module.weight.sum()
        return (module.weight - start).pow(2).sum()

    train(run, module, worsens, (X,), validation=(X[:50],), lr=0.01)
    best = min(run.curve, key=lambda point: point["validation_loss"])
    assert best["step"] == run.curve[0]["step"]
    kept = float((module.weight.detach() - start).pow(2).sum())
    assert kept == pytest.approx(best["validation_loss"], rel=1e-5)


def test_the_last_weights_stay_without_keep_best():
    kept, _ = fit("60 steps", keep_best=False)
    module, run = linear(), run_for("60 steps")
    train(run, module, squared(module), (X,), lr=0.1)
    assert torch.equal(kept.weight, module.weight)


@pytest.mark.parametrize(("size", "after"), [(50.0, 2.0), (1.5, 1.5)])
def test_gradients_are_scaled_down_to_the_limit_and_never_up(size, after):
    module = linear()
    module.weight.grad = torch.tensor([[size * 0.6, 0.0, 0.0, size * 0.8]])
    module.bias.grad = torch.zeros(1)
    _clip(list(module.parameters()), 2.0)
    assert float(module.weight.grad.norm()) == pytest.approx(after, rel=1e-4)


@pytest.mark.parametrize("accumulation", [1, 4])
def test_the_average_is_over_the_weights_of_every_step(accumulation):
    module, run = linear(), run_for("30 steps")
    run.accumulation = accumulation
    average, seen, plain = PowerAverage(module, 0.1), [], squared(module)

    def loss(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if module.training:
            seen.append(module.weight.detach().clone())
            return plain(x, generator)
        return (average.network(x).squeeze(1) - x @ TARGET).pow(2).mean()

    train(run, module, loss, (X,), validation=(X[:50],), lr=0.1, batch_size=32, keep_best=False,
          average=average)  # fmt: skip
    after = torch.stack([*seen[accumulation::accumulation], module.weight.detach()])
    step = torch.arange(31, dtype=torch.float64)
    shares = torch.diff((step / 30) ** (average.gamma + 1))
    assert average.steps == run.steps == 30
    assert torch.allclose(
        average.network.weight.double(), torch.einsum("s,s...->...", shares, after.double())
    )
    with torch.no_grad():
        last = float(loss(X[:50], torch.Generator()))
    assert run.curve[-1]["validation_loss"] == pytest.approx(last)
