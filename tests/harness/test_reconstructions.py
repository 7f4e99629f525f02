"""The sheet of reconstructions shows the image itself, and what the model made of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from standins import StandIn, evidence

from gengauge.reconstructions import SIDE, save_reconstructions

LEVELS = 17


class Mirrors(StandIn):
    def reconstruct(self, x):
        return x.flip(-1)


class Knows(StandIn):
    """Gives back the images it was made with, and remembers the noise it was told."""

    def __init__(self, clean):
        self.clean = clean

    def denoise(self, x, sigma):
        self.told, self.error = sigma, (x - self.clean).std()
        return self.clean + 0.2  # floats: the sheet shows the nearest level


class Both(Mirrors, Knows):
    pass


class Mends(StandIn):
    """Fills in a mirror image of what it is shown, and remembers what that was."""

    def inpaint(self, x, known, generator):
        self.shown, self.known, self.drawn = x, known, torch.rand(1, generator=generator)
        return torch.where(known, x, x.flip(-1))


def images(n=SIDE * SIDE, channels=1):
    generator = torch.Generator().manual_seed(3)
    return torch.randint(LEVELS, (n, channels, 8, 8), generator=generator).to(torch.uint8)


def drawn(model, x, folder):
    save_reconstructions(evidence(model, test=x, levels=LEVELS), folder)
    about = json.loads((folder / "reconstructions.json").read_text())
    return np.asarray(Image.open(folder / "reconstructions.png")).astype(int), about


def tile(sheet, place):
    """The ``place``-th image of the first group; a pixel is four wide, a line one pixel."""
    left = 2 + place * 9 * 4
    return sheet[2:34:4, left : left + 32 : 4]


def grey(x):
    return (x.double() / (LEVELS - 1) * 255).round().long().numpy()


def test_a_half_is_hidden_and_filled_in(tmp_path):
    x, model = images(), Mends()
    sheet, about = drawn(model, x, tmp_path)
    assert about["columns"] == ["test image", "half hidden", "filled in"]
    assert model.known[..., :4].all()
    assert not model.known[..., 4:].any()
    assert not model.shown[..., 4:].any()  # what is to be filled in cannot be looked up
    left = grey(x[0, 0, :, :4])
    assert np.array_equal(tile(sheet, 1)[:, :4], left)
    assert not tile(sheet, 1)[:, 4:].any()
    assert np.array_equal(tile(sheet, 2), np.concatenate([left, left[:, ::-1]], 1))


def test_the_groups_are_image_reconstruction_noise_denoised(tmp_path):
    x = images()
    model = Both(x.float())
    sheet, about = drawn(model, x, tmp_path)
    assert about["columns"] == ["test image", "reconstruction", "with noise", "denoised"]
    assert np.array_equal(tile(sheet, 0), grey(x[0, 0]))
    assert np.array_equal(tile(sheet, 1), grey(x[0, 0].flip(-1)))
    assert not np.array_equal(tile(sheet, 2), tile(sheet, 0))
    assert np.array_equal(tile(sheet, 3), tile(sheet, 0))
    assert model.told == pytest.approx(about["noise"] * (LEVELS - 1))
    assert float(model.error) == pytest.approx(model.told, rel=0.1)


@pytest.mark.parametrize(
    ("model", "columns"),
    [(Mirrors(), ["test image", "reconstruction"]),
     (Knows(images().float()), ["test image", "with noise", "denoised"])],
    ids=["reconstructs", "denoises"],
)  # fmt: skip
def test_what_a_model_cannot_do_has_no_column(model, columns, tmp_path):
    _, about = drawn(model, images(), tmp_path)
    assert about["columns"] == columns
    assert (about["noise"] is None) == ("denoised" not in columns)


def test_colours_and_few_images_make_a_sheet_too(tmp_path):
    sheet, _ = drawn(Mirrors(), images(3, channels=3), tmp_path)
    assert sheet.ndim == 3
    assert np.array_equal(tile(sheet, 0), grey(images(3, channels=3)[0]).transpose(1, 2, 0))


def test_models_that_restore_nothing_and_floats_have_no_picture(tmp_path):
    save_reconstructions(evidence(test=images(), levels=LEVELS), tmp_path)
    found = evidence(Mirrors(), test=torch.rand(9, 1, 8, 8))
    save_reconstructions(replace(found, dataset=replace(found.dataset, levels=None)), tmp_path)
    assert not list(tmp_path.iterdir())
