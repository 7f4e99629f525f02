"""The two tiny CLIPs: loaded by open_clip, right on unseen combinations, and open to gradients."""

import hashlib
import json
import shutil
import warnings
from dataclasses import replace
from functools import cache

import pytest
import torch
import worlds
from spoil import spoilt
from standins import StandIn

from gengauge.errors import UsageError
from gengauge.evidence import Evidence
from gengauge.metric import EmbedsText, Steers
from gengauge.registry import load_target
from gengauge_suites.datasets.captions import ShapesGrammar
from gengauge_suites.datasets.words import WORDS
from gengauge_suites.embedders import gengauge_embedders, train_clip_shapes
from gengauge_suites.embedders.clip import Clip
from gengauge_suites.embedders.local_clip import (
    CONFIG,
    HOME,
    PREPROCESSING,
    WEIGHTS,
    LocalClip,
    build,
)
from gengauge_suites.embedders.openai_clip import ClipEmbedder
from gengauge_suites.embedders.retrieval import exchange, objects, retrieval, unseen
from gengauge_suites.embedders.twisted import Twister, pairs_of, untrue
from gengauge_suites.embedders.words import Words
from gengauge_suites.fidelity.frechet import fd

IDS = ("clip/shapes", "clip/shapes-guide")
SPECS = {spec.id: spec for spec in gengauge_embedders()}
both = pytest.mark.parametrize("id_", IDS)


@cache
def clip(id_):
    return load_target(SPECS[id_].target)(**SPECS[id_].arguments)


def folder(id_):
    return HOME / id_.replace("/", "-")


def portion():
    """A third of the test pictures."""
    return replace(worlds.load("shapes"), test=worlds.load("shapes").test.first(1500))


@both
def test_the_description_and_the_card_agree_with_the_files(id_):
    made, weights = clip(id_), folder(id_) / WEIGHTS
    assert made.id == id_
    assert SPECS[id_].preprocessing == PREPROCESSING
    assert isinstance(made, EmbedsText)
    assert isinstance(made, Steers)
    assert weights.stat().st_size < 5_000_000
    card = (HOME / "clip_shapes.md").read_text()
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card
    assert f"{weights.stat().st_size:,} bytes" in card
    assert f"{sum(p.numel() for p in made.network.parameters()):,} parameters" in card


@both
def test_it_is_open_clips_own_network_frozen_and_ready(id_):
    made = clip(id_)
    assert isinstance(made, Clip)
    assert issubclass(ClipEmbedder, Clip)  # the real ones go the same way
    assert type(made.network).__module__.startswith("open_clip")
    assert not any(module.training for module in made.network.modules())
    assert not any(parameter.requires_grad for parameter in made.network.parameters())


def test_the_two_differ_in_shape_words_read_and_weights():
    ours = [json.loads((folder(id_) / CONFIG).read_text())["model_cfg"] for id_ in IDS]
    for part in ("embed_dim", "vision_cfg", "text_cfg"):
        assert ours[0][part] != ours[1][part], part
    assert train_clip_shapes.RECIPES[IDS[0]].seed != train_clip_shapes.RECIPES[IDS[1]].seed
    assert clip(IDS[0]).sha256 != clip(IDS[1]).sha256


@both
def test_captions_are_found_among_32_on_combinations_that_were_never_seen(id_):
    data = portion()
    found, new = retrieval(clip(id_), data.test, 32), unseen(data)
    assert 400 < int(new.sum()) < 600
    assert float(found[new].double().mean()) > 0.9
    assert float(found[~new].double().mean()) > 0.9


@both
def test_exchanged_colours_are_told(id_):
    """Which colour is whose: CLIPs that read bags of words guess."""
    data = portion()
    several = objects(data.test) > 1
    assert float(exchange(clip(id_), data.test, 1, several).double().mean()) > 0.6


@both
def test_ways_to_say_the_same_are_near_each_other(id_):
    made, grammar = clip(id_), ShapesGrammar()
    scenes = worlds.load("shapes/easy").test.attributes[:50].tolist()
    first, *others = (
        torch.nn.functional.normalize(made.text([grammar.caption(s, way) for s in scenes]), dim=1)
        for way in (0, 1, 2, 3)
    )
    for other in others:
        assert float((first * other).sum(1).median()) > 0.8


