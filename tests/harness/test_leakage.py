"""A judge that steered the model marks every score it gives."""

import torch
from standins import StandIn, evidence, normal

from gengauge.execute import _one_score
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
    score, failed = _one_score(choice, found, Judge())
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
