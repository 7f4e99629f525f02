"""Joint samples: how often an image shows what its own caption says."""

from dataclasses import replace

import pytest
from captioned import HalvesGrammar, HalvesJudge, halves
from standins import StandIn

from gengauge import Evidence
from gengauge_suites.alignment.joint import joint_agreement


class Pairs(StandIn):
    def __init__(self, images, said):
        self.images, self.said = images, said

    def sample_pairs(self, n, generator):
        return self.images[:n], self.said


def measured(said, images=None, data=None):
    data = data or halves()
    images = data.test.x if images is None else images
    return joint_agreement(Evidence(data, Pairs(images, said), images, 0), HalvesJudge())


def captions(n=60):
    return [HalvesGrammar().caption(row) for row in halves().test.attributes[:n].tolist()]


def test_true_captions_agree_and_those_of_others_do_so_by_chance():
    score = measured(captions())
    assert score.value == 1.0
    assert score.interval.low < 1.0
    assert score.details["meanings"] == 4
    assert score.details["chance"] == pytest.approx(0.25, abs=0.15)
    moved = captions()[30:] + captions()[:30]
    assert measured(moved).value == pytest.approx(score.details["chance"])


def test_every_wrong_word_and_every_senseless_caption_counts():
    said = captions()
    said[0] = said[0].replace("red", "x").replace("green", "red").replace("x", "green")
    said[1] = "bananas"
    score = measured(said)
    assert score.value == pytest.approx(58 / 60)
    assert score.details["not_understood"] == 1
    assert score.per_example[:3].tolist() == [0, 0, 1]


def test_one_pair_for_ever_agrees_and_its_details_tell():
    data = halves()
    score = measured(captions(1) * 60, data.test.x[:1].expand(60, -1, -1, -1))
    assert score.value == score.details["chance"] == 1.0
    assert score.details["meanings"] == 1


def test_what_cannot_be_judged_says_why():
    data = halves()
    x = data.test.x
    plain = joint_agreement(Evidence(data, StandIn(), x, 0), HalvesJudge())
    assert plain.reason == "draws no pairs of images and captions"
    assert "no grammar" in measured(captions(), data=replace(data, grammar=None)).reason
    assert "at least 2 samples" in measured(captions(1), x[:1]).reason
    with pytest.raises(ValueError, match="returned 3 captions"):
        measured(captions(3))
