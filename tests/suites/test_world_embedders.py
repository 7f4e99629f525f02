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


@pytest.mark.parametrize(("id_", "floor"), [("fashion", 0.9), ("shapes", 0.997)])
def test_classes_are_right_on_the_test_split(id_, floor):
    test = worlds.load(DATA[id_]).test.first(4000)
    right = embedder(id_).classes(test.x).argmax(1) == test.labels
    assert float(right.double().mean()) > floor


def test_all_four_attributes_are_right_on_the_test_split():
    test = worlds.load("shapes").test
    judged = embedder("shapes").attributes(test.x)
    assert judged.dtype == torch.int64
    right = (judged == test.attributes).double().mean(0)
    assert float(right.min()) >= 0.997


@new
def test_distances_put_spoilt_pictures_in_order(id_):
    """FD grows from held-out pictures through slight and heavy damage to uniform noise."""
    data = worlds.load(DATA[id_])
    data = replace(data, test=data.test.first(2000))
    held = data.validation
    made = spoilt(held.x[:1000], held.x[held.labels == 3])
    found = {
        name: fd(Evidence(data, StandIn(), x, seed=0), embedder(id_)).value
        for name, x in made.items()
    }
    assert tuple(sorted(found, key=found.get)) == ORDER
    assert found["one class"] > 20 * found["real"]


@pytest.mark.parametrize(
    ("script", "data"),
    [(train_shapes, "shapes"), (train_fashion, "fashion-mnist")],
    ids=["shapes", "fashion"],
)
def test_training_sees_the_train_split_alone(script, data):
    data = worlds.load(data)
    first = script.train(data.for_training(), steps=3).state_dict()
    again = script.train(data, steps=3).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
