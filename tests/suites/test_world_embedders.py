"""The embedders of Fashion-MNIST and the shapes: right on held-out data, and in good order."""

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
import worlds
from spoil import ORDER, spoilt
from standins import StandIn

from gengauge.evidence import Evidence
from gengauge.metric import Classifies, EmbedsText, JudgesAttributes
from gengauge.registry import load_target
from gengauge_suites.alignment.claims import by_chance, compared, unseen
from gengauge_suites.embedders import (
    gengauge_embedders,
    train_fashion,
    train_shapes,
    training,
)
from gengauge_suites.embedders.trained import identity_of
from gengauge_suites.fidelity.frechet import fd

SPECS = {spec.id: spec for spec in gengauge_embedders()}
DATA = {"digits": "digits", "fashion": "fashion-mnist", "shapes": "shapes"}
FOLDER = Path(training.__file__).parent
PROTOCOLS = {"classes": Classifies, "attributes": JudgesAttributes, "text": EmbedsText}
ours = pytest.mark.parametrize("id_", DATA)
new = pytest.mark.parametrize("id_", ["fashion", "shapes"])


@cache
def embedder(id_):
    return load_target(SPECS[id_].target)(**SPECS[id_].arguments)


@ours
def test_the_description_agrees_with_the_code(id_):
    spec, made = SPECS[id_], embedder(id_)
    assert made.id == id_
    assert len(made.sha256) == 64
    for what, protocol in PROTOCOLS.items():
        assert isinstance(made, protocol) == (what in spec.gives), what
    assert id_ in worlds.SPECS[DATA[id_]].embedders
    assert load_target(spec.target.partition(":")[0] + ":PREPROCESSING") == spec.preprocessing


@ours
def test_the_card_names_the_weights_by_their_hash(id_):
    weights = load_target(SPECS[id_].target.partition(":")[0] + ":WEIGHTS")
    assert weights.stat().st_size <= 1_000_000
    card = (FOLDER / f"{id_}.md").read_text()
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card
    assert f"{weights.stat().st_size:,} bytes" in card


def test_weights_or_preprocessing_make_another_embedder(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"1")
    first = identity_of("level / 255", file)
    assert first != identity_of("level / 256", file)
    file.write_bytes(b"2")
    assert first != identity_of("level / 255", file)


@new
def test_features_are_the_same_for_an_image_alone_and_in_a_batch(id_):
    x = worlds.load(DATA[id_]).test.x[:40]
    features = embedder(id_).features(x)
    assert features.shape == (40, 64)
    assert features.dtype == torch.float32
    assert not features.requires_grad
    assert torch.allclose(features[5:6], embedder(id_).features(x[5:6]), atol=1e-4)


@new
@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 784), (3, 32, 32)])
def test_other_shapes_are_refused(id_, shape):
    with pytest.raises(ValueError, match=rf"the {id_} embedder takes \[n, .*\], not "):
        embedder(id_).features(torch.zeros(shape))


@pytest.mark.parametrize(("id_", "on", "floor"), [("fashion", "fashion-mnist", 0.9),
                                                  ("shapes", "shapes/easy", 0.999)])  # fmt: skip
def test_classes_are_right_on_the_test_split(id_, on, floor):
    test = worlds.load(on).test.first(4000)
    right = embedder(id_).classes(test.x).argmax(1) == test.labels
    assert float(right.double().mean()) > floor


@pytest.mark.parametrize(("on", "pictures", "objects"), [("shapes/easy", 0.999, 0.999),
                         ("shapes", 0.999, 0.999), ("shapes/hard", 0.95, 0.98)])  # fmt: skip
def test_the_judge_tells_what_stands_where(on, pictures, objects):
    data = worlds.load(on)
    test = data.test.first(2000)
    judge = embedder("shapes")
    assert judge.attributes(test.x[:3]).shape == (3, 16)
    right = train_shapes.accuracies(judge, test.x, test.attributes)
    assert right.pop("all") > pictures
    assert min(right.values()) > objects
    strange = unseen(data)[:2000]  # the judge is not blind to what training lacks
    right = train_shapes.accuracies(judge, test.x[strange], test.attributes[strange])
    assert right["all"] > pictures - 0.02


def test_the_judge_counts_one_more_than_there_ever_are():
    """A picture of five objects is told to have four, and so to be no picture of three."""
    judge = embedder("shapes")
    test = worlds.load("shapes").test
    single = test.x[test.attributes[:, 4] < 0]
    place = test.attributes[test.attributes[:, 4] < 0][:, 3]
    corners = [single[place == p][0] for p in (0, 2, 4, 6, 8)]
    crowd = torch.stack(corners).amax(0)[None]
    found = judge.attributes(crowd).reshape(4, 4)
    assert (found[:, 0] >= 0).all()
    assert found[:, 3].tolist() == sorted(set(found[:, 3].tolist()) & {0, 2, 4, 6, 8})
    assert (judge.attributes(torch.full((1, 3, 32, 32), 36, dtype=torch.uint8)) == -1).all()


def test_the_judge_reads_every_caption_of_the_real_pictures_as_true():
    test, grammar = worlds.load("shapes").test.first(1000), worlds.load("shapes").grammar
    found = embedder("shapes").attributes(test.x)
    assert float(compared(grammar, test.captions, found).right.mean()) > 0.998
    assert float(by_chance(grammar, test.captions, found).right.mean()) < 0.01


@new
def test_distances_put_spoilt_pictures_in_order(id_):
    """FD grows from held-out pictures through slight and heavy damage to uniform noise."""
    data = worlds.load(DATA[id_])
    data = replace(data, test=data.test.first(2000))
    held = data.validation
    if id_ == "shapes":  # whose pictures have no one class; what the judge reads is its first
        alike = (held.attributes[:, 0::4] == 3) | (held.attributes[:, 0::4] < 0)
        one = held.x[alike.all(1)]
    else:
        one = held.x[held.labels == 3]
    made = spoilt(held.x[:1000], one)
    found = {
        name: fd(Evidence(data, StandIn(), x, seed=0), embedder(id_)).value
        for name, x in made.items()
    }
    order = sorted(found, key=found.get)
    slight = slice(1, 4)  # the shapes judge minds a shift and noise about as much
    if id_ == "shapes":
        assert sorted(order[slight]) == sorted(ORDER[slight])
        order[slight] = ORDER[slight]
    assert tuple(order) == ORDER
    # the shapes' test split has combinations that no sample can have: real pictures are not at 0
    assert found["one class"] > (10 if id_ == "shapes" else 20) * found["real"]


def test_fashion_training_sees_the_train_split_alone():
    data = worlds.load("fashion-mnist")
    first = train_fashion.train(data.for_training(), steps=3).state_dict()
    again = train_fashion.train(data, steps=3).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_training_the_judge_is_repeatable_and_sees_no_dataset():
    (x, targets), (same, _) = (train_shapes.pictures(0.005) for _ in range(2))
    assert torch.equal(x, same)
    assert targets.shape == (len(x), 27)
    first, again = (train_shapes.train(x, targets, steps=2).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    known = {row.numpy().tobytes() for row in worlds.load("shapes").test.x}
    assert not known & {row.numpy().tobytes() for row in x}
