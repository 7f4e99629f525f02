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
