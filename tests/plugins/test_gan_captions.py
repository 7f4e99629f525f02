"""Adversarial networks of captions: what is asked for comes, and wrong captions are said to be."""

import pytest
import torch
import worlds
from captioned import HalvesJudge, halves, shown

from gengauge import Budget, FitRun
from gengauge.errors import UnsupportedError
from gengauge.registry import Registry
from gengauge.units import in_units
from gengauge_plugins.gan.captioned import READ, pair_discriminator
from gengauge_plugins.gan.cgan import CGAN
from gengauge_plugins.networks.captions import CaptionContext
from gengauge_plugins.networks.matching import contrast, word_loss
from gengauge_suites.embedders.shapes import ShapesEmbedder


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def fitted(data, steps=120, **settings):
    made = CGAN(condition="caption", hidden=32, latent=8, batch_size=32, **settings)
    made.fit(data.for_training(), FitRun(0, Budget.parse(f"{steps} steps")))
    return made


@pytest.fixture(scope="module")
def data():
    return halves()


@pytest.fixture(scope="module")
def model(data):
    return fitted(data)


def right(drawn, data):
    found = HalvesJudge().attributes(drawn)
    return float((found == data.test.attributes[: len(drawn)]).all(1).double().mean())


def test_captions_are_followed(model, data):
    assert right(model.sample(60, data.test.captions[:60], stream()), data) > 0.9  # chance is 1/4


def test_asked_for_nothing_it_draws_what_training_captions_say(model, data):
    found = HalvesJudge().attributes(model.sample(400, None, stream()))
    seen, true = (a @ torch.tensor([2, 1]) for a in (found, data.train.attributes))
    shares = seen.bincount(minlength=4) / len(seen) - true.bincount(minlength=4) / len(true)
    assert float(shares.abs().max()) < 0.15


def test_both_players_share_one_reader_which_the_generator_does_not_move(data):
    model = CGAN(condition="caption", hidden=32)
    model.shape, model.levels = data.event_shape, data.levels
    tokens = model._learned(data).of(data.train)[1]
    game = model._game(data, tokens)
    assert game.generator.reader is game.discriminator.reader
    for weight in game.discriminator.parameters():
        weight.requires_grad_(False)
    game.generate((data.train.x[:8], tokens[:8]), stream()).backward()
    assert all(weight.grad is None for weight in game.generator.reader.parameters())
    assert all(weight.grad is not None for weight in game.generator.body.parameters())


def test_in_its_head_start_the_generator_learns_mean_pictures_and_the_reader_is_not_its_own(data):
    model = fitted(data, steps=60, head_start=1.0)  # it never plays
    x = data.train.x.double() / 255
    asked = data.train.captions[:40]
    drawn = model.sample(40, asked, stream()).double()
    kinds = data.train.attributes @ torch.tensor([2, 1])
    means = torch.stack([x[kinds == kind].mean(0) for kind in range(4)])
    error = (drawn[:, None] - means).square().flatten(2).mean(2)
    assert float((error.argmin(1) == kinds[:40]).double().mean()) > 0.9
    duel = model._game(data, model._learned(data).of(data.train)[1])
    own = set(map(id, duel.generator.body.parameters()))
    assert not own & set(map(id, duel.discriminator.parameters()))


@pytest.mark.slow
def test_shapes_are_drawn_and_not_only_colours_and_places():
    data, judge = worlds.load("shapes/easy"), ShapesEmbedder()
    model = CGAN(condition="caption", matching=0.4, lr=1e-3, lr_discriminator=1e-3)
    model.fit(data.for_training(), FitRun(0, Budget.parse("1000 steps")))
    test = data.test.first(300)
    drawn = in_units(model.sample(300, test.captions, stream()), 300, data)[0]
    shares = shown(data, judge, test.captions, drawn)
    assert float(shares[0]) > 0.5  # a fifth is chance
    assert float(shares[1:].min()) > 0.85


def test_a_saved_model_reads_the_same_words(model, data, tmp_path):
    model.save(tmp_path)
    loaded = CGAN(condition="caption", hidden=32, latent=8)
    loaded.load(tmp_path, torch.device("cpu"))
    for asked in (None, data.test.captions[:9]):
        assert torch.equal(loaded.sample(9, asked, stream()), model.sample(9, asked, stream()))


def test_what_cannot_be_asked_says_why(model, data):
    with pytest.warns(UserWarning, match="cgan never read 'violet' in training"):
        model.sample(1, ("violet on the left",), stream())
    with pytest.raises(ValueError, match="caption 0 has no word"):
        model.sample(1, ("",), stream())
    with pytest.raises(UnsupportedError, match="trained with captions, and takes no labels"):
        model.sample(1, torch.tensor([0]), stream())


def test_every_form_of_the_game_takes_captions(data):
    for settings in ({"loss": "hinge", "spectral_norm": True}, {"loss": "wgan-gp"},
                     {"network": "dense"}, {"network": "conv"}):  # fmt: skip
        x = fitted(data, steps=3, **settings).sample(5, data.test.captions[:5], stream())
        assert x.shape == (5, 3, 12, 12)


def test_the_default_condition_decides_which_data_fits():
    registry = Registry()
    cgan, data = registry.models["cgan"], registry.datasets
    assert cgan.fits(data["digits"]) == ""
    assert cgan.fits(data["points/checkerboard"]) == "needs class labels"
    assert cgan.fits(data["digits"], {"condition": "caption"}) == "needs captions"
    assert cgan.fits(data["shapes"], {"condition": "caption"}) == ""
    assert cgan.takes({"condition": "caption"}) == ("caption",)


def test_equal_captions_are_equally_right():
    images, texts = torch.randn(6, 4, generator=stream()), torch.randn(6, 4, generator=stream(1))
    rows = torch.tensor([[0], [0], [1], [2], [2], [2]])
    swapped = torch.tensor([1, 0, 2, 4, 5, 3])  # within what is alike
    first = contrast(images, texts, rows)
    torch.testing.assert_close(contrast(images, texts[swapped], rows), first)
    assert not torch.isclose(contrast(images, texts.roll(1, 0), rows), first)


def test_guessed_words_count_once_and_in_any_order():
    logits = torch.randn(2, 6, generator=stream())
    once = word_loss(logits, torch.tensor([[2, 3, 0, 0], [4, 5, 2, 0]]))
    torch.testing.assert_close(word_loss(logits, torch.tensor([[3, 2, 3, 2], [2, 4, 4, 5]])), once)


def test_the_features_of_a_picture_decide_which_caption_scores_highest():
    torch.manual_seed(0)
    reader = CaptionContext(words=7, length=3, width=READ)
    judge = pair_discriminator(reader, (3, 12, 12), 32, True, False)
    x, tokens = torch.randn(5, 3, 12, 12), torch.randint(2, 9, (5, 3))
    seen = judge.judged(x, tokens)
    other = judge(x, tokens.roll(1, 0)) - seen.score
    expected = (seen.image * (seen.text.roll(1, 0) - seen.text)).sum(1) / READ**0.5
    torch.testing.assert_close(other, expected)
