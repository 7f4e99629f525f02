"""A mixture for each class: densities, posteriors, samples; classes or data that are missing."""

from dataclasses import replace

import pytest
import torch

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge.registry import Registry, load_target
from gengauge_plugins.mixture.categoricals import CategoricalMixture
from gengauge_plugins.mixture.gmm import GaussianMixture


def fit(model, data: Dataset, budget: str = "40 steps"):
    run = FitRun(seed=0, budget=Budget.parse(budget))
    model.fit(data, run)
    return run


def labelled(n: int = 900) -> Dataset:
    """Class 0 has two clusters and two thirds of the examples, class 1 one between them."""
    generator = torch.Generator().manual_seed(0)
    which = torch.arange(n) % 3
    x = torch.tensor([[-3.0, 0.0], [3.0, 0.0], [0.0, 0.5]])[which]
    x = x + torch.randn(n, 2, generator=generator)
    y = (which == 2).long()
    parts = [Split(x[s], y[s]) for s in (slice(450), slice(450, 675), slice(675, None))]
    return Dataset("three", "points", *parts, class_names=("ends", "middle"))


@pytest.fixture(scope="module")
def model() -> GaussianMixture:
    made = GaussianMixture(components=3, conditional=True, regularisation=1e-4)
    fit(made, labelled())
    return made


def test_density_is_the_sum_over_classes(model):
    x = labelled().test.x
    given = torch.stack(
        [model.log_prob_given(x, torch.full((len(x),), label)) for label in (0, 1)], 1
    )
    prior = torch.tensor([2 / 3, 1 / 3]).double().log()
    torch.testing.assert_close((given + prior).logsumexp(1), model.log_prob(x))
    assert model.gaussians.owners.tolist() == [0, 0, 1]  # components go by frequency


def test_each_class_is_the_mixture_of_its_examples_alone(model):
    data = labelled()
    for label, components in ((0, 2), (1, 1)):
        splits = [Split(s.x[s.labels == label]) for s in (data.train, data.validation, data.test)]
        alone = GaussianMixture(components=components, regularisation=1e-6)
        fit(alone, Dataset("one", "points", *splits))
        x = splits[2].x
        found = model.log_prob_given(x, torch.full((len(x),), label))
        assert float((found - alone.log_prob(x)).mean()) == pytest.approx(0, abs=0.01)


def test_posteriors_are_bayes_rule_to_a_calibrated_power(model):
    x = labelled().test.x
    joint = torch.stack(
        [model.log_prob_given(x, torch.full((len(x),), label)) for label in (0, 1)], 1
    ) + torch.tensor([2 / 3, 1 / 3]).double().log()  # fmt: skip
    expected = (model.sharpness * joint).softmax(1)
    torch.testing.assert_close(model.class_probabilities(x), expected)
    assert 0.5 < model.sharpness < 2  # the model is right, and so nearly as sure as it should be
    right = expected.argmax(1) == labelled().test.labels
    assert float(right.double().mean()) > 0.85


def test_samples_are_of_the_class_that_was_asked_for(model):
    asked = torch.tensor([0, 1]).repeat(3000)
    x = model.sample(6000, asked, torch.Generator().manual_seed(0))
    ends, middle = x[asked == 0], x[asked == 1]
    assert float(ends[:, 0].std()) == pytest.approx(10**0.5, abs=0.15)
    assert float(middle[:, 0].std()) == pytest.approx(1, abs=0.1)
    free = model.sample(6000, None, torch.Generator().manual_seed(0))
    assert float(free[:, 0].std()) == pytest.approx(7**0.5, abs=0.15)


def test_what_cannot_be_answered_is_said(model):
    data, plain = labelled(), GaussianMixture(components=2)
    fit(plain, data)
    for ask in (
        lambda: plain.class_probabilities(data.test.x),
        lambda: plain.log_prob_given(data.test.x, data.test.labels),
    ):
        with pytest.raises(UnsupportedError, match="conditional=true"):
            ask()
    with pytest.raises(UnsupportedError, match="unconditional"):
        plain.sample(2, torch.tensor([0, 1]), torch.Generator())
    with pytest.raises(UnsupportedError, match="class 7 has no training example; there are 0, 1"):
        model.sample(1, torch.tensor([7]), torch.Generator())
    unlabelled = Dataset("x", "points", *(Split(s.x) for s in (data.train, data.test, data.test)))
    with pytest.raises(ValueError, match="learns from class labels"):
        fit(GaussianMixture(conditional=True), unlabelled)


