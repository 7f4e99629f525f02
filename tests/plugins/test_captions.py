"""The reader of captions: words it never read, too many of them, none at all."""

import pytest
import torch

from gengauge_plugins.networks.captions import CaptionContext, Vocabulary
from gengauge_plugins.networks.conditions import Captions


def test_words_never_seen_are_one_unknown_word():
    known = Vocabulary.of(["a red star", "a small blue star"])
    assert known.tokens(["a green star"]).tolist() == known.tokens(["a violet star"]).tolist()
    assert known.tokens(["A  RED star"]).tolist() == known.tokens(["a red star"]).tolist()
    assert known.tokens([""]).tolist() == [[0, 0, 0, 0]]
    assert known.tokens(["a a a a a a"]).shape == (1, 4)


def test_a_caption_is_read_without_its_padding():
    context = CaptionContext(words=9, length=6, width=16).eval()
    short = torch.tensor([[3, 4, 0, 0, 0, 0]])
    before = context(short)
    with torch.no_grad():
        context.vectors.weight[0] += 5.0  # what stands where no word is
    torch.testing.assert_close(context(short), before)
    assert not torch.allclose(context(torch.tensor([[4, 3, 0, 0, 0, 0]])), before)  # order counts


def test_every_word_is_heard_before_anything_is_learned():
    # by attention alone one word of twelve moves the answer by a twentieth, and shapes stay unheard
    torch.manual_seed(0)
    context = CaptionContext(words=30, length=12, width=64).eval()
    tokens = torch.randint(2, 32, (50, 12))
    other = tokens.clone()
    other[:, 5] = 2 + (tokens[:, 5] + 7) % 30
    with torch.no_grad():
        before, after = context(tokens), context(other)
    moved = (after - before).norm(dim=1) / before.norm(dim=1)
    assert float(moved.mean()) > 0.2


@pytest.fixture
def reader() -> Captions:
    return Captions(Vocabulary.of(["a red star", "a small blue star"]), "painter")


def test_words_never_read_are_named(reader):
    with pytest.warns(UserWarning, match="painter never read 'violet' in training"):
        reader.asked(("a violet star",), 1)


def test_what_is_cut_off_is_said(reader):
    with pytest.warns(UserWarning, match="reads 4 words; what 1 of 2 captions say after them"):
        reader.asked(("a red star", "a small small blue star"), 2)


@pytest.mark.parametrize("empty", ["", "   "])
def test_an_empty_caption_is_refused(reader, empty):
    with pytest.raises(ValueError, match="caption 1 has no word; say what painter is to draw"):
        reader.asked(("a red star", empty), 2)
