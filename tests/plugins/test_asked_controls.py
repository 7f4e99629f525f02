"""Controls that are asked for a class or a caption give what their summaries say."""

import itertools
from collections import Counter
from dataclasses import dataclass

import pytest
import torch

from gengauge import Budget, Dataset, FitRun, Split
from gengauge.errors import UnsupportedError
from gengauge.registry import Registry, load_target

REGISTRY = Registry()
COPIES = ("copycat", "copycat-noise", "narrow", "wide", "collapsed")


@dataclass(frozen=True)
class Grammar:
    names: tuple[str, ...] = ("colour", "place")
    values: tuple[tuple[str, ...], ...] = (("red", "green", "blue"), ("top", "top left", "left"))

    @property
    def synonyms(self):
        return {"crimson": "red"}

    def agreement(self, caption, found):
        raise AssertionError("a control judges nothing")

    def caption(self, attributes):
        return f"a {self.values[0][attributes[0]]} dot at the {self.values[1][attributes[1]]}"

    def attributes(self, caption):
        raise AssertionError("a control that was loaded has no grammar to ask")


def split(pairs, grammar, swap=False):
    """One pixel each, whose two channels are the attributes."""
    x = torch.tensor(pairs, dtype=torch.uint8)[:, :, None, None]
    said = [grammar.values[0][c] + ", " + grammar.values[1][p] for c, p in pairs]
    captions = said if swap else map(grammar.caption, pairs)
    return Split(x, x[:, 0, 0, 0].long(), tuple(captions), x[:, :, 0, 0].long())


def world(validation=None):
    grammar = Grammar()
    every = list(itertools.product(range(3), range(3))) * 4
    validation = every if validation is None else validation
    parts = [split(p, grammar) for p in (every, validation)] + [split(every, grammar, swap=True)]
    return Dataset("dots", "image", *parts, levels=256, grammar=grammar)


def fitted(id_, data):
    spec = REGISTRY.models[id_]
    model = load_target(spec.target)(**spec.resolve({}))
    model.fit(data, FitRun(seed=0, budget=Budget(1, "steps")))
    return model


def ask(model, condition, seed=0):
    return model.sample(len(condition), condition, torch.Generator().manual_seed(seed))


def attributes(x):
    return x[:, :, 0, 0].long()


def digits():
    spec = REGISTRY.datasets["digits"]
    return load_target(spec.target)(spec)


@pytest.mark.parametrize("id_", ["real", "copycat"])
def test_captions_are_answered_whatever_their_words(id_):
    data = world()
    given = ask(fitted(id_, data), data.test.captions)  # "red, top": said otherwise in train
    assert torch.equal(attributes(given), data.test.attributes)


@pytest.mark.parametrize("id_", ["real", "copycat"])
def test_classes_are_answered(id_):
    data = world()
    given = ask(fitted(id_, data), data.test.labels)
    assert torch.equal(attributes(given)[:, 0], data.test.labels)


def test_another_name_and_the_order_of_words_are_understood():
    model = fitted("real", world([(0, 1), (1, 0)]))
    for said in ("a crimson dot at the top left", "top left: crimson", "red, top left"):
        assert attributes(ask(model, [said])).tolist() == [[0, 1]]


def test_what_belongs_together_stays_together():
    x = torch.arange(2, dtype=torch.uint8)[:, None, None, None]
    split = Split(x, captions=("a red dot by a blue star", "a blue dot by a red star"))
    data = Dataset("bound", "image", split, split, split, levels=256)
    for id_ in ("copycat", "real"):
        model = fitted(id_, data)
        given = ask(model, ["the red dot by the blue star", "one blue dot by one red star"])
        assert given.flatten().tolist() == [0, 1]


def test_words_do_where_there_is_no_grammar():
    data = world()
    plain = Dataset("dots", "image", data.train, data.validation, data.test, levels=256)
    given = ask(fitted("real", plain), data.validation.captions)
    assert torch.equal(attributes(given), data.validation.attributes)


def test_the_nearest_caption_stands_in_for_one_that_is_missing():
    data = world([(0, 0), (1, 2), (1, 1)])
    given = ask(fitted("real", data), ["red, left", "green, top left", "blue, left"])
    assert attributes(given).tolist()[1] == [1, 1]
    asked = torch.tensor([[0, 2], [1, 1], [2, 2]])
    assert ((attributes(given) != asked).sum(1) <= torch.tensor([1, 0, 1])).all()


def test_stand_ins_differ_in_any_attribute():
    data = world([(0, 0), (1, 1), (2, 2)] * 4)
    model, asked = fitted("real", data), torch.tensor([0, 1])
    given = torch.cat([attributes(ask(model, ["red, top left"], seed)) for seed in range(40)])
    assert set(map(int, (given != asked).sum(1))) == {1}
    assert 0 < int((given[:, 0] == 0).sum()) < 40  # sometimes the colour is right