@both
def test_features_are_the_same_for_an_image_alone_and_in_a_batch(id_):
    x = worlds.load("shapes").test.x[:40]
    features = clip(id_).features(x)
    assert features.dtype == torch.float32
    assert not features.requires_grad
    assert torch.allclose(features[5:6], clip(id_).features(x[5:6]), atol=1e-4)


@both
def test_what_steers_equals_the_features_and_its_gradient_is_right(id_):
    """Beside the difference quotient of the same network in double precision."""
    made = LocalClip(str(folder(id_)))
    x = worlds.load("shapes").test.x[:3]
    assert torch.allclose(made.embed(x.float()), made.features(x), atol=1e-4)
    made.network.double()
    levels = x.double().clone().requires_grad_()
    along = torch.randn(levels.shape, generator=torch.Generator().manual_seed(0)).double()

    def value(step):
        return made.embed(levels + step * along).square().sum()

    (gradient,) = torch.autograd.grad(value(0.0), levels)
    with torch.no_grad():
        quotient = (value(1e-4) - value(-1e-4)) / 2e-4
    assert float((gradient * along).sum()) == pytest.approx(float(quotient), rel=1e-5)
    assert float(gradient.abs().max()) > 0


@both
def test_a_picture_is_moved_towards_a_caption(id_):
    made = clip(id_)
    with torch.no_grad():
        asked = made.text(["a large red square in the centre"])
    x = worlds.load("shapes").test.x[:2].float().requires_grad_()

    def near(levels):
        return torch.nn.functional.cosine_similarity(made.embed(levels), asked)

    before = near(x)
    (gradient,) = torch.autograd.grad(before.sum(), x)
    step = 40 * gradient / gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    assert bool((near(x + step) > before).all())


@both
@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 3, 64, 64), (3, 32, 32)])
def test_images_of_another_size_are_refused(id_, shape):
    for judged in (clip(id_).features, clip(id_).embed):
        with pytest.raises(ValueError, match=r"takes \[n, 3, 32, 32\], not "):
            judged(torch.zeros(shape))


@both
def test_captions_that_say_nothing_are_refused(id_):
    with pytest.raises(ValueError, match="no captions were given"):
        clip(id_).text([])
    with pytest.raises(ValueError, match="caption 1 is empty"):
        clip(id_).text(["a red star", " "])
    with pytest.raises(ValueError, match=r"caption 0 \('!\?'\) has no word"):
        clip(id_).text(["!?"])