def test_a_class_without_examples_has_no_posterior_and_no_samples(tmp_path):
    data = labelled()
    there = replace(data, class_names=("ends", "middle", "nowhere"))
    model = GaussianMixture(components=4, conditional=True)
    fit(model, there)
    model.save(tmp_path)
    loaded = GaussianMixture()
    loaded.load(tmp_path, torch.device("cpu"))
    posterior = loaded.class_probabilities(data.test.x)
    assert posterior.shape == (len(data.test.x), 3)
    assert posterior[:, 2].eq(0).all()
    torch.testing.assert_close(posterior.sum(1), torch.ones(len(posterior)).double())
    with pytest.raises(UnsupportedError, match="class 2 has no training example"):
        loaded.sample(1, torch.tensor([2]), torch.Generator())


def test_a_class_of_one_example_is_smooth():
    """It has no validation example either: the largest regularisation keeps it from a spike."""
    data = labelled()
    rare = Split(torch.cat([data.train.x, torch.tensor([[9.0, 9.0]])]),
                 torch.cat([data.train.labels, torch.tensor([2])]))  # fmt: skip
    model = GaussianMixture(components=3, conditional=True)
    fit(model, replace(data, train=rare, class_names=()))
    at = model.log_prob_given(torch.tensor([[9.0, 9.0]]), torch.tensor([2]))
    assert 0 > float(at) > -10
    assert model.class_probabilities(torch.tensor([[8.8, 9.1]])).argmax() == 2


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_every_form_is_conditional(kind):
    data = labelled()
    model = GaussianMixture(components=3, conditional=True, covariance=kind)
    run = fit(model, data, "12 steps")
    assert 1 <= run.steps <= 12
    assert len(model.gaussians.factors) == (2 if kind == "tied" else 3)
    shared = {"full": 9, "tied": 6, "diag": 6, "spherical": 3}[kind]
    assert model.n_parameters == 2 + 6 + shared + 1  # weights, means, covariances, the power
    right = model.class_probabilities(data.test.x).argmax(1) == data.test.labels
    assert float(right.double().mean()) > 0.8


def test_digits_are_classified():
    spec = Registry().datasets["digits"]
    data = load_target(spec.target)(spec)
    model = GaussianMixture(conditional=True)
    fit(model, data)
    posterior = model.class_probabilities(data.test.x)
    right = posterior.gather(1, data.test.labels[:, None])[:, 0]
    assert float((posterior.argmax(1) == data.test.labels).double().mean()) > 0.95
    assert float(-right.log().mean()) < 0.2


def broken(**changes) -> Dataset:
    return replace(labelled(), **changes)


@pytest.mark.parametrize("conditional", [False, True])
def test_wrong_data_is_refused(conditional):
    data = labelled()
    nan = Split(data.train.x.clone().index_fill_(0, torch.tensor([3]), float("nan")),
                data.train.labels)  # fmt: skip
    for train, message in ((nan, "finite"), (Split(data.train.x[:0], data.train.labels[:0]), "")):
        with pytest.raises(ValueError, match=message or "training examples"):
            fit(GaussianMixture(conditional=conditional), broken(train=train))


def test_black_images_have_a_density():
    black = torch.zeros(40, 1, 4, 4, dtype=torch.uint8)
    data = Dataset("black", "image", Split(black), Split(black[:8]), Split(black), levels=256)
    for given in ({}, {"subspace": 3}):
        model = GaussianMixture(components=3, **given)
        fit(model, data)
        inside = torch.full((2, 1, 4, 4), 0.5 / 256, dtype=torch.float64)
        per_value = model.log_prob(inside) / 16
        assert torch.isfinite(per_value).all()
        assert float(per_value.mean()) > 4.5  # log 256 = 5.5 is what a uniform bin reaches


def test_constant_columns_and_single_examples_have_a_density():
    data = labelled()
    x = torch.cat([data.train.x, torch.full((450, 1), 1e6)], 1)
    for few in (x, x[:1], x[:2]):
        made = Dataset("x", "table", Split(few), Split(few[:0]), Split(few))
        for kind in ("full", "tied", "diag", "spherical"):
            model = GaussianMixture(components=4, covariance=kind)
            fit(model, made)
            assert torch.isfinite(model.log_prob(few)).all()
            drawn = model.sample(50, None, torch.Generator().manual_seed(0))
            torch.testing.assert_close(drawn[:, 2], torch.full((50,), 1e6))


def test_fewer_examples_than_values_need_no_help():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(90, 40, generator=generator)
    data = Dataset("x", "points", Split(x[:30]), Split(x[30:60]), Split(x[60:]))
    for kind in ("full", "tied"):
        model = GaussianMixture(components=2, covariance=kind)
        fit(model, data)
        # the largest regularisation is chosen; the truth has -57 nats
        assert -500 < float(model.log_prob(data.test.x).mean()) < -50
    fit(CategoricalMixture(components=50), Dataset(
        "t", "table", *(Split((s.x > 0).to(torch.uint8)) for s in (data.train, data.test)),
        Split(x[:0]), levels=2,
    ))  # fmt: skip
