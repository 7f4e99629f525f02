"""Speed beside torch's and numpy's own tools: the same clock readings, the same operations."""

import tracemalloc

import numpy as np
import pytest
import torch
from agreement import budget
from standins import Sleeper, StandIn, evidence
from torch import nn
from torch.nn.utils import parameters_to_vector
from torch.utils.benchmark import Measurement, TaskSpec
from torch.utils.flop_counter import FlopCounterMode

from gengauge_suites.speed import metrics
from gengauge_suites.speed.flops import flops_per_sample
from gengauge_suites.speed.timing import Timings

READINGS = np.random.default_rng(0).lognormal(-5, 0.7, 101)  # odd: one median


def median(readings):
    """What torch.utils.benchmark makes of clock readings."""
    return Measurement(1, list(readings), TaskSpec("draw", "")).median


def timed():
    """Evidence whose clock has been read: 101 single samples, 101 batches of 64, 101 loads."""
    found = evidence(Sleeper(0), reload=lambda: Sleeper(0))
    batches = {1: list(READINGS), 64: list(3 * READINGS)}
    found.memo("timings", lambda: Timings(list(READINGS), batches))
    found.memo("loading", lambda: (list(READINGS), list(2 * READINGS)))
    return found


def test_medians_of_readings_are_those_of_torch_benchmark():
    theirs = {
        "latency_p50": median(READINGS),
        "setup_seconds": median(READINGS),
        "first_sample_seconds": median(2 * READINGS),
        "samples_per_second": 64 / median(3 * READINGS),
    }
    found = timed()
    for metric, expected in theirs.items():
        allowed = budget(metric, "torch.utils.benchmark, same readings")
        assert getattr(metrics, metric)(found).value == pytest.approx(expected, **allowed), metric


def test_the_95th_percentile_is_numpys():
    theirs = np.quantile(READINGS, 0.95)  # of 101 readings one lies exactly there
    ours = metrics.latency_p95(timed()).value
    assert ours == pytest.approx(theirs, **budget("latency_p95", "numpy, same readings"))


class Network(StandIn):
    def __init__(self):
        self.body = nn.Sequential(
            nn.ConvTranspose2d(4, 8, 3),
            nn.GELU(),
            nn.Conv2d(8, 2, 3),
            nn.Flatten(),
            nn.Linear(8, 2),
        )
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    @property
    def n_parameters(self):
        return sum(p.numel() for p in self.body.parameters())

    def sample(self, n, condition, generator):
        x = torch.randn(n, 4, 2, 2, generator=generator)
        tokens = x.flatten(2).mT
        return self.body(x + self.attention(tokens, tokens, tokens)[0].mT.reshape(x.shape))


def test_operations_are_those_of_torchs_counter():
    model = Network()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.sample(1, None, torch.Generator())
    ours = flops_per_sample(evidence(model)).value
    allowed = budget("flops_per_sample", "torch, FlopCounterMode")
    assert ours == pytest.approx(counter.get_total_flops(), **allowed)


def test_peak_memory_is_that_of_tracemalloc_for_a_sampler_in_numpy():
    class Numpy(StandIn):
        def sample(self, n, condition, generator):
            block = np.ones((8, 2**20), dtype=np.uint8)
            block = block + 1  # two for a moment
            return torch.zeros(n, 2) + float(block[0, 0])

    found = evidence(Numpy())
    tracemalloc.start()
    found.model.sample(1, None, None)
    _, theirs = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    ours = metrics.peak_memory(found).value
    allowed = budget("peak_memory", "tracemalloc, numpy sampler")
    assert ours == pytest.approx(theirs / 2**20, **allowed)


def test_parameters_are_those_torch_flattens():
    model = Network()
    theirs = len(parameters_to_vector(model.body.parameters()))
    allowed = budget("parameters", "torch, parameters_to_vector")
    assert metrics.parameters(evidence(model)).value == pytest.approx(theirs, **allowed)
