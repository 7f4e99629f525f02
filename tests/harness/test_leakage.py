"""A judge that steered the model marks every score it gives."""

import pytest
import torch
import worlds
from standins import StandIn, evidence, normal

from gengauge.evidence import Evidence
from gengauge.loading import load_embedder
from gengauge.measuring import measured
from gengauge.plan import MetricChoice
from gengauge.record import score_json
from gengauge.registry import Registry

SPECS = Registry().metrics


class Steered(StandIn):
    def __init__(self, *guides):
        self.guides = guides


class Judge:
    id, sha256 = "judge", "abc"

    def features(self, x):
        return x.flatten(1)

    def classes(self, x):
        return x


def scored(metric, model):
    spec = SPECS[metric]
    choice = MetricChoice(spec, spec.resolve({}), "judge")
    labels = torch.arange(80) % 2
    found = evidence(model, normal(80, 2, 1), test=normal(80, 2, 2), labels=labels,
                     conditions=("class",))  # fmt: skip
    score, failed = measured(choice, found, Judge())
    assert not failed
    return score_json(choice, score, "request", Judge(), failed)


def test_every_metric_of_the_judge_is_marked():
    for metric in ("fd", "kid", "precision", "class_accuracy"):
        for guide in ("judge", "abc"):
            found = scored(metric, Steered("other", guide))
            assert found["caveat"] == "leakage: judge judges a model that it has steered"
            assert found["value"] is not None


def test_other_judges_and_other_models_are_not():
    assert scored("fd", Steered("other"))["caveat"] is None
    assert scored("fd", StandIn())["caveat"] is None


class Draws(StandIn):
    """Answers captions with real pictures, and says what has steered it."""

    def __init__(self, *guides):
        self.guides = guides

    def sample(self, n, condition, generator):
        return worlds.load("shapes").test.x[:n]


@pytest.mark.parametrize("judge", ["clip/shapes", "clip/shapes-guide"])
@pytest.mark.parametrize("metric", ["clip_score", "clip_r_precision"])
def test_the_guide_of_the_shapes_may_not_judge_them(metric, judge):
    """By its hash too: the same weights may come by another name."""
    registry = Registry()
    data = worlds.load("shapes").limited(40)
    spec, embedder = SPECS[metric], load_embedder(registry.embedder(judge), torch.device("cpu"))
    choice = MetricChoice(spec, spec.resolve({"candidates": 5} if "r_" in metric else {}), judge)
    guide = load_embedder(registry.embedder("clip/shapes-guide"), torch.device("cpu"))
    for guides in ((guide.id,), (guide.sha256,)):
        found = Evidence(data, Draws(*guides), data.test.x, 0, conditions=("caption",))
        score, failed = measured(choice, found, embedder)
        assert not failed
        assert score.value is not None
        flagged = f"leakage: {judge} judges a model that it has steered"
        assert score.caveat == (flagged if judge == "clip/shapes-guide" else "")


def test_captions_are_judged_by_the_one_that_does_not_steer():
    for name in ("shapes", "shapes/easy", "shapes/hard"):
        assert "clip/shapes" in Registry().datasets[name].embedders
        assert "clip/shapes-guide" not in Registry().datasets[name].embedders
