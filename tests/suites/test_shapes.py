"""The shapes: pictures that show what their captions say, the same on every machine."""

import hashlib
import itertools

import pytest
import torch
import worlds

from gengauge.data import Grammar
from gengauge_suites.datasets.captions import TEMPLATES, VALUES, ShapesGrammar
from gengauge_suites.datasets.drawing import JITTERS, _star, draw

GRAMMAR = ShapesGrammar()
EVERY = torch.tensor(list(itertools.product(*(range(len(v)) for v in VALUES))))
PLAIN = torch.full((len(EVERY), JITTERS), 0.5, dtype=torch.float64)  # no jitter at all
PIXELS = "c73ee2f96def2640"


@pytest.fixture(scope="module")
def data():
    return worlds.load("shapes")


@pytest.fixture(scope="module")
def plain():
    return draw(EVERY, PLAIN)


def test_every_sentence_is_understood():
    assert isinstance(GRAMMAR, Grammar)
    assert len(EVERY) == 540
    for attributes in map(tuple, EVERY.tolist()):
        for template in range(len(TEMPLATES)):
            assert GRAMMAR.attributes(GRAMMAR.caption(attributes, template)) == attributes
    said = {GRAMMAR.caption(a, t) for a in EVERY.tolist() for t in range(len(TEMPLATES))}
    assert len(said) == 540 * len(TEMPLATES)


@pytest.mark.parametrize(
    "caption",
    ["", "a small red circle", "a small red circle at the", "a small pink circle at the top",
     "a small red circle at the top top left", "a small red circle at the top left and more",
     "red a small circle at the top"],
)  # fmt: skip
def test_no_other_sentence_is(caption):
    assert GRAMMAR.attributes(caption) is None


def test_case_spaces_and_a_full_stop_do_not_matter():
    assert GRAMMAR.attributes(" A  small red Circle at the top left . ") == (0, 0, 0, 0)


@pytest.mark.parametrize("wrong", [(5, 0, 0, 0), (0, 0, 0)])
def test_wrong_attributes_have_no_caption(wrong):
    with pytest.raises((IndexError, ValueError)):
        GRAMMAR.caption(wrong)


def test_splits_hold_pictures_labels_attributes_and_captions_that_agree(data):
    splits = (data.train, data.validation, data.test)
    assert [len(s) for s in splits] == [12_000, 2_000, 2_000]
    assert data.event_shape == (3, 32, 32)
    assert data.grammar.names == ("shape", "colour", "size", "position")
    for split in splits:
        assert split.x.dtype == torch.uint8
        assert torch.equal(split.labels, split.attributes[:, 0])
        read = [data.grammar.attributes(c) for c in split.captions]
        assert read == list(map(tuple, split.attributes.tolist()))
    rows = {x.numpy().tobytes() for s in splits for x in s.x}
    assert len(rows) == 16_000


def test_every_sort_is_drawn_about_equally_often(data):
    for column, values in enumerate(VALUES):
        counts = data.train.attributes[:, column].bincount().double()
        expected = 12_000 / len(values)
        assert ((counts - expected).abs() < 5 * expected**0.5).all()
    assert len({tuple(a) for a in data.train.attributes.tolist()}) == 540


def test_pixels_are_the_same_on_every_machine(plain):
    assert hashlib.sha256(plain.numpy().tobytes()).hexdigest()[:16] == PIXELS


def test_pictures_show_what_the_attributes_say(plain):
    shape, colour, size, place = EVERY.unbind(1)
    light = plain.double().amax(1)
    inside = light > 70
    ink, middle = inside.sum((1, 2)), torch.arange(32.0).double() - 15.5
    x = (inside.sum(1) * middle).sum(1) / ink
    y = (inside.sum(2) * middle).sum(1) / ink
    assert ((x - 6.5 * (place % 3 - 1)).abs() < 1.2).all()
    assert ((y - 6.5 * (place // 3 - 1)).abs() < 1.2).all()
    assert ink[size == 1].min() > 1.5 * ink[size == 0].max()
    tint = torch.stack([p[:, m].double().mean(1) for p, m in zip(plain, inside, strict=True)])
    for number, strongest in enumerate([0, 1, 2]):  # red, green, blue
        assert (tint[colour == number].argmax(1) == strongest).all()
    white = tint[colour == 5]
    assert (white.amax(1) - white.amin(1) < 8).all()
    red, green, blue = tint[colour == 3].unbind(1)  # yellow
    assert (torch.minimum(red, green) > 2 * blue).all()
    red, green, blue = tint[colour == 4].unbind(1)  # purple
    assert (torch.minimum(red, blue) > 2 * green).all()
    assert set(shape.tolist()) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("shape", "area"), [(0, torch.pi), (1, 1.8**2), (4, 4 * 1.2 * 0.84 - 0.84**2)]
)
def test_a_shape_covers_its_area(shape, area):
    """Anti-aliasing loses nothing: the sum of the coverage is the area in pixels."""
    picture = draw(torch.tensor([[shape, 5, 1, 4]]), PLAIN[:1])[0].double().mean(0)
    ground, fill = picture.min(), picture.max()
    found = ((picture - ground) / (fill - ground)).sum()
    assert float(found) == pytest.approx(area * 6.2**2, rel=0.03)


def test_a_turn_of_the_ray_leaves_a_star_as_it_is():
    """All five rays of the star are one ray: the outline has five-fold symmetry and no other."""
    angle = torch.linspace(0, 2 * torch.pi, 721, dtype=torch.float64)[:-1]
    radius = torch.full_like(angle, 8.0)
    distance = _star(9 * angle.sin(), -9 * angle.cos(), radius)
    assert torch.allclose(distance, distance.roll(144), atol=1e-9)
    assert torch.allclose(distance, distance.roll(-1).flip(0), atol=1e-9)
    assert not torch.allclose(distance, distance.roll(72), atol=1e-1)
    tip = _star(angle[:1], -1.36 * radius[:1], radius[:1])
    assert float(tip) == pytest.approx(0, abs=1e-9)


def test_jitter_changes_the_picture_and_not_what_it_shows(data, plain):
    attributes = data.test.attributes
    index = (attributes * torch.tensor([108, 18, 9, 1])).sum(1)
    typical = plain[index].double()
    assert not (typical == data.test.x).flatten(1).all(1).any()
    correlation = torch.nn.functional.cosine_similarity(
        typical.flatten(1), data.test.x.double().flatten(1)
    )
    assert float(correlation.median()) > 0.8
