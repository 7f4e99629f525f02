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
from gengauge_suites.datasets.captions import TEMPLATES, ShapesGrammar
from gengauge_suites.embedders import (
    clip_shapes,
    gengauge_embedders,
    train_clip_shapes,
    train_shapes,
    training,
)
from gengauge_suites.embedders.trained import identity_of
from gengauge_suites.fidelity.frechet import fd

SPECS = {spec.id: spec for spec in gengauge_embedders()}
DATA = {"digits": "digits", "shapes": "shapes", "clip/shapes": "shapes"}
FOLDER = Path(training.__file__).parent
PROTOCOLS = {"classes": Classifies, "attributes": JudgesAttributes, "text": EmbedsText}
ours = pytest.mark.parametrize("id_", DATA)
new = pytest.mark.parametrize("id_", ["shapes", "clip/shapes"])


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
    name = id_ if id_ != "clip/shapes" else "clip_shapes"
    weights = load_target(SPECS[id_].target.partition(":")[0] + ":WEIGHTS")
    assert weights.stat().st_size <= 1_000_000
    card = (FOLDER / f"{name}.md").read_text()
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


@pytest.mark.parametrize(("id_", "floor"), [("shapes", 0.997)])
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


def test_captions_find_their_pictures():
    test, judge = worlds.load("shapes").test.first(600), embedder("clip/shapes")
    network = clip_shapes.build(trained=True)
    assert train_clip_shapes.retrieval(network, test) > 0.97
    assert train_clip_shapes.retrieval(network, test, among=32) > 0.99
    cosine = torch.nn.functional.cosine_similarity(
        judge.features(test.x), judge.text(test.captions)
    )
    wrong = torch.nn.functional.cosine_similarity(
        judge.features(test.x), judge.text(test.captions[1:] + test.captions[:1])
    )
    assert float(cosine.median()) > float(wrong.median()) + 0.4


def test_ways_to_say_the_same_are_near_each_other():
    judge, grammar = embedder("clip/shapes"), ShapesGrammar()
    said = [[grammar.caption(a, t) for a in worlds.load("shapes").test.attributes[:50].tolist()]
            for t in range(len(TEMPLATES))]  # fmt: skip
    first, *others = (torch.nn.functional.normalize(judge.text(s), dim=1) for s in said)
    for other in others:
        assert float((first * other).sum(1).median()) > 0.9


def test_the_clip_is_loaded_through_open_clip_and_never_in_training_mode():
    network = embedder("clip/shapes")._network
    assert type(network).__module__.startswith("open_clip")
    assert not any(module.training for module in network.modules())
    assert sum(p.numel() for p in network.parameters()) < 600_000


def test_a_clip_without_weights_is_refused(tmp_path, monkeypatch):
    (tmp_path / "open_clip_config.json").write_bytes(clip_shapes.CONFIG.read_bytes())
    monkeypatch.setattr(clip_shapes, "FOLDER", tmp_path)
    with pytest.raises(RuntimeError, match="Required pretrained weights"):
        clip_shapes.build(trained=True)


def test_every_word_is_a_token_and_the_end_stays():
    for sentences in map(train_clip_shapes.sentences, range(len(TEMPLATES))):
        ids = clip_shapes.tokens(sentences)
        assert len(ids.unique(dim=0)) == 540
        assert (ids != clip_shapes.OTHER).all()
        assert (ids.amax(1) == clip_shapes.END).all()
    long = clip_shapes.tokens(["red " * 50, "a pink circle", ""])
    assert long.shape == (3, 16)
    assert (long.amax(1) == clip_shapes.END).all()
    assert int(long[1, 2]) == clip_shapes.OTHER


@new
def test_distances_put_spoilt_pictures_in_order(id_):
    """FD grows from held-out pictures through slight and heavy damage to uniform noise.

    Which slight damage is least is each embedder's own affair: the tiny CLIP minds a shift, by
    which positions are told, more than noise. A classifier of clothes does not.
    """
    data = worlds.load(DATA[id_])
    data = replace(data, test=data.test.first(2000))
    held = data.validation
    made = spoilt(held.x[:1000], held.x[held.labels == 3])
    found = {
        name: fd(Evidence(data, StandIn(), x, seed=0), embedder(id_)).value
        for name, x in made.items()
    }
    order = tuple(sorted(found, key=found.get))
    assert order[0] == "real"
    assert order[-3:] == ("strong blur", "one class", "uniform noise")
    assert order == ORDER or id_ != "fashion"
    assert found["one class"] > 20 * found["real"]


@pytest.mark.parametrize("script", [train_shapes, train_clip_shapes], ids=["shapes", "clip"])
def test_training_sees_the_train_split_alone(script):
    data = worlds.load("shapes")
    first = script.train(data.for_training(), steps=3).state_dict()
    again = script.train(data, steps=3).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
