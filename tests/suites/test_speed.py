"""Clocks against sleeps, and memory against known allocations."""

import time

import pytest
import torch
from standins import Allocator, Sleeper, StandIn, evidence

from gengauge.registry import load_target
from gengauge_suites.speed import gengauge_metrics
from gengauge_suites.speed import metrics as speed
from gengauge_suites.speed.memory import peak_bytes

CPU = torch.device("cpu")
MIB = 2**20


@pytest.fixture
def ticking(monkeypatch):
    """A clock that sleeping alone moves, so that other load on the machine does not matter."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def test_a_sampler_that_sleeps_5_ms_has_at_least_that_latency_by_the_real_clock():
    score = speed.latency_p50(evidence(Sleeper(0.005)))
    assert 0.005 <= score.value < 0.05
    assert score.interval.low <= score.value <= score.interval.high
    assert score.details["readings"] >= 20


def test_percentiles_follow_a_sampler_that_is_slow_one_time_in_ten(ticking):
    class Uneven(Sleeper):
        calls = 0

        def sample(self, n, condition, generator):
            self.calls += 1
            time.sleep(0.03 if self.calls % 10 == 0 else 0.002)
            return torch.zeros(n, 2)

    found = evidence(Uneven(0))
    assert speed.latency_p50(found).value < 0.01
    assert speed.latency_p95(found).value == pytest.approx(0.03)


def test_throughput_grows_with_the_batch_of_a_sampler_that_does_not(ticking):
    score = speed.samples_per_second(evidence(Sleeper(0.005)))
    rates = score.details["by_batch_size"]
    assert rates["16"] == pytest.approx(16 / 0.005)
    assert score.details["batch_size"] == 1024
    assert score.value == rates["1024"]
    assert score.interval.low <= score.value <= score.interval.high


def test_a_slow_model_keeps_the_whole_suite_within_its_allowance(ticking):
    """Counted in calls, not by the clock: what a model takes is given, what a machine takes not."""

    class Counted(Sleeper):
        spent = 0.0

        def sample(self, n, condition, generator):
            seconds = 0.05 * (n if self.seconds == 0 else 1)
            self.spent += seconds
            time.sleep(seconds)
            return torch.zeros(n, 2)

    for model in (Counted(0.05), Counted(0)):
        found = evidence(model, reload=lambda: StandIn())
        plain = [spec for spec in gengauge_metrics() if not spec.embedded]
        scores = [load_target(spec.target)(found, **spec.resolve({})) for spec in plain]
        assert model.spent < 2.75  # 2.5 s of allowance, a last call, and one to count operations
        assert sum(s.value is not None for s in scores) >= 6


def test_a_batch_timed_once_is_no_throughput(ticking):
    """A machine under load may leave no time for a second call: one reading has no interval."""

    class SlowAtFirst(Sleeper):
        def sample(self, n, condition, generator):
            time.sleep(0.6 if n == 16 else 0.01)
            return torch.zeros(n, 2)

    score = speed.samples_per_second(evidence(SlowAtFirst(0)))
    assert score.details["batch_size"] == 1
    assert score.interval.low <= score.value <= score.interval.high


def test_loading_and_the_first_sample_are_timed_apart(ticking):
    class Lazy(StandIn):
        ready = False

        def sample(self, n, condition, generator):
            if not self.ready:
                time.sleep(0.06)
                self.ready = True
            return torch.zeros(n, 2)

    def reload():
        time.sleep(0.02)
        return Lazy()

    found = evidence(Lazy(), reload=reload)
    assert speed.setup_seconds(found).value == pytest.approx(0.02)
    assert speed.first_sample_seconds(found).value == pytest.approx(0.06)
    assert speed.latency_p50(found).value < 0.01


def test_peak_memory_sees_tensors_and_numpy():
    score = speed.peak_memory(evidence(Allocator(8)))
    assert score.value == pytest.approx(8 + 8 + 8, rel=0.05)  # zeros, zeros + 1, and numpy's ones
    assert score.protocol["batch_size"] in (1, 16, 64)


def test_peak_counts_what_is_alive_at_once_and_views_once():
    def one_after_another():
        for _ in range(5):
            torch.zeros(MIB, dtype=torch.uint8)

    def together():
        kept = [torch.zeros(MIB, dtype=torch.uint8) for _ in range(5)]
        return [t[:10].view(2, 5).add_(1) for t in kept]

    assert peak_bytes(one_after_another, CPU) == pytest.approx(MIB, rel=0.1)
    assert peak_bytes(together, CPU) == pytest.approx(5 * MIB, rel=0.05)


def test_counts_come_from_the_model():
    found = evidence(Sleeper(0))
    assert (speed.evaluations_per_sample(found).value, speed.parameters(found).value) == (7, 12)
    assert speed.parameters(found).kind == "exact"


def test_training_cost_comes_from_the_run():
    found = evidence(training={"steps": 10, "examples": 640, "seconds": 2.0})
    assert speed.train_seconds(found).value == 2
    assert speed.train_examples_per_second(found).value == 320


def test_what_follows_the_last_example_counts_as_it_is():
    laps = [[64 * i, 0.16 * i + 0.001 * (i % 2)] for i in range(1, 11)]  # and .4 s after them
    found = evidence(training={"steps": 10, "examples": 640, "seconds": 2.0, "laps": laps})
    time, rate = speed.train_seconds(found), speed.train_examples_per_second(found)
    assert (time.value, rate.value) == (2, 320)
    assert 1.9 < time.interval.low < 2 < time.interval.high < 2.1
    assert rate.interval.low == pytest.approx(640 / time.interval.high)
    assert rate.interval.high == pytest.approx(640 / time.interval.low)


def test_what_cannot_be_measured_says_why():
    found = evidence(StandIn())
    for measure in (speed.evaluations_per_sample, speed.parameters, speed.train_seconds,
                    speed.train_examples_per_second, speed.setup_seconds,
                    speed.first_sample_seconds):  # fmt: skip
        score = measure(found)
        assert score.value is None
        assert score.reason


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_peak_memory_on_cuda_is_the_allocators():
    device = torch.device("cuda")
    before = torch.cuda.memory_allocated(device)
    peak = peak_bytes(lambda: torch.zeros(32 * MIB, dtype=torch.uint8, device=device), device)
    assert peak - before == pytest.approx(32 * MIB, rel=0.1)
