"""The shapes: pictures that show what their captions say, the same on every machine."""

import hashlib
import itertools

import numpy as np
import pytest
import torch
import worlds

from gengauge_suites.datasets.drawing import Jitter, Look, draw
from gengauge_suites.datasets.outlines import star
from gengauge_suites.datasets.scenes import HELD_OUT, Numbers, scenes
from gengauge_suites.datasets.words import COLOURS, PLACES, SHAPES, SIZES

EVERY = torch.tensor(
    list(itertools.product(*map(range, map(len, (SHAPES, COLOURS, SIZES, PLACES)))))
)
PIXELS = "6ef7b760ec4d9d32"
IDS = ("shapes/easy", "shapes", "shapes/hard")
each = pytest.mark.parametrize("id_", IDS)


def alone(objects):
    """Return scenes of one object each, ``[n, 12]``."""
    return torch.cat([objects, torch.full((len(objects), 8), -1)], 1)


def plain(attributes, look=None):
    """Draw without any jitter."""
    still = Jitter.of(torch.zeros(len(attributes), 33, dtype=torch.float64))
    return draw(attributes, still, look or Look())


def objects(split):
    """Return all objects of a split ``[m, 4]``."""
    every = split.attributes.unflatten(1, (3, 4)).flatten(0, 1)
    return every[every[:, 0] >= 0]


def pairs(attributes):
    """Return the pairs of shape and colour ``[n, 3]`` as one number, -1 for no object."""
    every = attributes.unflatten(1, (3, 4))
    return torch.where(every[..., 0] < 0, -1, every[..., 0] * len(COLOURS) + every[..., 1])


HELD = torch.tensor([shape * len(COLOURS) + colour for shape, colour in HELD_OUT])


@each
def test_splits_are_separate_draws_with_a_caption_each(id_):
    data = worlds.load(id_)
    splits = (data.train, data.validation, data.test)
    assert [len(s) for s in splits] == [50_000, 5_000, 5_000]
    assert data.event_shape == (3, 32, 32)
    for split in splits:
        assert split.x.dtype == torch.uint8
        assert split.attributes.shape == (len(split), 12)
        assert len(split.captions) == len(split)
    weights = np.random.default_rng(0).integers(2**63, size=384, dtype=np.uint64)
    rows = [s.x.numpy().reshape(len(s), -1).view("u8") * weights for s in splits]  # modulo 2**64
    assert len(np.unique(np.concatenate([r.sum(1) for r in rows]))) == 60_000


@each
def test_every_caption_is_true_of_its_picture(id_):
    data = worlds.load(id_)
    for split in (data.validation, data.test):
        for caption, scene in zip(split.captions, split.attributes.tolist(), strict=True):
            shares = data.grammar.agreement(caption, scene)
            assert set(shares) <= {1.0, None}, caption
            assert shares[:3] == (1.0,) * 3, caption
            assert shares[5] == 1.0, caption


@each
def test_held_out_pairs_are_in_the_test_alone(id_):
    data = worlds.load(id_)
    assert len(HELD) == 6
    assert {s for s, _ in HELD_OUT} == set(range(5))  # every shape and colour is held out once
    assert {c for _, c in HELD_OUT} == set(range(6))
    for split in (data.train, data.validation):
        seen = pairs(split.attributes)
        assert not torch.isin(seen, HELD).any()
        assert len(seen[seen >= 0].unique()) == 24
    strange = torch.isin(pairs(data.test.attributes), HELD)
    assert strange.sum(1).max() == 1
    error = (2 / 9 / 5000) ** 0.5
    assert abs(float(strange.any(1).double().mean()) - 1 / 3) < 5 * error
    assert len(pairs(data.test.attributes)[strange].unique()) == 6


