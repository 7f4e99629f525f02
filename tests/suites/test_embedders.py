"""The digits embedder, and what the distances in it make of simple stand-ins for models."""

import pytest
import torch
import worlds
from standins import StandIn

from gengauge.evidence import Evidence
from gengauge_suites.embedders import train_digits
from gengauge_suites.embedders.digits import WEIGHTS, DigitsEmbedder
from gengauge_suites.embedders.identity import IdentityEmbedder
from gengauge_suites.embedders.training import accuracy
from gengauge_suites.fidelity.frechet import fd, fd_infinity

DIGITS = worlds.load("digits")
EMBEDDER = DigitsEmbedder()


def test_weights_are_small_and_named_by_their_hash():
    assert WEIGHTS.stat().st_size < 500_000
    assert EMBEDDER.sha256 == DigitsEmbedder().sha256
    assert len(EMBEDDER.sha256) == 64


def test_features_are_the_same_for_an_image_alone_and_in_a_batch():
    features = EMBEDDER.features(DIGITS.test.x)
    assert features.shape == (359, 64)
    assert torch.allclose(features[5:6], EMBEDDER.features(DIGITS.test.x[5:6]), atol=1e-4)
    assert not features.requires_grad


def test_the_classifier_behind_them_is_right_on_held_out_digits():
    for split in (DIGITS.validation, DIGITS.test):
        right = EMBEDDER.classes(split.x).argmax(1) == split.labels
        assert float(right.double().mean()) > 0.985


def test_the_embedder_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"takes \[n, 1, 8, 8\], not \[2, 1, 28, 28\]"):
        EMBEDDER.features(torch.zeros(2, 1, 28, 28))
    with pytest.raises(ValueError, match=r"not \[2, 1, 28, 28\]"):
        EMBEDDER.classes(torch.zeros(2, 1, 28, 28))


def test_identity_changes_nothing():
    embedder = IdentityEmbedder()
    features = embedder.features(DIGITS.test.x)
    assert features.dtype == torch.float64
    assert torch.equal(features.view(-1, 1, 8, 8), DIGITS.test.x.double())


def test_training_script_learns_from_the_train_split_alone():
    network = train_digits.train(DIGITS.for_training(), steps=250)
    again = train_digits.train(DIGITS, steps=250)
    assert torch.equal(network.features(DIGITS.test.x), again.features(DIGITS.test.x))
    validation = DIGITS.validation
    assert accuracy(network, validation.x, validation.labels) > 0.7


def test_augmentation_keeps_the_grey_levels_range_and_the_picture():
    x = DIGITS.train.x[:200]
    moved = train_digits.augment(x, torch.Generator().manual_seed(0))
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 16
    own = torch.nn.functional.cosine_similarity(moved.flatten(1), x.flatten(1).float())
    assert float(own.mean()) > 0.9


def pick(n, seed):
    generator = torch.Generator().manual_seed(seed)
    return DIGITS.train.x[torch.randint(len(DIGITS.train), (n,), generator=generator)]


def spread(factor):
    x, mean = pick(359, 0).float(), DIGITS.train.x.float().mean(0)
    return (mean + factor * (x - mean)).round().clamp(0, 16).to(torch.uint8)


def scores(samples):
    found = Evidence(DIGITS, StandIn(), samples, seed=0)
    return fd(found, EMBEDDER), fd_infinity(found, EMBEDDER)


def test_real_is_best_and_noise_is_bad():
    noise = torch.randint(17, (359, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    threes = DIGITS.train.x[DIGITS.train.labels == 3].repeat(4, 1, 1, 1)[:359]
    value = {
        "real": DIGITS.validation.x,
        "copycat": pick(359, 0),
        "wide": spread(1.3),
        "narrow": spread(0.7),
        "noise": noise.to(torch.uint8),
        "one class": threes,
    }
    found = {name: scores(samples)[0].value for name, samples in value.items()}
    assert sorted(found, key=found.get)[:2] == ["real", "copycat"]
    assert found["wide"] > 1.2 * found["copycat"]
    assert found["narrow"] > 5 * found["real"]
    assert min(found["noise"], found["one class"]) > 20 * found["real"]


def test_real_beats_every_copycat_with_replacement():
    real = scores(DIGITS.validation.x)[0].value
    assert all(scores(pick(359, seed))[0].value > real for seed in range(10))


def test_the_corrected_distance_of_independent_real_images_is_about_zero():
    """Drawn with replacement from 1,079 images, a sample is real but for that finite number."""
    for seed in range(5):
        interval = scores(pick(359, seed))[1].interval
        assert interval.low < 0.5
        assert interval.high > 0
