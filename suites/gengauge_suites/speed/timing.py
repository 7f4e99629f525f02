"""Times a fitted model's sampling once a trial, within a fixed allowance of seconds.

Every clock reading waits for the device first, and every kind of call is warmed up.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch

from gengauge.evidence import Evidence
from gengauge.model import Model

T = TypeVar("T")
BATCHES = (1, 16, 64, 256, 1024)
_SETUP, _LATENCY, _THROUGHPUT = 0.3, 0.7, 1.0  # seconds
_FEWEST, _MOST = 5, 200  # repeats of a single sample: below 5 there is no interval to speak of
_REPEATS = 5  # of a batch


@dataclass(frozen=True)
class Timings:
    """Seconds a call: one sample, again and again; and a batch, again and again, by its size."""

    single: list[float]
    batches: dict[int, list[float]]


def timings(evidence: Evidence) -> Timings:
    """Return the trial's sampling times, measured when they are first asked for."""
    return evidence.memo("timings", lambda: _measure(evidence))


def loading(evidence: Evidence) -> tuple[list[float], list[float]] | None:
    """Return seconds of each reload and of the first sample after it; None without a reload."""
    reload = evidence.reload
    if reload is None:
        return None
    return evidence.memo("loading", lambda: _load(evidence, reload))


def draw(model: Model, n: int, generator: torch.Generator) -> None:
    """Draw ``n`` samples without gradients and let them go."""
    with torch.no_grad():
        model.sample(n, None, generator)


def generator(evidence: Evidence) -> torch.Generator:
    """Return the stream timed calls draw from, on the trial's device as when it was sampled."""
    seed = evidence.generator("speed").initial_seed()
    return torch.Generator(evidence.device).manual_seed(seed)


def timed(call: Callable[[], T], device: torch.device) -> tuple[float, T]:
    """Return how many seconds ``call`` took, the device's work included, and its result."""
    _wait(device)
    start = time.perf_counter()
    result = call()
    _wait(device)
    return time.perf_counter() - start, result


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _load(evidence: Evidence, reload: Callable[[], Model]) -> tuple[list[float], list[float]]:
    stream = generator(evidence)
    loads: list[float] = []
    firsts: list[float] = []
    while len(loads) < 2 or (len(loads) < 10 and sum(loads) + sum(firsts) < _SETUP):
        seconds, model = timed(reload, evidence.device)
        loads.append(seconds)
        firsts.append(timed(partial(draw, model, 1, stream), evidence.device)[0])
    return loads, firsts


def _measure(evidence: Evidence) -> Timings:
    stream = generator(evidence)

    def once(n: int) -> float:
        return timed(lambda: draw(evidence.model, n, stream), evidence.device)[0]

    warm_up = once(1)
    single: list[float] = []
    while len(single) < _FEWEST or (len(single) < _MOST and sum(single) < _LATENCY):
        single.append(once(1))
        if sum(single) + warm_up > 2 * _LATENCY and len(single) >= 2:
            break  # so slow that even five calls would take seconds
    return Timings(single, _batches(once, single))


def _batches(once: Callable[[int], float], single: list[float]) -> dict[int, list[float]]:
    """Time growing batches; stop where the next might not fit, taking cost as linear at worst."""
    done, left = {1: single}, _THROUGHPUT
    for smaller, size in itertools.pairwise(BATCHES):
        guess = min(done[smaller]) * size / smaller
        if guess > left:
            break
        warm_up = once(size)
        left -= warm_up
        times: list[float] = []
        while len(times) < _REPEATS and min([warm_up, *times]) < left:
            times.append(once(size))
            left -= times[-1]
        if len(times) < 2:
            break  # one reading gives no interval: the smaller batch is the largest affordable one
        done[size] = times
    return done