@pytest.mark.parametrize(("id_", "numbers"), list(zip(IDS, [(1,), (1, 2, 3), (2, 3)], strict=True)))
def test_objects_are_as_many_as_the_difficulty_says_and_apart(id_, numbers):
    data = worlds.load(id_)
    every = data.train.attributes.unflatten(1, (3, 4))
    there = every[..., 0] >= 0
    assert (every[~there] == -1).all()
    counts = there.sum(1).bincount(minlength=4)
    expected = 50_000 / len(numbers)
    assert set(torch.nonzero(counts).flatten().tolist()) == set(numbers)
    assert ((counts[list(numbers)] - expected).abs() < 5 * expected**0.5).all()
    for what in (every[..., 3], pairs(data.train.attributes)):
        for a, b in itertools.combinations(range(3), 2):
            both = there[:, a] & there[:, b]
            assert (what[both, a] != what[both, b]).all()


@each
def test_every_value_is_drawn_about_as_often_as_it_should(id_):
    found = objects(worlds.load(id_).train)
    pair_share = [torch.tensor([s for s, c in itertools.product(range(5), range(6))
                                if (s, c) not in HELD_OUT]).bincount(),
                  torch.tensor([c for s, c in itertools.product(range(5), range(6))
                                if (s, c) not in HELD_OUT]).bincount(),
                  torch.ones(2), torch.ones(9)]  # fmt: skip
    for column, share in enumerate(pair_share):
        expected = len(found) * share.double() / share.sum()
        assert ((found[:, column].bincount() - expected).abs() < 5 * expected**0.5).all()


def test_only_single_shapes_have_a_class():
    easy = worlds.load("shapes/easy")
    assert torch.equal(easy.test.labels, easy.test.attributes[:, 0])
    assert easy.class_names == SHAPES
    assert worlds.load("shapes").test.labels is None
    assert worlds.load("shapes/hard").class_names == ()


def test_pixels_are_the_same_on_every_machine():
    digest = hashlib.sha256(plain(alone(EVERY)).numpy().tobytes())
    generator = torch.Generator().manual_seed(0)
    crowd = scenes(300, Numbers(2, 3), 0.5, generator)
    look = Look(clutter=0.2, turn=40.0, stray=1.0)
    digest.update(draw(crowd, Jitter.drawn(300, generator), look).numpy().tobytes())
    assert digest.hexdigest()[:16] == PIXELS


def test_blocks_do_not_matter():
    generator = torch.Generator().manual_seed(0)
    crowd = scenes(130, Numbers(1, 3), 0.0, generator)
    jitter = Jitter.drawn(130, generator)
    whole = draw(crowd, jitter, Look())
    part = draw(crowd[97:], Jitter(jitter.picture[97:], jitter.objects[97:]), Look())
    assert torch.equal(whole[97:], part)