@both
def test_unknown_words_and_cut_ends_are_said(id_):
    with pytest.warns(UserWarning, match="does not know 'pink', 'hexagon': such words are all one"):
        one = clip(id_).text(["a pink hexagon"])
    with pytest.warns(UserWarning, match="what 1 of 2 captions say after them is cut off"):
        clip(id_).text(["red " * 40, "a red star"])
    with pytest.warns(UserWarning, match="'mauve'"):
        assert torch.equal(one, clip(id_).text(["a mauve pentagon"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip(id_).text(worlds.load("shapes").test.captions[:500])


def test_every_word_is_a_token_and_the_end_stays():
    words = Words.read(folder(IDS[0]) / "words.txt", 32)
    assert (folder(IDS[0]) / "words.txt").read_text().split() == sorted(WORDS)
    assert (folder(IDS[1]) / "words.txt").read_text().split() == sorted(WORDS)
    found = words(worlds.load("shapes").test.captions)
    assert (found != 2).all()  # no word is unknown
    assert (found.amax(1) == words.size - 1).all()
    assert (found[:, -1] == 0).all()  # and none is cut off
    long = words(["red " * 50, "a pink circle"])
    assert long.shape == (2, 32)
    assert (long.amax(1) == words.size - 1).all()
    assert int(long[1, 2]) == 2
    for id_ in IDS:
        text = json.loads((folder(id_) / CONFIG).read_text())["model_cfg"]["text_cfg"]
        assert (text["vocab_size"], text["context_length"]) == (words.size, 32)


def test_a_folder_of_the_users_is_the_same_network(tmp_path):
    """Copied elsewhere it has the same features and the same hash: a guide is known by it."""
    copy = tmp_path / "mine"
    shutil.copytree(folder(IDS[1]), copy)
    mine, x = LocalClip(str(copy)), worlds.load("shapes").test.x[:5]
    assert mine.id == f"local-dir:{copy}"
    assert mine.sha256 == clip(IDS[1]).sha256
    assert mine.prefix == ""
    assert torch.equal(mine.features(x), clip(IDS[1]).features(x))
    large = torch.zeros(2, 3, 48, 64, dtype=torch.uint8)  # resized: only ours are strict
    assert mine.features(large).shape == (2, mine.features(x).shape[1])
    (copy / CONFIG).write_text((copy / CONFIG).read_text() + "\n")
    assert LocalClip(str(copy)).sha256 != mine.sha256
    (copy / "open_clip_pytorch_model.bin").touch()  # open_clip might prefer it
    with pytest.raises(UsageError, match=r"no \*.bin or \*.pth"):
        LocalClip(str(copy))


def test_a_folder_that_holds_no_clip_is_refused(tmp_path):
    with pytest.raises(UsageError, match="found no folder"):
        LocalClip(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="found an empty one"):
        LocalClip(str(tmp_path))
    (tmp_path / CONFIG).write_bytes((folder(IDS[0]) / CONFIG).read_bytes())
    with pytest.raises(UsageError, match=r"one file \*.safetensors, found open_clip_config.json"):
        LocalClip(str(tmp_path))
    with pytest.raises(RuntimeError, match="Required pretrained weights"):
        build(tmp_path)


def test_distances_of_the_judge_put_spoilt_pictures_in_order():
    """All but noise, which it takes harder than the loss of all shapes but one."""
    data = worlds.load("shapes")
    data = replace(data, test=data.test.first(2000))
    held, scenes = data.validation.x[:1000], data.validation.attributes
    stars = data.validation.x[(scenes[:, 0] == 3) & (scenes[:, 4] < 0)]
    found = {
        name: fd(Evidence(data, StandIn(), x, seed=0), clip("clip/shapes")).value
        for name, x in spoilt(held, stars).items()
    }
    assert found["real"] < min(found["shift"], found["light blur"])
    steps = [max(found["shift"], found["light blur"])]
    steps += [found[name] for name in ("strong blur", "one class", "uniform noise")]
    assert steps == sorted(steps)
    assert found["strong blur"] < found["light noise"] < found["uniform noise"]
    assert found["one class"] > 20 * found["real"]


@both
def test_training_sees_the_train_split_alone_and_comes_out_the_same(id_):
    sets = [worlds.load(name) for name in train_clip_shapes.RECIPES[id_].sets]
    alone = [data.for_training() for data in sets]
    first, again = (train_clip_shapes.train(x, id_, steps=3).state_dict() for x in (alone, sets))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_guide_knows_each_shape_of_the_drawings_it_steers_to():
    """Half of them it once took for another: what it does not see, it cannot steer towards."""
    test, grammar = worlds.load("shapes/easy").test.first(400), ShapesGrammar()
    named = [
        grammar.caption([shape, *scene[1:]])
        for scene in test.attributes.tolist()
        for shape in range(5)
    ]
    made = clip("clip/shapes-guide")
    text = torch.nn.functional.normalize(made.text(named), dim=1).view(400, 5, -1)
    likest = torch.einsum("nd,nkd->nk", made.features(test.x), text).argmax(1)
    assert float((likest == test.attributes[:, 0]).double().mean()) > 0.85


def test_the_guide_is_trained_on_pictures_as_codebooks_blur_them():
    x = worlds.load("shapes").train.x[:400]
    found = train_clip_shapes._lossy(x, torch.Generator().manual_seed(0))
    # colours and brightness stay where they are
    assert float((found - x.float()).mean().abs()) < 0.1
    edges = (found[..., 1:] - found[..., :-1]).flatten(1).abs().amax(1)
    sharp = (x[..., 1:].float() - x[..., :-1].float()).flatten(1).abs().amax(1)
    blurred = edges < 0.75 * sharp
    assert 0.1 < float(blurred.double().mean()) < 0.5
    assert not train_clip_shapes.RECIPES["clip/shapes"].lossy  # the judge sees them as they are


def test_wrong_captions_are_wrong_and_name_no_unseen_pair():
    data, grammar = worlds.load("shapes"), ShapesGrammar()
    scenes = data.train.attributes[:300]
    said = Twister(data.train.attributes, grammar).captions(scenes, torch.Generator())
    pairs = pairs_of(data.train.attributes, grammar)
    for caption, scene in zip(said, scenes.tolist(), strict=True):
        assert untrue(caption, scene, grammar)
        count, *claims = grammar.attributes(caption)
        named = {tuple(claims[4 * i : 4 * i + 2]) for i in range(count)}
        assert named <= pairs
