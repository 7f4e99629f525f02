"""The joint network of captions and pictures: both directions, both at once, and its parts."""

import pytest
import torch
import worlds
from captioned import HalvesGrammar, HalvesJudge, halves, shown
from torch import nn

from gengauge import Budget, Evidence, FitRun
from gengauge.errors import UnsupportedError
from gengauge.units import in_units
from gengauge_plugins.joint.joint import JointGAN
from gengauge_plugins.joint.networks import Judge, Sizes
from gengauge_plugins.joint.writer import Writer
from gengauge_suites.alignment.joint import joint_agreement
from gengauge_suites.embedders.shapes import ShapesEmbedder

WORDS = {"red", "green", "on", "the", "left", "right", ","}


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def data():
    return halves()


@pytest.fixture(scope="module")
def model(data):
    made = JointGAN(hidden=32, code=16, latent=8, matching=1.0)
    made.fit(data.for_training(), FitRun(0, Budget.parse("400 steps")))
    return made


def test_pictures_show_what_captions_say(model, data):
    drawn = model.sample(60, data.test.captions[:60], stream())
    found = HalvesJudge().attributes(drawn)
    assert (found == data.test.attributes[:60]).all(1).double().mean() > 0.9  # chance is 1/4


def test_captions_say_what_pictures_show_in_sentences(model, data):
    said = model.caption(data.test.x[:60], stream())
    read = [HalvesGrammar().attributes(caption) for caption in said]
    right = [r == tuple(a) for r, a in zip(read, data.test.attributes[:60].tolist(), strict=True)]
    assert sum(right) > 50
    assert len({caption.startswith("on") for caption in said}) == 2  # both ways to say it
    assert said != model.caption(data.test.x[:60], stream(1))


def test_joint_samples_agree_and_vary(model, data):
    score = joint_agreement(Evidence(data, model, data.test.x, 0), HalvesJudge())
    assert score.value > 0.7
    assert score.details["chance"] < 0.6
    assert score.details["meanings"] >= 2


def test_the_picture_of_a_joint_sample_is_what_sample_draws(model):
    images, said = model.sample_pairs(20, stream(3))
    assert torch.equal(images, model.sample(20, None, stream(3)))
    assert len(said) == 20
    assert {word for s in said for word in s.replace(",", " ,").split()} <= WORDS


@pytest.mark.slow
def test_shapes_are_seen_written_and_drawn():
    data, judge = worlds.load("shapes/easy"), ShapesEmbedder()
    model = JointGAN()
    model.fit(data.for_training(), FitRun(0, Budget.parse("1000 steps")))
    test = data.test.first(300)
    drawn = in_units(model.sample(300, test.captions, stream()), 300, data)[0]
    assert float(shown(data, judge, test.captions, drawn)[0]) > 0.4  # a fifth is chance
    said = [data.grammar.attributes(caption) for caption in model.caption(test.x, stream())]
    true = [data.grammar.attributes(caption) for caption in test.captions]
    assert sum(a == b for a, b in zip(said, true, strict=True)) > 0.45 * 300
    assert joint_agreement(Evidence(data, model, test.x, 0), judge).value > 0.06


def test_a_saved_model_writes_the_same(model, data, tmp_path):
    model.save(tmp_path)
    loaded = JointGAN(hidden=32, code=16, latent=8)
    loaded.load(tmp_path, torch.device("cpu"))
    assert loaded.caption(data.test.x[:9], stream()) == model.caption(data.test.x[:9], stream())
    assert loaded.sample_pairs(9, stream())[1] == model.sample_pairs(9, stream())[1]


def test_what_cannot_be_asked_says_why(model, data):
    with pytest.raises(ValueError, match=r"shape \[3, 12, 12\], and \[3, 8, 8\] came"):
        model.caption(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), stream())
    with pytest.warns(UserWarning, match="joint-gan never read 'violet' in training"):
        model.sample(1, ("violet on the left",), stream())
    with pytest.warns(UserWarning, match="joint-gan reads 5 words"):
        model.sample(1, ("red on the left the left",), stream())
    with pytest.raises(ValueError, match="caption 0 has no word"):
        model.sample(1, (" ",), stream())
    with pytest.raises(UnsupportedError, match="takes no labels"):
        model.sample(1, torch.tensor([0]), stream())


def test_the_writer_ends_and_learns_one_sentence():
    torch.manual_seed(0)
    writer = Writer(code=3, tokens=6, length=4)
    tokens, codes = torch.tensor([[2, 3, 0, 0], [4, 5, 4, 5]]), torch.eye(3)[:2]
    optimiser = torch.optim.Adam(writer.parameters(), 1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        loss = writer.loss(codes, tokens)
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.2
    assert writer.say(codes, stream()).tolist() == tokens.tolist()


def test_the_writers_loss_is_that_of_the_words_and_the_end():
    writer = Writer(code=3, tokens=6, length=4)
    for weight in writer.parameters():
        nn.init.zeros_(weight)  # every token is equally likely
    nats = torch.tensor(6.0).log()
    for tokens, said in (([2, 0, 0, 0], 2), ([2, 3, 4, 5], 4)):
        loss = writer.loss(torch.zeros(1, 3), torch.tensor([tokens]))
        torch.testing.assert_close(loss.detach(), said * nats)


def test_the_judge_sees_what_belongs_together():
    torch.manual_seed(0)
    judge = Judge(Sizes((1, 4, 4), words=5, length=3, code=8, latent=2, hidden=16, network="auto"))
    codes, h = torch.randn(6, 8), torch.randn(6, 16)
    # what swapping captions changes is the inner product alone: the margins stay
    total = judge.score(codes, h).sum() - judge.score(codes.roll(1, 0), h).sum()
    image = judge.image(h)
    expected = ((codes - codes.roll(1, 0)) * image).sum() / 8**0.5
    torch.testing.assert_close(total, expected)
