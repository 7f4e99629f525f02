"""Networks and label checks that families share."""

import pytest
import torch

from gengauge import Dataset, Split
from gengauge.errors import UnsupportedError
from gengauge_plugins.networks.conv import ConvDecoder, ConvEncoder, convolves, sizes
from gengauge_plugins.networks.labels import asked_labels, training_labels
from gengauge_plugins.networks.painting import Painter

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 9, 17), (2, 4, 5)]


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_go_to_vectors_and_back_whatever_their_sides(shape, norm):
    torch.manual_seed(0)
    encoder = ConvEncoder(shape, 8, 5, norm=norm)
    decoder = ConvDecoder(5, shape, 8, 3, norm=norm)
    x = torch.randn(6, *shape)
    code = encoder(x)
    planes = decoder(code)
    assert code.shape == (6, 5)
    assert planes.shape == (6, 3, *shape[1:])
    planes.square().sum().backward()
    assert all(p.grad is not None for m in (encoder, decoder) for p in m.parameters())
    alone = decoder(encoder(x[2:3]))  # nothing depends on who else is in the batch
    torch.testing.assert_close(alone, planes[2:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_pixel_is_seen_by_the_encoder_and_painted_by_the_decoder(shape):
    torch.manual_seed(0)
    x = torch.randn(1, *shape, requires_grad=True)
    ConvEncoder(shape, 8, 5)(x).sum().backward()
    assert (x.grad != 0).all()
    one, other = ConvDecoder(5, shape, 8, 1)(torch.randn(2, 5))
    assert (one != other).all()


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (2, 13, 9), (3, 5, 7)])
def test_a_painter_is_told_at_every_pixel_and_size(shape):
    torch.manual_seed(0)
    painter, z = Painter(6, shape, width=8), torch.randn(2, 6)
    assert painter(z).shape == (2, *shape)
    assert bool((painter(z)[0] != painter(z)[1]).all())
    with torch.no_grad():
        painter.head.weight.zero_()  # from now on it is only told
    told = painter(z).detach()
    assert float((told[0] - told[1]).abs().mean()) > 0.01


def test_stages_halve_until_a_side_is_small():
    assert sizes(32, 32) == [(32, 32), (16, 16), (8, 8), (4, 4)]
    assert sizes(9, 17) == [(9, 17), (5, 9)]


def test_what_cannot_be_convolved_is_refused():
    assert not convolves("dense", (3, 32, 32))
    assert convolves("conv", (1, 8, 8))
    assert not convolves("auto", (1, 2, 500))
    with pytest.raises(ValueError, match=r"at least 4 x 4 pixels.*\[1, 1, 2\]; take dense"):
        convolves("conv", (1, 1, 2))


def labelled(labels, names=()) -> Dataset:
    x = torch.zeros(3, 2)
    y = None if labels is None else torch.tensor(labels)
    return Dataset("three", "points", Split(x, y), Split(x), Split(x), class_names=names)


def test_labels_are_counted_with_the_classes_that_have_no_example():
    assert training_labels(labelled([0, 2, 0]), "m")[1] == 3
    assert training_labels(labelled([0, 2, 0], ("a", "b", "c", "d")), "m")[1] == 4
    with pytest.raises(ValueError, match="three has none"):
        training_labels(labelled(None), "m")
    with pytest.raises(ValueError, match="from 0 on, and -1 came"):
        training_labels(labelled([0, -1, 0]), "m")


def test_only_classes_that_were_seen_are_answered():
    seen = torch.tensor([0, 2])
    asked = asked_labels(torch.tensor([2, 0, 2], dtype=torch.int32), 3, seen, "m")
    assert asked.tolist() == [2, 0, 2]
    with pytest.raises(UnsupportedError, match="class 1 has no training example; there are 0, 2"):
        asked_labels(torch.tensor([0, 1]), 2, seen, "m")
    with pytest.raises(ValueError, match="expected 3 labels for 3 samples, got 2"):
        asked_labels(torch.tensor([0, 2]), 3, seen, "m")
    for condition, known in ((["a cat"], seen), (torch.tensor([0]), seen[:0])):
        with pytest.raises(UnsupportedError, match="m was trained without"):
            asked_labels(condition, 1, known, "m")
