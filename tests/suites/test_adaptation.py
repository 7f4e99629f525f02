"""The metrics of a fine-tuned model: differences from its base that are known in closed form."""

from dataclasses import replace

import pytest
import torch
from standins import StandIn, evidence, normal

from gengauge_suites.utility.adaptation import (
    Clouds,
    adaptation_seconds,
    adapter_parameters,
    adapter_share,
    delta,
    fd_new_delta,
    fd_old_delta,
    frechet,
    sliced_w2_new_delta,
    sliced_w2_old_delta,
)


class Adapted(StandIn):
    """Normal clouds, one for each class at (3 label, 0); the base puts class 2 where class 0 is.

    Adapting brought class 2 home and pushed the others ``off`` to the side.
    """

    new_classes = (2,)
    adapter_parameters = 30
    base_parameters = 120
    adaptation_seconds = 4.5

    def __init__(self, off):
        self.off = off

    def sample(self, n, condition, generator):
        aside = torch.where(condition == 2, 0.0, self.off)
        return self._cloud(condition, aside, generator)

    def sample_base(self, n, condition, generator):
        return self._cloud(condition.where(condition != 2, 0), torch.zeros(n), generator)

    def _cloud(self, labels, aside, generator):
        noise = torch.randn(len(labels), 2, generator=generator, dtype=torch.float64)
        return noise + torch.stack([3.0 * labels, aside.double()], 1)


class Identity:
    id, sha256 = "itself", "0" * 64

    def features(self, x):
        return x.double()


def seen(model, n=1200):
    labels = torch.arange(n) % 3
    test = normal(n, 2, seed=5) + torch.stack([3.0 * labels, torch.zeros(n)], 1)
    found = evidence(model, test=test, labels=labels, conditions=("class",))
    return found


def test_the_frechet_difference_is_what_adapting_moved():
    won = fd_new_delta(seen(Adapted(0.5)), Identity())
    lost = fd_old_delta(seen(Adapted(0.5)), Identity())
    # class 2 lay 6 away from home; the others moved by 0.5, and are two clouds 3 apart as before
    assert won.interval.low < -36 < won.interval.high
    assert lost.interval.low < 0.25 < lost.interval.high
    assert won.details["base"] == pytest.approx(36, abs=2)
    assert (won.kind, won.n_reference, won.n_samples) == ("estimate", 400, 800)


def test_a_model_that_changed_nothing_old_has_a_difference_of_exactly_nothing():
    # the same noise for both: nothing is left to chance
    score = fd_old_delta(seen(Adapted(0.0)), Identity())
    assert (score.value, score.interval.low, score.interval.high) == (0.0, 0.0, 0.0)


def test_the_sliced_difference_is_what_adapting_moved():
    # a shift by s along one axis is s |cos| on a line: its root mean square is s / sqrt(2)
    won = sliced_w2_new_delta(seen(Adapted(0.5)))
    lost = sliced_w2_old_delta(seen(Adapted(0.5)))
    assert won.value == pytest.approx(-6 / 2**0.5, abs=0.4)
    assert won.interval.low < won.value < won.interval.high
    assert 0.1 < lost.value < 0.5 / 2**0.5 + 0.1


def test_the_interval_covers_the_expected_difference():
    hits, d, n = 0, 3, 160
    shift = torch.tensor([0.8, 0.0, 0.0], dtype=torch.float64)
    for trial in range(60):
        noise = normal(n, d, seed=3 * trial)
        clouds = Clouds(noise, noise + shift, normal(n, d, seed=3 * trial + 1))
        score = delta(clouds, frechet)
        # equal covariances: only the means differ, and the bias of both is one and the same
        hits += score.interval.low <= -0.64 <= score.interval.high
    assert hits >= 52


def test_few_examples_take_the_distance_of_few():
    x, y = normal(60, 100, seed=1), normal(60, 100, seed=2)
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)
    assert delta(Clouds(x, y, x), frechet).value == pytest.approx(-frechet(y, x))


def test_the_adapter_is_counted():
    model = seen(Adapted(0.0))
    assert (adapter_parameters(model).value, adapter_parameters(model).kind) == (30, "exact")
    assert adapter_share(model).value == 0.25
    assert adaptation_seconds(model).value == 4.5


@pytest.mark.parametrize(
    "measure",
    [adapter_parameters, adapter_share, adaptation_seconds, sliced_w2_new_delta,
     lambda e: fd_new_delta(e, Identity())],
)  # fmt: skip
def test_others_are_unscored(measure):
    assert measure(seen(StandIn())).reason == "was not adapted from a base"


def test_what_cannot_be_compared_is_said():
    assert "at least 40 test examples of new classes, got 5" in (
        fd_new_delta(seen(Adapted(0.0), n=15), Identity()).reason
    )
    unasked = replace(seen(Adapted(0.0)), conditions=())
    assert "can be asked" in fd_new_delta(unasked, Identity()).reason

    class Broken(Identity):
        def features(self, x):
            return x.double().log()

    assert "not finite" in fd_new_delta(seen(Adapted(0.0)), Broken()).reason
