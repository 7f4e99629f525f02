"""Naive Bayes against scikit-learn, its calibration, and classes that are missing."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, GaussianNB, MultinomialNB

from gengauge import Budget, Dataset, Evidence, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge.registry import Registry, load_target
from gengauge_plugins.naive_bayes.naive_bayes import NaiveBayes
from gengauge_suites.utility.recognition import calibration_error


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


def made(modality: str, x: torch.Tensor, y: torch.Tensor | None, levels=None, names=()) -> Dataset:
    half = len(x) // 2
    parts = [Split(x[s], None if y is None else y[s]) for s in (slice(half), slice(half, None))]
    return Dataset("made", modality, *parts, Split(x[:0]), levels=levels, class_names=names)


def pictures(levels: int = 5, n: int = 300) -> Dataset:
    """Three classes of six values each."""
    y = torch.arange(n) % 3
    x = torch.rand(n, 6, generator=seed()) * (y[:, None] + 2) / 4 * levels
    x = x.floor().clamp(max=levels - 1).to(torch.uint8).view(n, 1, 2, 3)
    return made("image", x, y, levels, ("a", "b", "c"))


def cloud(labelled: bool = True) -> Dataset:
    y = torch.arange(400) % 3
    x = torch.randn(400, 4, generator=seed()) * (1 + y[:, None]) + y[:, None]
    return made("points", x, y if labelled else None)


def words() -> Dataset:
    y = torch.arange(200) % 2
    x = torch.multinomial(
        torch.tensor([[5.0, 3, 1, 1], [1, 1, 4, 5]])[y], 12, True, generator=seed()
    )
    return made("text", x, y, 4)  # fmt: skip


def fitted(data: Dataset, **parameters) -> NaiveBayes:
    model = NaiveBayes(**parameters)
    model.fit(data, FitRun(seed=0, budget=Budget.parse("1 steps")))
    return model


def raw(model: NaiveBayes, x: torch.Tensor) -> np.ndarray:
    model.sharpness = 1.0
    return model.class_probabilities(x).numpy()


@pytest.mark.parametrize("levels", [2, 5])
def test_levels_are_scikit_learns_categories(levels):
    data = pictures(levels)
    (x, y), asked = (data.train.x.flatten(1).numpy(), data.train.labels.numpy()), data.validation.x
    peer = CategoricalNB(alpha=0.3, min_categories=levels).fit(x, y)
    model = fitted(data, alpha=0.3)
    flat = asked.flatten(1).numpy()
    np.testing.assert_allclose(raw(model, asked), peer.predict_proba(flat), atol=1e-10)
    joint = peer.predict_joint_log_proba(flat)
    expected = np.log(np.exp(joint).sum(1))
    np.testing.assert_allclose(model.log_mass(asked), expected, atol=1e-10)
    if levels == 2:
        bernoulli = BernoulliNB(alpha=0.3).fit(x, y)
        np.testing.assert_allclose(raw(model, asked), bernoulli.predict_proba(flat), atol=1e-10)


def test_points_are_scikit_learns_gaussians():
    data = cloud()
    peer = GaussianNB(var_smoothing=0).fit(data.train.x.double().numpy(), data.train.labels)
    model, asked = fitted(data), data.validation.x.double()
    np.testing.assert_allclose(raw(model, asked), peer.predict_proba(asked), atol=1e-10)
    expected = np.log(np.exp(peer.predict_joint_log_proba(asked)).sum(1))
    np.testing.assert_allclose(model.log_prob(asked), expected, atol=1e-8)


def test_tokens_are_scikit_learns_multinomial():
    data = words()
    bags = torch.stack([row.bincount(minlength=4) for row in data.train.x])
    peer = MultinomialNB(alpha=0.3).fit(bags, data.train.labels)
    asked = data.validation.x
    bags = torch.stack([row.bincount(minlength=4) for row in asked])
    model = fitted(data, alpha=0.3)
    np.testing.assert_allclose(raw(model, asked), peer.predict_proba(bags), atol=1e-10)


@pytest.mark.parametrize("data", [pictures(), words()], ids=["pictures", "words"])
def test_samples_of_a_class_have_its_frequencies(data):
    model = fitted(data)
    asked = torch.full((4000,), 1)
    x = model.sample(4000, asked, seed())
    assert x.dtype == data.train.x.dtype
    mine = data.train.x[data.train.labels == 1]
    for level in range(data.levels):
        share, expected = ((v == level).double().mean(0) for v in (x, mine))
        if data.modality == "text":
            share, expected = share.mean(), expected.mean()
        assert (share - expected).abs().max() < 0.05
    right = model.class_probabilities(x).argmax(1) == 1
    assert float(right.double().mean()) > 0.55


def test_gaussian_samples_have_the_moments_of_their_class():
    model = fitted(cloud())
    x = model.sample(20_000, torch.full((20_000,), 2), seed()).double()
    found = model.values
    assert torch.allclose(x.mean(0), found.means[2], atol=0.1)
    assert torch.allclose(x.std(0), found.deviations[2], rtol=0.03)
    mixed = model.sample(20_000, None, seed()).double()
    assert torch.allclose(mixed.mean(0), cloud().train.x.double().mean(0), atol=0.1)


def test_labels_are_answered_in_their_order():
    data = words()
    model = fitted(data)
    asked = torch.tensor([0, 1] * 500)
    x = model.sample(1000, asked, seed())
    high = (x >= 2).double().mean(1)
    assert float(high[asked == 1].mean()) > 0.6 > 0.4 > float(high[asked == 0].mean())


def test_mass_and_density_are_one_model():
    data = pictures(levels=3)
    small = replace(
        data, train=Split(data.train.x[..., :2, :1].clone(), data.train.labels),
        validation=Split(data.validation.x[..., :2, :1].clone(), data.validation.labels),
    )  # fmt: skip
    model = fitted(small)
    every = torch.tensor(list(itertools.product(range(3), repeat=2))).view(-1, 1, 2, 1)
    assert float(model.log_mass(every).exp().sum()) == pytest.approx(1, abs=1e-12)
    y = (every.double() + 0.37) / 3
    assert torch.allclose(model.log_prob(y), model.log_mass(every) + 2 * math.log(3))
    assert (model.log_prob(y + 1) == -math.inf).all()
    with pytest.raises(UnsupportedError, match="ask for log_prob"):
        fitted(cloud()).log_mass(data.train.x)
    with pytest.raises(UnsupportedError, match="ask for log_prob_given"):
        fitted(cloud()).log_mass_given(data.train.x, data.train.labels)


@pytest.mark.parametrize("data", [pictures(), words(), cloud()], ids=["levels", "words", "points"])
def test_classes_mix_into_the_whole_by_their_frequency(data):
    keep = data.train.labels != 1  # what is left is of unequal frequency after the cut
    train = Split(data.train.x[keep][:70], data.train.labels[keep][:70])
    model = fitted(replace(data, train=train))
    x, n = data.validation.x, len(data.validation)
    ask = (model.log_prob_given, model.log_prob) if data.levels is None else (
        model.log_mass_given, model.log_mass
    )  # fmt: skip
    shares = train.labels.bincount().double() / len(train)
    joint = [ask[0](x, torch.full((n,), int(c))) + shares[c].log() for c in train.labels.unique()]
    assert torch.allclose(torch.stack(joint).logsumexp(0), ask[1](x), atol=1e-10)
    mixed = model.seen[torch.arange(n) % len(model.seen)]
    assert torch.equal(ask[0](x, mixed)[1::5], ask[0](x[1::5], mixed[1::5]))


def test_a_density_within_a_class_is_its_mass_spread_over_the_bins():
    model = fitted(pictures())
    x, y = pictures().validation.x, pictures().validation.labels
    found = model.log_prob_given((x.double() + 0.37) / 5, y)
    assert torch.allclose(found, model.log_mass_given(x, y) + 6 * math.log(5))
    assert (model.log_prob_given(x.double() + 1, y) == -math.inf).all()


@pytest.fixture(scope="module")
def digits() -> Dataset:
    spec = Registry().datasets["digits"]
    data: Dataset = load_target(spec.target)(spec)
    return data


def test_digits_reach_what_was_measured(digits):
    model = fitted(digits.for_training())
    x, y, bit = digits.test.x, digits.test.labels, 64 * math.log(2)
    assert -float(model.log_mass(x).mean()) / bit < 2.225
    assert -float(model.log_mass_given(x, y).mean()) / bit < 2.19
    assert float((model.class_probabilities(x).argmax(1) == y).double().mean()) > 0.906


def test_calibration_makes_posteriors_honest_and_changes_no_verdict(digits):
    model = fitted(digits.for_training())
    x, y = digits.test.x, digits.test.labels
    tempered = model.class_probabilities(x)
    assert torch.allclose(tempered.sum(1), torch.ones(len(x)).double())
    plain = torch.from_numpy(raw(model, x))
    assert torch.equal(tempered.argmax(1), plain.argmax(1))

    def surprise(p: torch.Tensor) -> float:
        return -float(p[torch.arange(len(y)), y].log().mean())

    def overconfidence(p: torch.Tensor) -> float:
        return float((p.amax(1) - (p.argmax(1) == y).double()).mean())

    def error(of: NaiveBayes) -> float:
        return calibration_error(Evidence(digits, of, x, seed=0), bins=15).value

    assert error(fitted(digits.for_training())) < 0.6 * error(model)  # which raw() left untempered
    assert surprise(tempered) < 0.6 * surprise(plain)
    assert abs(overconfidence(tempered)) < 0.03 < overconfidence(plain)


def test_a_class_without_examples_is_known_and_impossible():
    data = pictures()
    keep = data.train.labels != 1
    lacking = replace(data, train=Split(data.train.x[keep], data.train.labels[keep]))
    model = fitted(lacking)
    posterior = model.class_probabilities(data.validation.x)
    assert posterior.shape == (150, 3)
    assert (posterior[:, 1] == 0).all()
    assert model.sample(4, torch.tensor([0, 2, 0, 2]), seed()).shape == (4, 1, 2, 3)
    with pytest.raises(UnsupportedError, match="class 1 has no training example; there are 0, 2"):
        model.sample(2, torch.tensor([0, 1]), seed())
    with pytest.raises(UnsupportedError, match="class 1 has no training example; there are 0, 2"):
        model.log_mass_given(data.validation.x[:2], torch.tensor([0, 1]))


def test_without_labels_it_is_one_class():
    model = fitted(cloud(labelled=False))
    x = cloud().train.x.double()
    normal = torch.distributions.Normal(x.mean(0), x.std(0, correction=0))
    assert torch.allclose(model.log_prob(x), normal.log_prob(x).sum(1))
    with pytest.raises(UnsupportedError, match="no labels"):
        model.class_probabilities(x)
    with pytest.raises(UnsupportedError, match="trained without"):
        model.sample(2, torch.tensor([0, 0]), seed())
    with pytest.raises(UnsupportedError, match="trained without"):
        model.log_prob_given(x[:2], torch.tensor([0, 0]))


@pytest.mark.parametrize("value", [0.0, 4.0, -1e6])
def test_a_value_that_never_varies_is_given_a_narrow_gaussian(value):
    data = cloud()
    data.train.x[:, 1] = value
    model = fitted(data)
    drawn = model.sample(100, None, seed())[:, 1]
    assert torch.allclose(drawn, torch.tensor(value), rtol=1e-6, atol=1e-6)
    assert torch.isfinite(model.log_prob(data.train.x)).all()


def test_one_example_a_class_is_survived():
    x, y = torch.tensor([[0.0, 1.0], [5.0, 2.0]]), torch.tensor([0, 1])
    model = fitted(made("points", x.repeat_interleave(2, 0)[[0, 2, 1, 3]], y.repeat(2)))
    assert torch.isfinite(model.log_prob(x)).all()
    assert model.class_probabilities(x).argmax(1).tolist() == [0, 1]


def test_black_pictures_are_learned_as_such():
    data = pictures()
    black = replace(data, train=Split(torch.zeros_like(data.train.x), data.train.labels))
    model = fitted(black, alpha=0.1)
    assert float((model.sample(500, None, seed()) == 0).double().mean()) > 0.98
    assert torch.isfinite(model.log_mass(data.validation.x)).all()
    assert torch.allclose(
        model.class_probabilities(black.train.x), torch.tensor(1 / 3).double(), atol=0.01
    )


def test_wrong_data_never_trains():
    data = cloud()
    spoilt = data.train.x.clone()
    spoilt[3, 1], spoilt[5, 2] = math.nan, math.inf
    with pytest.raises(ValueError, match="naive-bayes cannot be trained: 2 of 800 train values"):
        fitted(replace(data, train=Split(spoilt, data.train.labels)))
    with pytest.raises(ValueError, match="2 of 800 validation values"):
        fitted(replace(data, validation=Split(spoilt, data.train.labels)))
    with pytest.raises(ValueError, match="naive-bayes needs training examples"):
        fitted(replace(data, train=data.train.first(0)))
    with pytest.raises(ValueError, match="needs labels from 0 on, and -1 came"):
        fitted(replace(data, train=Split(data.train.x, data.train.labels - 1)))
    with pytest.raises(ValueError, match="expected 3 labels for 3 samples, got 2"):
        fitted(data).sample(3, torch.tensor([0, 1]), seed())
