"""The language of the shapes: every sentence is read back, and judged against a scene."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gengauge.data import Combines, Grammar
from gengauge_suites.datasets.agreeing import holds
from gengauge_suites.datasets.captions import WAYS, ShapesGrammar
from gengauge_suites.datasets.scenes import Numbers, scenes
from gengauge_suites.datasets.words import CALLED, NAMES, VALUES, WORDS

GRAMMAR = ShapesGrammar()
NONE = [-1] * 4
# a small red circle at the top left, a large blue square on the right, a small white star below it
A, B, C = [0, 0, 0, 0], [1, 2, 1, 5], [3, 5, 0, 8]
thing = st.tuples(*(st.integers(0, len(VALUES[i]) - 1) for i in range(3)))


@st.composite
def scene(draw, least=1):
    places = draw(st.lists(st.integers(0, 8), min_size=least, max_size=3, unique=True))
    things = [[*draw(thing), place] for place in places]
    return [v for t in things for v in t] + NONE * (3 - len(places))


def agreement(caption, *objects):
    return GRAMMAR.agreement(caption, [v for o in objects for v in o])


def test_it_is_a_grammar():
    assert isinstance(GRAMMAR, Grammar)
    assert isinstance(GRAMMAR, Combines)
    assert len(NAMES) == len(VALUES) == 6
    assert set(GRAMMAR.synonyms.values()) <= {v for values in VALUES for v in values}
    assert GRAMMAR.combinations([*A, *B, *NONE]) == ((0, 0), (1, 2))


@settings(max_examples=400, deadline=None)
@given(scene(), st.integers(0, WAYS - 1))
def test_whatever_is_said_is_understood_and_true(found, way):
    caption = GRAMMAR.caption(found, way)
    shares = GRAMMAR.agreement(caption, found)
    assert shares[:3] == (1.0, 1.0, 1.0)
    assert sorted(s is None for s in shares[3:5]) == [False, True]  # position, or relation
    assert set(shares) == {1.0, None}
    assert set(caption.replace(",", " ").split()) <= set(WORDS)


def canonical_words(caption):
    """Return ``caption`` with every synonym under its value's own name."""
    for other in sorted(GRAMMAR.synonyms, key=len, reverse=True):
        for gap in (" ", ",", ""):
            end = f" {other}{gap}"
            if gap or caption.endswith(end):
                caption = f" {caption}".replace(end, f" {GRAMMAR.synonyms[other]}{gap}").strip()
    return caption


@settings(max_examples=300, deadline=None)
@given(scene(), st.integers(0, WAYS - 1))
def test_synonyms_mean_the_same(found, way):
    caption = GRAMMAR.caption(found, way)
    assert GRAMMAR.attributes(canonical_words(caption)) == GRAMMAR.attributes(caption)


def test_every_way_and_every_word_is_used():
    said = set()
    generator = torch.Generator().manual_seed(0)
    rows = scenes(3000, Numbers(1, 3), 0.5, generator).tolist()
    ways = torch.randint(WAYS, (3000,), generator=generator).tolist()
    for row, way in zip(rows, ways, strict=True):
        said.update(GRAMMAR.caption(row, way).replace(",", " ").split())
    assert said == set(WORDS)
    assert max(len(GRAMMAR.caption(r, w).split()) for r, w in zip(rows, ways, strict=True)) <= 28


def test_one_meaning_whatever_the_words():
    groups = [
        ["a small red circle at the top left", "a tiny red disc, in the top left corner",
         "at the upper left there is a little red circle",
         "There is a small red disc at the top left."],
        ["a small red circle left of a large blue square",
         "a large blue square right of a small red circle",
         "there is a big blue box to the right of a tiny red disc"],
        ["a small red circle above a large blue square", "a big blue box is under a tiny red disc"],
        ["a small red circle left of a large blue square and above a small white star",
         "a large blue square right of a small red circle, which is over a tiny white star"],
        ["a small red circle at the top and a large blue square in the centre",
         "a big blue box in the middle and a small red disc at the top edge"],
        ["a large blue square left of a small red circle"],
        ["a small red circle in the centre and a large blue square at the top"],
    ]  # fmt: skip
    meanings = [{GRAMMAR.attributes(c) for c in group} for group in groups]
    assert all(len(meaning) == 1 and None not in meaning for meaning in meanings)
    assert len(set.union(*meanings)) == len(groups)


