"""The speed metrics, read off one shared measurement of a trial."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.model import CountsNFE, CountsParameters
from gengauge.statistics import Interval, block_jackknife, exact, quantile_interval
from gengauge_suites.speed.memory import peak_bytes
from gengauge_suites.speed.timing import Timings, draw, generator, loading, timings

_MEMORY_SECONDS = 0.1  # following every tensor makes small operations several times slower
_MEMORY_REPEATS = 5
_FEWEST_LAPS = 3
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
    """Return the median peak of memory alive while sampling, MiB, at the protocol's batch size."""
    size = _memory_batch(timings(evidence))
    stream = generator(evidence)
    peaks = [
        peak_bytes(lambda: draw(evidence.model, size, stream), evidence.device) / 2**20
        for _ in range(_MEMORY_REPEATS)
    ]
    what = "device allocations" if evidence.device.type == "cuda" else "tensors, Python and numpy"
    protocol = {"batch_size": size, "memory": what}
    score = _median(peaks)
    return replace(score, details=dict(protocol), protocol=protocol)


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
    """Return the seconds of training, validation not counted; its interval is for this machine."""
    seconds, examples = (evidence.training.get(key, 0) for key in ("seconds", "examples"))
    if seconds <= 0 or examples <= 0:
        return unscored(_NOT_TRAINED)
    return Score(seconds, _training_time(evidence))


def train_examples_per_second(evidence: Evidence) -> Score:
    """Return the training examples seen a second, validation not counted."""
    seconds, examples = (evidence.training.get(key, 0) for key in ("seconds", "examples"))
    if seconds <= 0 or examples <= 0:
        return unscored(_NOT_TRAINED)
    time = _training_time(evidence)
    if time is None:
        return Score(examples / seconds)
    low, high = examples / time.high, examples / time.low
    return Score(examples / seconds, Interval(low, high, None, time.method, time.level))


def _training_time(evidence: Evidence) -> Interval | None:
    """Return the interval of the seconds of training; None where there are too few laps.

    The examples could have gone by faster or slower; what was done after the last of them, such
    as a density fitted on an autoencoder's codes, is added as it is.
    """
    rate = _training_rate(evidence)
    if rate is None or rate.low <= 0:
        return None
    seconds, examples = evidence.training["seconds"], evidence.training["examples"]
    rest = max(0.0, seconds - evidence.training["laps"][-1][1])
    low, high = rest + examples / rate.high, rest + examples / rate.low
    return Interval(min(low, seconds), max(high, seconds), None, rate.method, rate.level)


def _training_rate(evidence: Evidence) -> Interval | None:
    """Return the interval of examples a second over the laps of training; None below three.

    The clock is read some forty times; leaving a lap out shows how much the speed drifts.
    """
    clock = np.array([(0, 0.0), *evidence.training.get("laps", ())], dtype=np.float64)
    laps = np.diff(clock, axis=0)
    if len(laps) < _FEWEST_LAPS or (laps <= 0).any():
        return None

    def rate(left_out: int | None) -> float:
        kept = laps if left_out is None else np.delete(laps, left_out, axis=0)
        examples, seconds = kept.sum(0)
        return float(examples / seconds)

    _, interval, _ = block_jackknife(rate, len(laps))
    return replace(interval, low=max(0.0, interval.low))


def _counted(value: float) -> Score:
    return Score(value, exact(value), "exact")


def _median(values: list[float]) -> Score:
    return _quantile(values, 0.5)


def _quantile(values: list[float], q: float) -> Score:
    """Return the order statistic at ``q``; few values reach less than 95 % and say so."""
    value = _middle(values, q)
    interval: Interval | None = quantile_interval(values, q) if len(values) > 1 else None
    # how often a clock was read is no part of the protocol: it follows from the model's speed
    return Score(value, interval, details={"readings": len(values)})


def _middle(values: list[float], q: float = 0.5) -> float:
    return float(np.quantile(values, q, method="inverted_cdf"))
