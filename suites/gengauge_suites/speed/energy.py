"""Energy behind one sample, from the counter of the graphics card."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from gengauge.errors import UnsupportedError
from gengauge.evidence import Evidence
from gengauge.metric import Score, unscored
from gengauge.statistics import mean_interval
from gengauge_suites.speed.timing import draw, generator, timed, timings

_WINDOWS, _SECONDS = 5, 0.4  # the counter moves some ten to fifty times a second


def energy_per_sample(evidence: Evidence) -> Score:
    """Return the energy of the whole card while it samples in the largest batch, J a sample."""
    device = evidence.device
    if device.type != "cuda":
        return unscored(f"NVML counts no energy of the {device.type}")
    counter = energy_counter(device)
    size, stream = max(timings(evidence).batches), generator(evidence)

    def batch() -> None:
        timed(lambda: draw(evidence.model, size, stream), device)  # waits for the device

    values = windows(counter, batch, size)
    details = {"batch_size": size, "windows": values}
    return Score(
        sum(values) / len(values), mean_interval(values), n_samples=len(values), details=details,
        protocol={"counter": "whole card"},
    )  # fmt: skip


def windows(counter: Callable[[], float], batch: Callable[[], None], size: int) -> list[float]:
    """Return the joules a sample of each of five stretches of repeated calls of ``batch``."""
    batch()
    values = []
    for _ in range(_WINDOWS):
        drawn, start, before = 0, time.perf_counter(), counter()
        while not drawn or time.perf_counter() - start < _SECONDS:
            batch()
            drawn += size
        values.append((counter() - before) / drawn)
    return values


def energy_counter(device: torch.device) -> Callable[[], float]:
    """Return a function that reads the joules ``device`` has used since the driver was loaded.

    ``UnsupportedError`` says what is missing.
    """
    try:
        import pynvml
    except ImportError:
        raise UnsupportedError(
            "needs NVML: install gengauge[energy] (the package nvidia-ml-py)"
        ) from None
    nvml: Any = pynvml
    try:
        nvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(device).uuid)
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}")
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError as error:
        raise UnsupportedError(f"NVML counts no energy here: {error}") from None

    def joules() -> float:
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000

    return joules
