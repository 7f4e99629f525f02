"""The mixture of categoricals: EM by its laws, and data that tempts it to fail."""

from __future__ import annotations

import itertools
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge.registry import Registry, load_target
from gengauge_plugins.counting import tables
from gengauge_plugins.counting.tables import Layout
from gengauge_plugins.mixture.categoricals import CategoricalMixture


def twins(n: int = 400, d: int = 6, levels: int = 4) -> torch.Tensor:
    """Two kinds of examples: mostly level 0, and mostly level 3."""
    generator = torch.Generator().manual_seed(0)
    kind = torch.arange(n) % 2 * (levels - 1)
    noise = torch.randint(levels, (n, d), generator=generator)
    plain = torch.rand(n, d, generator=generator) < 0.7
    return torch.where(plain, kind[:, None], noise).to(torch.uint8).view(n, 1, 1, d)


def made(x: torch.Tensor, levels: int = 4, modality: str = "image") -> Dataset:
    half = len(x) // 2
    return Dataset("made", modality, Split(x[:half]), Split(x[half:]), Split(x[:0]), levels=levels)


def fitted(
    data: Dataset, budget: str = "60 steps", **parameters
) -> tuple[CategoricalMixture, FitRun]:
    run = FitRun(seed=0, budget=Budget.parse(budget))
    model = CategoricalMixture(**parameters)
    model.fit(data, run)
    return model, run


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_masses_of_all_outcomes_sum_to_one(modality):
    x = twins(d=3)
    x = x.flatten(1).long() if modality == "text" else x
    model, _ = fitted(made(x, modality=modality), components=3)
    every = torch.tensor(list(itertools.product(range(4), repeat=3))).view(-1, *x.shape[1:])
    assert float(model.log_mass(every).exp().sum()) == pytest.approx(1, abs=1e-12)
    drawn = model.sample(40_000, None, seed()).flatten(1).long()
    counted = torch.bincount((drawn * torch.tensor([16, 4, 1])).sum(1), minlength=64)
    p = model.log_mass(every).exp()
    squares = ((counted - 40_000 * p) ** 2 / (40_000 * p)).sum()
    assert abs(float(squares) - 63) < 5 * math.sqrt(2 * 63)


def test_the_two_kinds_are_found():
    data = made(twins())
    model, _ = fitted(data, components=2)
    which = model.responsibilities(data.validation.x)
    assert torch.allclose(which.sum(1), torch.ones(200).double())
    kind = torch.arange(200) % 2
    agree = float((which.argmax(1) == kind).double().mean())
    assert max(agree, 1 - agree) > 0.97
    table = np.exp(model.log_table).reshape(2, 6, 4)
    assert np.allclose(np.sort(table[:, :, 3].mean(1)), [0.075, 0.775], atol=0.05)


def test_with_one_component_it_is_the_smoothed_histogram():
    data = made(twins())
    model, _ = fitted(data, components=1, alpha=0.5)
    for position in range(6):
        values = data.train.x.flatten(1)[:, position].long()
        expected = (values.bincount(minlength=4) + 0.5) / (200 + 2)
        got = np.exp(model.log_table).reshape(6, 4)[position]
        assert np.allclose(got, expected, atol=1e-6)


def test_em_raises_the_likelihood_and_the_best_sweep_is_kept():
    data = made(twins())
    model, run = fitted(data, components=3, alpha=0.01, restarts=1)
    losses = [point["train_loss"] for point in run.curve]
    assert len(losses) > 3
    assert all(b <= a + 1e-4 for a, b in pairwise(losses))
    best = min(point["validation_loss"] for point in run.curve)
    assert -float(model.log_mass(data.validation.x).mean()) == pytest.approx(best)


@pytest.mark.parametrize("budget", ["1 steps", "3 steps", "11 steps", "60 steps", "1e-9 s"])
def test_the_budget_is_kept(budget):
    model, run = fitted(made(twins()), budget, components=3)
    assert 1 <= run.steps <= max(1, run.budget.amount)
    assert torch.isfinite(model.log_mass(twins())).all()


@pytest.mark.parametrize(("components", "most"), [(10, 2.231), (20, 2.21)])
def test_bits_a_pixel_of_digits(components, most):
    spec = Registry().datasets["digits"]
    data = load_target(spec.target)(spec)
    model, _ = fitted(data.for_training(), components=components)
    bits = -float(model.log_mass(data.test.x).mean()) / (64 * math.log(2))
    assert 2.1 < bits < most


def test_work_in_blocks_changes_nothing(monkeypatch):
    data = made(twins())
    whole, _ = fitted(data, components=3)
    monkeypatch.setattr(tables, "_ENTRIES", 30)
    blocks, _ = fitted(data, components=3)
    assert np.allclose(whole.log_table, blocks.log_table, atol=1e-9)
    x = data.validation.x
    assert torch.allclose(whole.log_mass(x), blocks.log_mass(x), atol=1e-9)


def test_more_components_than_examples_become_as_many():
    model, _ = fitted(made(twins(24)), components=50)
    assert len(model.log_mixing) == 10  # two of the twelve examples come twice
    assert torch.isfinite(model.log_mass(twins())).all()


@pytest.mark.parametrize("level", [0, 3])
def test_pictures_of_one_level_are_learned(level):
    x = torch.full((40, 1, 2, 2), level, dtype=torch.uint8)
    model, _ = fitted(made(x), components=4)
    assert float(model.log_mass(x[:1])) > -0.5
    assert torch.isfinite(model.log_mass(twins(4, 4).view(4, 1, 2, 2))).all()
    assert float((model.sample(200, None, seed()) == level).float().mean()) > 0.95


def test_a_level_that_there_is_not_has_no_mass():
    model, _ = fitted(made(twins()))
    assert model.log_mass(torch.full((1, 1, 1, 6), 4)).tolist() == [-math.inf]


def test_bytes_of_256_levels_have_mass():
    x = torch.randint(256, (40, 1, 2, 2), dtype=torch.uint8, generator=seed())
    model, _ = fitted(made(x, levels=256), components=2)
    assert torch.isfinite(model.log_mass(x)).all()


def test_wrong_data_never_trains():
    with pytest.raises(ValueError, match="mixture-of-categoricals needs training examples"):
        fitted(made(twins()[:0]))
    with pytest.raises(ValueError, match=r"cannot be trained: .* 0 to 3, and 2 levels"):
        fitted(made(twins(), levels=2))
    vast = Layout((3, 256, 256), 256, False)
    assert vast.columns == 3 * 256 * 256 * 256
    x = torch.zeros(4, 3, 256, 256, dtype=torch.uint8)
    with pytest.raises(UnsupportedError, match=r"2 tables of 50,331,648 probabilities"):
        fitted(made(x, levels=256))
