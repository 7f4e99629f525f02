"""The gallery shows each sample beside its closest training image, copies first."""

import json
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from standins import evidence, normal

from gengauge.data import Split
from gengauge.gallery import SIDE, nearest, save_gallery


class Flat:
    id, sha256 = "flat", "0"

    def features(self, x):
        return x.flatten(1).double()


def images(n, seed, side=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(17, (n, 1, side, side), generator=generator).to(torch.uint8)


def made(samples, train):
    found = evidence(samples=samples, test=images(5, 9), levels=17)
    return replace(found, dataset=replace(found.dataset, train=Split(train)))


def written(samples, train, folder):
    save_gallery(made(samples, train), Flat(), folder)
    return json.loads((folder / "neighbours.json").read_text())


def test_neighbours_are_the_closest_by_direct_subtraction():
    x, y = normal(700, 5, 1) + 1000, normal(90, 5, 2) + 1000  # far from the origin
    table = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    distances, index = nearest(x, y)
    assert torch.equal(index, table.argmin(1))
    torch.testing.assert_close(distances, table.amin(1), rtol=1e-12, atol=0)


def test_copies_come_first_at_distance_zero_and_name_their_original(tmp_path):
    train, samples = images(200, 1), images(100, 2)
    samples[[17, 60]] = train[[150, 3]]
    found = written(samples, train, tmp_path)
    first = {(p["sample"], p["train"]): p["distance"] for p in found["pairs"][:2]}
    assert first == {(17, 150): 0, (60, 3): 0}
    assert found["embedder"] == "flat"


def test_half_are_the_closest_in_order_and_half_are_others_at_random(tmp_path):
    train, samples = images(50, 1), images(300, 2)
    found = written(samples, train, tmp_path)
    pairs, half = found["pairs"], SIDE * SIDE // 2
    expected, _ = nearest(Flat().features(samples), Flat().features(train))
    closest = [p["distance"] for p in pairs[:half]]
    assert closest == sorted(closest) == expected.sort().values[:half].tolist()
    assert [p["chosen"] for p in pairs] == ["closest"] * half + ["random"] * half
    assert len({p["sample"] for p in pairs}) == 2 * half
    assert "18 closest of 300" in found["order"]
    random = [p["distance"] for p in pairs[half:]]
    assert sum(random) / half > closest[-1]  # the next closest would not be


def test_the_sheet_shows_sample_line_original(tmp_path):
    train, samples = images(40, 1, side=8), images(40, 2, side=8)
    pair = written(samples, train, tmp_path)["pairs"][0]
    sheet = np.asarray(Image.open(tmp_path / "neighbours.png")).astype(int)
    tile = sheet[2 : 2 + 32 : 4, 2 : 2 + 20 * 4 : 4]  # a pixel is four wide
    left, right = samples[pair["sample"], 0], train[pair["train"], 0]
    line = torch.full((8, 1), 8)
    expected = torch.cat([left, line, right, line, line, line], 1).numpy() / 16 * 255
    assert np.abs(tile - expected).max() <= 1


def test_few_samples_make_a_short_gallery(tmp_path):
    found = written(images(5, 2), images(3, 1), tmp_path)
    assert [p["chosen"] for p in found["pairs"]] == ["closest"] * 3 + ["random"] * 2
