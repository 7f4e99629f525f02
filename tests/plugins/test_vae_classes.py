"""The class-conditional variational autoencoder: its bounds and its posteriors."""

import math
from dataclasses import replace

import pytest
import torch

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge.registry import Registry, load_target
from gengauge_plugins.vae.classes import Classes
from gengauge_plugins.vae.vae import VAE


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fitted(data: Dataset, steps: int = 150, **parameters) -> VAE:
    model = VAE(hidden=64, conditional=True, **parameters)
    model.fit(data.for_training(), FitRun(0, Budget.parse(f"{steps} steps")))
    return model


@pytest.fixture(scope="module")
def digits():
    spec = Registry().datasets["digits"]
    return load_target(spec.target)(spec)


@pytest.fixture(scope="module")
def model(digits):
    return fitted(digits, 300, latent=8)


def pairs(labels: list[int]) -> Dataset:
    """Two coins, which agree in class 0 and differ in class 2; class 1 has a name only."""
    x = torch.tensor([[0, 0], [1, 1], [0, 1], [1, 0]], dtype=torch.uint8).repeat(30, 1)
    y = torch.tensor(labels).repeat(30)
    split = Split(x.view(-1, 1, 1, 2), y)
    return Dataset("pairs", "image", split, split, split, levels=2, class_names=("a", "b", "c"))


def iwae(weights: torch.Tensor) -> torch.Tensor:
    return weights.logsumexp(0) - math.log(len(weights))


def test_the_bound_without_labels_is_the_sum_over_classes():
    model = fitted(pairs([0, 0, 2, 2]))
    every = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.uint8).view(4, 1, 1, 2)
    k = 20000
    given = torch.stack([
        iwae(model.log_weights_given(every, torch.full((4,), label), k, stream(label)))
        for label in (0, 2)
    ])  # fmt: skip
    whole = iwae(model.log_weights(every, k, stream(9)))
    expected = torch.logsumexp(given + math.log(0.5), 0)
    assert torch.allclose(whole, expected, atol=0.05)
    assert float(whole.exp().sum()) == pytest.approx(1, abs=0.03)
    assert torch.allclose(given.exp().sum(1), torch.ones(2).double(), atol=0.05)


def test_a_class_that_is_far_away_changes_nothing(model, digits, monkeypatch):
    x = digits.test.x[:40]
    bound = iwae(model.log_weights(x, 200, stream()))
    monkeypatch.setattr("gengauge_plugins.vae.inference._FAR", math.inf)
    assert torch.allclose(iwae(model.log_weights(x, 200, stream(1))), bound, atol=1.0)
    assert abs(float((iwae(model.log_weights(x, 200, stream(1))) - bound).mean())) < 0.2


def test_posteriors_classify_and_depend_on_nothing_else(model, digits):
    x, y = digits.test.x, digits.test.labels
    posterior = model.class_probabilities(x)
    assert posterior.shape == (len(x), 10)
    assert torch.allclose(posterior.sum(1), torch.ones(len(x)).double())
    assert float((posterior.argmax(1) == y).double().mean()) > 0.85
    assert torch.allclose(model.class_probabilities(x[5:9]), posterior[5:9], atol=1e-6)


def test_the_right_label_helps(model, digits):
    x, y = digits.test.x[:100], digits.test.labels[:100]
    right = iwae(model.log_weights_given(x, y, 32, stream()))
    wrong = iwae(model.log_weights_given(x, (y + 1) % 10, 32, stream()))
    assert float((right - wrong).mean()) > 5
    whole = iwae(model.log_weights(x, 32, stream()))
    assert float((whole - right).mean()) < 0  # the label is worth up to log 10


def test_samples_are_those_of_the_class(model, digits):
    asked = torch.arange(10).repeat(20)
    drawn = model.sample(200, asked, stream())
    centres = torch.stack([
        digits.train.x[digits.train.labels == c].double().mean(0) for c in range(10)
    ])  # fmt: skip
    nearest = torch.cdist(drawn.double().flatten(1), centres.flatten(1)).argmin(1)
    assert float((nearest == asked).double().mean()) > 0.7


def test_labels_without_a_condition_come_by_their_frequency():
    classes = Classes.of(torch.tensor([0, 2, 2, 2]), 3)
    drawn = classes.at(torch.randn(20000, generator=stream()))
    assert (drawn.bincount() / 20000 - torch.tensor([0.25, 0, 0.75])).abs().max() < 0.01
    assert Classes.restored(classes.described()).seen.tolist() == [0, 2]


def test_a_class_without_examples_is_refused_and_never_guessed():
    data = pairs([0, 0, 2, 2])
    model = fitted(data, 20)
    assert (model.class_probabilities(data.test.x)[:, 1] == 0).all()
    with pytest.raises(UnsupportedError, match="class 1 has no training example"):
        model.sample(1, torch.tensor([1]), stream())
    with pytest.raises(UnsupportedError, match="class 1 has no training example"):
        model.log_weights_given(data.test.x[:1], torch.tensor([1]), 2, stream())


def test_validation_labels_that_were_never_seen_are_left_out():
    data = pairs([0, 0, 2, 2])
    strange = Split(data.train.x[:4], torch.tensor([0, 7, 2, 1]))
    run = FitRun(0, Budget.parse("20 steps"))
    VAE(hidden=8, conditional=True).fit(replace(data, validation=strange), run)
    assert all(math.isfinite(point["validation_loss"]) for point in run.curve)


def test_without_labels_what_needs_them_is_refused(digits):
    model = VAE(hidden=8, latent=2)
    model.fit(digits.limited(50).for_training(), FitRun(0, Budget.parse("2 steps")))
    x, y = digits.test.x[:3], digits.test.labels[:3]
    for ask in (
        lambda: model.class_probabilities(x),
        lambda: model.log_weights_given(x, y, 2, stream()),
        lambda: model.sample(3, y, stream()),
    ):
        with pytest.raises(UnsupportedError):
            ask()
    bare = replace(digits, train=Split(digits.train.x))
    with pytest.raises(ValueError, match="vae learns from class labels, and digits has none"):
        fitted(bare, 2)
