"""Captions and the images drawn for them are kept for the reports."""

import base64
import io
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from standins import StandIn

from gengauge import Dataset, Evidence, Split, captioned
from gengauge.errors import UnsupportedError

SAID = tuple(f"a picture of level {i}" for i in range(20))


@dataclass
class Painter(StandIn):
    """Paints the level that it is asked for."""

    fails: bool = False
    drawn: int = 0

    def sample(self, n, condition, generator):
        if self.fails:
            raise UnsupportedError("has no paint")
        self.drawn += n
        levels = torch.tensor([int(caption.split()[-1]) for caption in condition])
        return levels.byte()[:, None, None, None].expand(-1, 3, 4, 5)


def evidence(model, conditions=("caption",)):
    x = torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 5)
    split = Split(x.contiguous(), captions=SAID)
    data = Dataset("made", "image", split, split, split, levels=256)
    return Evidence(data, model, data.test.x, 0, conditions=conditions)


def rows(folder):
    return json.loads((folder / "captioned.json").read_text())["rows"]


@pytest.mark.parametrize("real", [True, False])
def test_each_caption_has_its_image(real, tmp_path):
    found = evidence(Painter())
    if real:
        captioned.save_real(found.dataset, tmp_path / "data")
    else:
        (tmp_path / "data").mkdir()
        captioned.save_drawn(found, tmp_path / "data", measured=False)
    kept = rows(tmp_path / "data")
    assert [row["caption"] for row in kept] == list(SAID[:12])
    for i, row in enumerate(kept):
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(row["png"]))))
        assert image.shape == (4, 5, 3)
        assert (image == i).all()


def test_what_was_measured_is_shown_and_not_drawn_again(tmp_path):
    model = Painter()
    found = evidence(model)
    found.conditional("caption")
    captioned.save_drawn(found, tmp_path, measured=True)
    assert model.drawn == 20
    captioned.save_drawn(evidence(model), tmp_path, measured=False)
    assert model.drawn == 32  # a dozen alone, where nothing was measured


@pytest.mark.parametrize("found", [evidence(Painter(fails=True)), evidence(Painter(), ())])
def test_no_picture_fails_no_trial(found, tmp_path):
    captioned.save_drawn(found, tmp_path, measured=False)
    assert not (tmp_path / "captioned.json").exists()


def test_data_without_captions_keeps_none(tmp_path):
    split = Split(torch.zeros(3, 1, 4, 4, dtype=torch.uint8))
    captioned.save_real(Dataset("bare", "image", split, split, split, levels=256), tmp_path)
    assert not (tmp_path / "captioned.json").exists()