@pytest.mark.parametrize(
    "caption",
    ["", ".", "a small red circle", "a small red circle at the", "a small pink circle at the top",
     "a small red circle at the top at the top left", "a small red circle at the top and more",
     "red a small circle at the top", "a small red circle left of", "left of a small red circle",
     "a small red circle at the top and a large blue square", "a red circle left of a blue square",
     "a small red circleat the top", "a small red circle at the toppings",
     "a small red circle left of a large blue square at the top"],
)  # fmt: skip
def test_no_other_sentence_is_understood(caption):
    assert GRAMMAR.attributes(caption) is None
    assert GRAMMAR.agreement(caption, [*A, *B, *C]) == (None,) * 6


@pytest.mark.parametrize(("found", "error"), [([], ValueError), (NONE, ValueError),
    ([0, 0, 0], ValueError), (A * 4, ValueError), ([5, 0, 0, 0], IndexError)])  # fmt: skip
def test_wrong_attributes_have_no_caption(found, error):
    with pytest.raises(error):
        GRAMMAR.caption(found)


def test_agreement_counts_what_holds():
    said = "a small red circle left of a large blue square"
    assert agreement(said, A, B) == (1, 1, 1, None, 1, 1)
    assert agreement(said, B, A) == (1, 1, 1, None, 1, 1)  # the order of what is found is nothing
    assert agreement(said, [*A[:3], 8], [*B[:3], 3]) == (1, 1, 1, None, 0, 1)
    assert agreement(said, [*A[:3], 3], [*B[:3], 3]) == (1, 1, 1, None, 0, 1)  # neither side
    assert agreement(said, A, [1, 2, 0, 5]) == (1, 1, 0.5, None, 1, 1)
    swapped = agreement("a small blue circle left of a large red square", A, B)
    assert swapped == (1, 0, 1, None, 1, 1)  # colours bound to the other object are wrong


def test_agreement_with_the_wrong_number():
    said = "a small red circle left of a large blue square"
    assert agreement(said, A, B, C) == (1, 1, 1, None, 1, 0)
    assert agreement(said, A) == (0.5, 0.5, 0.5, None, 0, 0)
    assert agreement(said) == (0, 0, 0, None, 0, 0)
    assert agreement("a small red circle at the top left", A, B) == (1, 1, 1, 1, None, 0)
    assert agreement(said, A, B, C, [2, 1, 1, 4]) == (1, 1, 1, None, 1, 0)


def test_agreement_of_three():
    fan = "a small red circle left of a large blue square and above a small white star"
    chain = "a small red circle left of a large blue square, which is above a small white star"
    listed = ("a small red circle at the top left, a large blue square on the right and "
              "a small white star at the bottom")  # fmt: skip
    assert agreement(fan, C, A, B) == agreement(chain, B, C, A) == (1, 1, 1, None, 1, 1)
    low = [1, 2, 1, 8]
    assert agreement(fan, A, low, [3, 5, 0, 5]) == (1, 1, 1, None, 1, 1)
    assert agreement(chain, A, low, [3, 5, 0, 5]) == (1, 1, 1, None, 0.5, 1)
    assert agreement(listed, A, B, C) == (1, 1, 1, pytest.approx(2 / 3), None, 1)


def test_objects_are_paired_so_that_most_holds():
    said = "a small red circle at the top left and a small red circle at the bottom right"
    one, other = [0, 0, 0, 0], [0, 0, 0, 8]
    assert agreement(said, one, other) == agreement(said, other, one) == (1, 1, 1, 1, None, 1)
    assert agreement(said, other, [0, 0, 1, 4])[2:4] == (0.5, 0.5)


def test_converses_hold_together():
    for a, b in itertools.product(range(9), range(9)):
        left, right, above, below = (holds(r, a, b) for r in range(4))
        assert (left, above) == (holds(1, b, a), holds(3, b, a))
        assert not (left and right)
        assert not (above and below)
        assert (left or right or above or below) == (a != b)


def test_a_crowd_is_refused_with_words():
    with pytest.raises(ValueError, match="at most six objects, got 12"):
        agreement("a small red circle left of a small blue box", *[A] * 12)


def test_names_are_called_something():
    for values in CALLED:
        names = [name for called in values for name in called]
        assert len(set(names)) == len(names)
