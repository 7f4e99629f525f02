"""The speed metrics, read off one shared measurement of a trial."""

from __future__ import annotations

import numpy as np

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.model import CountsNFE, CountsParameters
from gengauge.statistics import Interval, exact, quantile_interval
from gengauge_suites.speed.memory import peak_bytes
from gengauge_suites.speed.timing import Timings, draw, generator, loading, timings

_MEMORY_SECONDS = 0.1  # following every tensor makes small operations several times slower
_NO_RELOAD = "there is no checkpoint to load"
_NOT_TRAINED = "was not trained in this run"


def setup_seconds(evidence: Evidence) -> Score:
    """Return the median time to load the model from its checkpoint, seconds."""
    measured = loading(evidence)
    if measured is None:
        return unscored(_NO_RELOAD)
    return _median(measured[0])


def first_sample_seconds(evidence: Evidence) -> Score:
    """Return the median time of the first sample after loading, seconds."""
    measured = loading(evidence)
    return unscored(_NO_RELOAD) if measured is None else _median(measured[1])


def samples_per_second(evidence: Evidence) -> Score:
    """Return the median throughput of the largest affordable batch, samples per second."""
    measured = timings(evidence).batches
    size = max(measured)
    score = _median([size / seconds for seconds in measured[size]])
    rates = {str(n): n / _middle(times) for n, times in measured.items()}
    score.details.update(batch_size=size, by_batch_size=rates)
    return score


def latency_p50(evidence: Evidence) -> Score:
    """Return the median time of a single sample, seconds."""
    return _median(timings(evidence).single)


def latency_p95(evidence: Evidence) -> Score:
    """Return the 95th percentile of the time of a single sample, seconds."""
    return _quantile(timings(evidence).single, 0.95)


def peak_memory(evidence: Evidence) -> Score:
    """Return the peak of memory alive while sampling, MiB; the protocol names the batch size."""
    size = _memory_batch(timings(evidence))
    stream = generator(evidence)
    peak = peak_bytes(lambda: draw(evidence.model, size, stream), evidence.device)
    what = "device allocations" if evidence.device.type == "cuda" else "tensors, Python and numpy"
    protocol = {"batch_size": size, "memory": what}
    return Score(peak / 2**20, n_samples=size, details=dict(protocol), protocol=protocol)


def _memory_batch(measured: Timings) -> int:
    fitting = [
        n for n in (16, 64) if n in measured.batches and min(measured.batches[n]) < _MEMORY_SECONDS
    ]
    return max(fitting, default=1)


def evaluations_per_sample(evidence: Evidence) -> Score:
    """Return the network evaluations behind one sample, as the model counts them."""
    if not isinstance(evidence.model, CountsNFE):
        return unscored("does not count its network evaluations")
    return _counted(float(evidence.model.evaluations_per_sample))


def parameters(evidence: Evidence) -> Score:
    """Return how many fitted numbers the model holds."""
    if not isinstance(evidence.model, CountsParameters):
        return unscored("does not count its parameters")
    return _counted(float(evidence.model.n_parameters))


def train_seconds(evidence: Evidence) -> Score:
    """Return the seconds of training, validation not counted: one reading, no interval."""
    seconds = evidence.training.get("seconds", 0.0)
    return Score(seconds) if seconds > 0 else unscored(_NOT_TRAINED)


def train_examples_per_second(evidence: Evidence) -> Score:
    """Return the training examples seen a second: one reading, no interval."""
    seconds, examples = (evidence.training.get(key, 0.0) for key in ("seconds", "examples"))
    if seconds <= 0 or examples <= 0:
        return unscored(_NOT_TRAINED)
    return Score(examples / seconds)


def _counted(value: float) -> Score:
    return Score(value, exact(value), "exact")


def _median(values: list[float]) -> Score:
    return _quantile(values, 0.5)


def _quantile(values: list[float], q: float) -> Score:
    """Return the order statistic at ``q``; few values reach less than 95 % and say so."""
    value = _middle(values, q)
    interval: Interval | None = quantile_interval(values, q) if len(values) > 1 else None
    return Score(value, interval, n_samples=len(values))


def _middle(values: list[float], q: float = 0.5) -> float:
    return float(np.quantile(values, q, method="inverted_cdf"))
