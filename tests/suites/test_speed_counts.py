"""Operations, energy, and the front of quality against evaluations."""

import math
import sys
import types
from itertools import pairwise

import pytest
import torch
from standins import Sleeper, StandIn, evidence, normal
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gengauge.errors import UnsupportedError
from gengauge_suites.speed.energy import energy_counter, energy_per_sample, windows
from gengauge_suites.speed.flops import CountedFlops, flops_per_sample
from gengauge_suites.speed.front import answers, evaluations_to_fd, evaluations_to_sliced_w2


class Plain:
    id, sha256 = "plain", "0"

    def features(self, x):
        return x.flatten(1).double()


class Linear(StandIn):
    def __init__(self):
        self.layer = nn.Linear(64, 2)

    def sample(self, n, condition, generator):
        return self.layer(torch.randn(n, 64, generator=generator)).exp()


def test_a_linear_layer_is_two_operations_a_weight():
    score = flops_per_sample(evidence(Linear()))
    assert (score.value, score.kind) == (2 * 64 * 2, "exact")
    assert score.interval.low == score.value == score.interval.high
    assert score.details["last_by_operation"] == {"aten.addmm": 256}


def test_a_sampler_of_varying_effort_gets_the_mean_and_an_interval():
    class Varying(Linear):
        calls = 0

        def sample(self, n, condition, generator):
            self.calls += 1
            x = super().sample(n, condition, generator)
            return x if self.calls % 2 else super().sample(n, condition, generator)

    score = flops_per_sample(evidence(Varying()))
    assert score.kind == "estimate"
    assert 256 < score.value < 512
    assert score.interval.low < score.value < score.interval.high


def test_a_sampler_without_counted_operations_is_unscored():
    assert "no matrix product" in flops_per_sample(evidence(StandIn())).reason


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_count_is_that_of_torchs_own_counter(mode):
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GELU(), nn.ConvTranspose2d(8, 4, 2, stride=2))
    attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def work():
        body(torch.ones(2, 3, 9, 9))
        attention(*[torch.ones(2, 5, 16)] * 3)
        nn.functional.scaled_dot_product_attention(*[torch.ones(2, 2, 5, 8)] * 3)
        torch.einsum("bij,bjk->bik", torch.ones(2, 3, 4), torch.ones(2, 4, 5))

    with mode(), FlopCounterMode(display=False) as expected:
        work()
    with mode(), CountedFlops() as counted:
        work()
    assert counted.flops == expected.get_total_flops() > 10_000


class Failure(Exception):
    pass


def fake_nvml(monkeypatch, **more):
    """A card that uses 5 J between each two readings."""
    readings = iter(range(0, 10**9, 5000))
    nvml = types.ModuleType("pynvml")
    nvml.NVMLError = Failure
    nvml.nvmlInit = lambda: None
    nvml.nvmlDeviceGetHandleByUUID = lambda uuid: uuid
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: next(readings)
    for name, value in more.items():
        setattr(nvml, name, value)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    card = types.SimpleNamespace(uuid="12-34")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    return nvml


def test_energy_is_the_difference_of_readings_over_the_samples_between(monkeypatch):
    asked = []
    fake_nvml(monkeypatch, nvmlDeviceGetHandleByUUID=asked.append)
    counter = energy_counter(torch.device("cuda"))
    assert asked == ["GPU-12-34"]
    assert counter() + 5 == counter()  # joules, of readings in millijoules
    drawn = []
    values = windows(counter, lambda: drawn.append(len(drawn)) or Sleeper(0.1).sample(1, 0, 0), 10)
    assert len(values) == 5
    batches = (len(drawn) - 1) / 5  # the first warms up
    assert sum(values) / 5 == pytest.approx(5 / (10 * batches), rel=0.25)


def test_energy_that_is_not_counted_says_why(monkeypatch):
    assert "no energy of the cpu" in energy_per_sample(evidence(Sleeper(0))).reason
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(UnsupportedError, match="nvidia-ml-py"):
        energy_counter(torch.device("cuda"))

    def refuse(handle):
        raise Failure("Not Supported")

    fake_nvml(monkeypatch, nvmlDeviceGetTotalEnergyConsumption=refuse)
    with pytest.raises(UnsupportedError, match="Not Supported"):
        energy_counter(torch.device("cuda"))


class Steps(StandIn):
    """Is ``1 / steps`` of a deviation off; guidance makes every step two evaluations."""

    def __init__(self, choices=(1, 4, 16, 64, 256)):
        self.step_choices = choices

    def sample_in(self, steps, n, condition, generator):
        x = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        return x + 3 / steps, 2.0 * steps


@pytest.mark.parametrize(
    "measure", [evaluations_to_sliced_w2, lambda e: evaluations_to_fd(e, Plain())]
)
def test_the_front_falls_and_stops_where_more_steps_gain_nothing(measure):
    x, y = normal(500, 2, 1), normal(500, 2, 2)
    score = measure(evidence(Steps(), samples=x, test=y))
    front = score.details["front"]
    assert [p["steps"] for p in front] == [1, 4, 16, 64, 256]
    assert [p["evaluations"] for p in front] == [2, 8, 32, 128, 512]
    assert all(a["value"] > b["value"] for a, b in pairwise(front[:3]))
    assert all(p["low"] <= p["value"] <= p["high"] for p in front)
    assert score.value in (32, 128)  # 16 steps leave 0.19 of a deviation, about the noise
    assert score.interval.low <= score.value <= score.interval.high
    assert score.value < 512


def test_step_counts_are_compared_on_the_same_noise():
    found = evidence(Steps((256, 512)), samples=normal(300, 2, 1), test=normal(300, 2, 2))
    first, second = evaluations_to_sliced_w2(found).details["front"]
    assert first["value"] == pytest.approx(second["value"], abs=0.02)


def point(evaluations, value, error):
    return {"evaluations": evaluations, "value": value, "standard_error": error}


def test_answers_without_noise_are_the_first_within_a_tenth():
    front = [point(1, 5.0, 0), point(2, 1.101, 0), point(4, 1.09, 0), point(8, 1.0, 0)]
    assert answers(front) == (4, 4, 4)
    assert answers(front[:1]) == (1, 1, 1)


def test_noise_widens_the_answer_on_both_sides():
    front = [point(1, 1.4, 0.2), point(2, 1.15, 0.2), point(4, 1.0, 0.01)]
    assert answers(front) == (1, 2, 4)


def test_fronts_that_cannot_be_drawn_say_why():
    assert evaluations_to_sliced_w2(evidence()).reason == "takes no step count"
    assert evaluations_to_sliced_w2(evidence(Steps(()))).reason == "offers no step counts"
    few = evidence(Steps(), samples=normal(10, 2, 1), test=normal(10, 2, 2))
    assert evaluations_to_fd(few, Plain()).reason.startswith("1 steps: needs at least 40")

    class Breaks(Steps):
        def sample_in(self, steps, n, condition, generator):
            return torch.full((n, 2), math.nan), 1.0

    with pytest.raises(Exception, match="not finite"):
        evaluations_to_sliced_w2(
            evidence(Breaks(), samples=normal(50, 2, 1), test=normal(50, 2, 2))
        )
