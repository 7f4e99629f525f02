"""Names on a map: none covers another, and each is close to its mark or on a line from it."""

from itertools import combinations
from math import hypot

import numpy as np
import pytest

from gengauge_reports.atlas.labelling import _common, labelled

FRAME = (56.0, 0.0, 538.0, 279.0)


@pytest.mark.parametrize("seed", range(4))
def test_twenty_names_in_a_cluster_cover_nothing(seed: int) -> None:
    chance = np.random.default_rng(seed)
    points = [
        (f"model-{'x' * (i % 9)}", float(x), float(y))
        for i, (x, y) in enumerate(
            zip(chance.normal(400, 40, 20), chance.normal(90, 40, 20).clip(12), strict=True)
        )
    ]
    labels = labelled(points, FRAME)
    assert [label.text for label in labels] == [name for name, _, _ in points]
    covered = sum(_common(a.box, b.box) for a, b in combinations(labels, 2))
    assert covered == 0
    for label, (_, x, y) in zip(labels, points, strict=True):
        left, top, right, bottom = label.box
        assert FRAME[0] <= left
        assert right <= FRAME[2]
        assert FRAME[1] <= top
        assert bottom <= FRAME[3]
        if label.line is None:  # the text itself is beside the mark
            assert hypot(max(left - x, 0, x - right), max(top - y, 0, y - bottom)) < 12


def test_one_name_needs_no_line_and_what_is_blocked_stays_free() -> None:
    [alone] = labelled([("vae", 300.0, 100.0)], FRAME)
    assert alone.line is None
    assert alone.anchor == "start"
    wall = (301.0, 0.0, 538.0, 279.0)
    [moved] = labelled([("vae", 300.0, 100.0)], FRAME, [wall])
    assert _common(moved.box, wall) == 0