def test_real_gives_no_example_twice_while_others_are_left():
    data = digits()
    model, labels = fitted("real", data), data.test.labels
    most = torch.bincount(data.validation.labels)
    for seed in (0, 1):
        given = Counter(row.numpy().tobytes() for row in ask(model, labels, seed))
        assert max(given.values()) == 1  # digits are stratified: there are enough of each
    threes = torch.full((int(most[3]) * 2,), 3)
    given = Counter(row.numpy().tobytes() for row in ask(model, threes))
    assert set(given.values()) == {2}
    assert len(given) == most[3]
    assert not torch.equal(ask(model, labels, 0), ask(model, labels, 1))


@pytest.mark.parametrize("id_", COPIES)
def test_copies_are_of_the_class_asked_for(id_):
    data = digits()
    given = ask(fitted(id_, data), data.test.labels).flatten(1).float()
    centres = torch.stack([
        data.train.x[data.train.labels == c].flatten(1).float().mean(0) for c in range(10)
    ])  # fmt: skip
    right = torch.cdist(given, centres).argmin(1) == data.test.labels
    assert float(right.double().mean()) > 0.8


def test_collapsed_knows_one_example_of_each_class():
    data = world()
    model = fitted("collapsed", data)
    model.amount = 0.0
    first, again = (ask(model, data.test.labels, seed) for seed in (0, 1))
    assert torch.equal(first, again)
    assert len(set(map(tuple, attributes(first).tolist()))) == 3


def test_half_the_copies_answer():
    data = digits()
    given = ask(fitted("half-copycat", data), data.test.labels)
    known = {row.numpy().tobytes() for row in data.train.x}
    assert [row.numpy().tobytes() in known for row in given] == [
        i % 2 == 0 for i in range(len(given))
    ]


def test_noise_does_not_listen():
    data = digits()
    model = fitted("noise", data)
    assert torch.equal(ask(model, data.test.labels), ask(model, data.test.labels.flip(0)))


@pytest.mark.parametrize("id_", ["real", *COPIES, "half-copycat"])
def test_what_the_data_does_not_know_is_refused(id_):
    data = digits()
    with pytest.raises(UnsupportedError, match="has no captions"):
        ask(fitted(id_, data), ["a three"])
    with pytest.raises(UnsupportedError, match="no example of class 12"):
        ask(fitted(id_, data), torch.tensor([1, 12]))
    spec = REGISTRY.datasets["points/checkerboard"]
    points = load_target(spec.target)(spec)
    with pytest.raises(UnsupportedError, match="has no labels"):
        ask(fitted(id_, points), torch.tensor([0, 1]))


def dictionary():
    spec = REGISTRY.datasets["text/devils-dictionary"]
    return load_target(spec.target)(spec)


def test_a_copycat_goes_on_as_the_text_that_agrees_longest():
    data = dictionary()
    model, known = fitted("copycat", data), data.train.x
    asked = known[::400, :32].clone()
    asked[:, :20] = 0  # what comes long before does not matter
    given = ask(model, asked)
    assert torch.equal(given[:, :32], asked)
    same = (known[:, 20:32] == asked[0, 20:]).all(1)
    assert any(torch.equal(given[0, 32:], row) for row in known[same][:, 32:])
    exact = ask(model, known[::400, :32])
    assert torch.equal(exact, known[::400])


def test_noise_and_half_a_copycat_keep_the_beginning():
    data = dictionary()
    asked = data.train.x[:40, :32]
    noise, half = (ask(fitted(id_, data), asked) for id_ in ("noise", "half-copycat"))
    assert torch.equal(noise[:, :32], asked)
    assert torch.equal(half[:, :32], asked)
    copied = (half == data.train.x[:40]).all(1)
    assert copied.tolist() == [i % 2 == 0 for i in range(40)]
    assert not (noise == data.train.x[:40]).all(1).any()


def test_real_text_is_not_asked_to_go_on():
    assert "prefix" not in REGISTRY.models["real"].conditions
    with pytest.raises(UnsupportedError, match="no answer to the beginning of a text"):
        ask(fitted("real", dictionary()), dictionary().test.x[:3, :5])


@pytest.mark.parametrize("id_", ["real", "copycat", "noise"])
def test_as_many_conditions_as_samples(id_):
    with pytest.raises(ValueError, match="expected 5 conditions for 5 samples, got 2"):
        fitted(id_, digits()).sample(5, torch.tensor([0, 1]), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("id_", ["real", "collapsed"])
def test_saved_controls_still_read_captions(id_, tmp_path):
    data = world()
    model = fitted(id_, data)
    model.save(tmp_path / "m")
    loaded = load_target(REGISTRY.models[id_].target)()
    loaded.load(tmp_path / "m", torch.device("cpu"))
    for condition in (data.test.captions, data.test.labels):
        assert torch.equal(ask(model, condition), ask(loaded, condition))