def test_pictures_show_what_the_attributes_say():
    shape, colour, size, place = EVERY.unbind(1)
    pictures = plain(alone(EVERY))
    inside = pictures.double().amax(1) > 70
    ink, middle = inside.sum((1, 2)), torch.arange(32.0).double() - 15.5
    x = (inside.sum(1) * middle).sum(1) / ink
    y = (inside.sum(2) * middle).sum(1) / ink
    assert ((x - 10 * (place % 3 - 1)).abs() < 0.7).all()
    assert ((y - 10 * (place // 3 - 1)).abs() < 0.7).all()
    for number in range(len(SHAPES)):
        large, small = ((shape == number) & (size == s) for s in (1, 0))
        assert ink[large].min() > 1.6 * ink[small].max()
    tint = torch.stack([p[:, m].double().mean(1) for p, m in zip(pictures, inside, strict=True)])
    for number, strongest in enumerate([0, 1, 2]):  # red, green, blue
        assert (tint[colour == number].argmax(1) == strongest).all()
    white = tint[colour == 5]
    assert (white.amax(1) - white.amin(1) < 8).all()
    red, green, blue = tint[colour == 3].unbind(1)  # yellow
    assert (torch.minimum(red, green) > 2 * blue).all()
    red, green, blue = tint[colour == 4].unbind(1)  # purple
    assert (torch.minimum(red, blue) > 2 * green).all()


def test_each_object_of_a_scene_is_drawn_where_it_stands():
    """A scene of three without shared light is its three objects, one after the other."""
    scene = torch.tensor([[0, 0, 0, 0, 1, 2, 0, 4, 4, 5, 1, 8]])
    whole, empty = plain(scene)[0], plain(torch.full((1, 12), -1))[0]
    for k in range(3):
        one = plain(alone(scene[:, 4 * k : 4 * k + 4]))[0]
        there = (one != empty).any(0)
        assert torch.equal(whole[:, there], one[:, there])
        whole = torch.where(there, empty, whole)
    assert torch.equal(whole, empty)


def test_neighbours_hardly_touch():
    """The largest shapes side by side keep nearly all of their pixels to themselves."""
    for shape in range(len(SHAPES)):
        left, right = ([shape, 5, 1, 3], [shape, 5, 1, 4])
        parts = [plain(alone(torch.tensor([o]))) for o in (left, right)]
        ground = plain(torch.full((1, 12), -1)).double()
        cover = [(p.double() - ground).mean(1) / 200 for p in parts]
        assert float(torch.minimum(*cover).sum()) < 0.05 * float(cover[0].sum())


@pytest.mark.parametrize(
    ("shape", "area"), [(0, torch.pi), (1, 1.8**2), (4, 4 * 1.2 * 0.84 - 0.84**2)]
)
def test_a_shape_covers_its_area(shape, area):
    """Anti-aliasing loses nothing: the sum of the coverage is the area in pixels."""
    picture = plain(alone(torch.tensor([[shape, 5, 1, 4]])))[0].double().mean(0)
    ground, fill = picture.min(), picture.max()
    found = ((picture - ground) / (fill - ground)).sum()
    assert float(found) == pytest.approx(area * 4.4**2, rel=0.03)
    edge = (picture > ground + 1) & (picture < fill - 1)
    assert edge.sum() >= 8 or shape in (1, 4)  # upright edges may fall between pixels


def test_a_turn_of_the_ray_leaves_a_star_as_it_is():
    """All five rays of the star are one ray: the outline has five-fold symmetry and no other."""
    angle = torch.linspace(0, 2 * torch.pi, 721, dtype=torch.float64)[:-1]
    radius = torch.full_like(angle, 8.0)
    distance = star(9 * angle.sin(), -9 * angle.cos(), radius)
    assert torch.allclose(distance, distance.roll(144), atol=1e-9)
    assert torch.allclose(distance, distance.roll(-1).flip(0), atol=1e-9)
    assert not torch.allclose(distance, distance.roll(72), atol=1e-1)
    tip = star(angle[:1], -1.36 * radius[:1], radius[:1])
    assert float(tip) == pytest.approx(0, abs=1e-9)


def test_jitter_changes_the_picture_and_not_what_it_shows():
    test = worlds.load("shapes").test
    typical = plain(test.attributes[:1000]).double()
    assert not (typical == test.x[:1000]).flatten(1).all(1).any()
    correlation = torch.nn.functional.cosine_similarity(
        typical.flatten(1), test.x[:1000].double().flatten(1)
    )
    assert float(correlation.median()) > 0.8


def test_the_hard_ones_have_less_contrast_against_their_ground():
    def contrast(id_):
        x = worlds.load(id_).test.x[:500].double().amax(1).flatten(1)
        return float((x.quantile(0.98, 1) - x.median(1).values).mean() / x.std(1).mean())

    spread = {
        id_: float(
            worlds.load(id_).test.x[:500, :, 13:19, 13:19].double().flatten(2).std(2).median()
        )
        for id_ in ("shapes", "shapes/hard")
    }
    assert contrast("shapes/hard") < contrast("shapes")
    assert spread["shapes/hard"] > 2 * spread["shapes"]
