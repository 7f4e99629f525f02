"""The speed suite: what training and sampling cost on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gengauge.hooks import hookimpl
from gengauge.parameters import Parameter
from gengauge.specs import MetricSpec

_SOURCE = "PyTorch benchmark utilities, https://pytorch.org/docs/stable/benchmark_utils.html"


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the speed metrics."""
    yield _metric(
        "samples_per_second", "Samples/s", "samples/s", "higher", headline=True,
        summary="Samples drawn a second in the largest batch that was affordable; every batch "
        "size is in the details. Blind to how good the samples are.",
    )  # fmt: skip
    for percent, word in (("p50", "median"), ("p95", "95th percentile")):
        yield _metric(
            f"latency_{percent}", f"Latency {percent}", "s", "lower",
            summary=f"Time until one single sample is there, {word} of repeated calls after a "
            "warm-up. Blind to what batching gains.",
        )  # fmt: skip
    yield _metric(
        "first_sample_seconds", "First sample", "s", "lower",
        summary="Time of the very first sample of a freshly loaded model. The process itself is "
        "warm: imports and compiled kernels of earlier models are not paid again.",
    )  # fmt: skip
    yield _metric(
        "setup_seconds", "Set-up", "s", "lower",
        summary="Time to load the fitted model from its checkpoint, files being in the disk cache.",
    )  # fmt: skip
    yield _metric(
        "peak_memory", "Peak memory", "MiB", "lower",
        summary="Most memory alive at once while sampling, in the batch the details name. CUDA: "
        "all the device's allocations. CPU: tensors made while sampling plus Python and numpy, "
        "without the model itself and without scratch space inside an operation.",
    )  # fmt: skip
    yield from _training()
    yield from _counts()
    yield from _fronts()
    yield _straightness()


def _training() -> Iterable[MetricSpec]:
    yield _metric(
        "train_seconds", "Training", "s", "lower", source="",
        summary="Wall-clock time of training, validation not counted. One run: no interval.",
    )  # fmt: skip
    yield _metric(
        "train_examples_per_second", "Train examples/s", "examples/s", "higher", source="",
        summary="Training examples seen a second. One run: no interval.",
    )  # fmt: skip


def _counts() -> Iterable[MetricSpec]:
    yield _metric(
        "evaluations_per_sample", "NFE", "evaluations", "lower", hardware_bound=False, source="",
        summary="Network evaluations behind one sample, as the model states them (guidance "
        "counts 2). Blind to how large the network is.",
    )  # fmt: skip
    yield _metric(
        "parameters", "Parameters", "numbers", "lower", hardware_bound=False, source="",
        summary="Fitted numbers the model holds. Blind to how often each one is used.",
    )  # fmt: skip
    yield _metric(
        "flops_per_sample", "FLOPs", "operations", "lower", module="flops", hardware_bound=False,
        summary="Multiplications and additions behind one sample in matrix products, convolutions "
        "and attention, by torch's formulas. Blind to every other operation, and to all that "
        "runs outside torch.",
        source="torch.utils.flop_counter, "
        "https://docs.pytorch.org/docs/stable/generated/torch.utils.flop_counter.FlopCounterMode.html",
    )  # fmt: skip
    yield _metric(
        "energy_per_sample", "Energy", "J", "lower", module="energy",
        summary="Energy the whole graphics card uses while it samples in the largest affordable "
        "batch, idle draw included. Blind to the processor and to the rest of the machine.",
        source="NVIDIA Management Library, nvmlDeviceGetTotalEnergyConsumption, "
        "https://docs.nvidia.com/deploy/nvml-api/",
    )  # fmt: skip


def _fronts() -> Iterable[MetricSpec]:
    """Return the fewest evaluations for good samples: FD of images, sliced W2 of points."""
    rows = (
        ("fd", "FD", "Frechet distance", True, ("image",)),
        ("sliced_w2", "sliced W2", "sliced Wasserstein distance", False, ("points", "table")),
    )
    for name, label, words, embedded, modalities in rows:
        yield _metric(
            f"evaluations_to_{name}", f"NFE to best {label}", "evaluations", "lower",
            module="front", hardware_bound=False, uses_samples=True, asks_model=True,
            modalities=modalities,
            embedded=embedded, source="Karras et al. 2022, Elucidating the Design Space of "
            "Diffusion-Based Generative Models, https://arxiv.org/abs/2206.00364",
            summary=f"Fewest network evaluations behind a sample with which the {words} is within "
            "a tenth and a standard error of the model's own best; the whole front is in the "
            "details. Blind to how good that best is.",
        )  # fmt: skip


def _straightness() -> MetricSpec:
    return _metric(
        "path_straightness", "Path curvature", "relative", "lower", module="straightness",
        hardware_bound=False, modalities=("image", "points", "table"),
        parameters=(
            Parameter("steps", 24, "Runge-Kutta steps from data to base", minimum=2),
            Parameter("examples", 200, "test examples, drawn at random", minimum=20),
        ),
        summary="How far a probability flow's paths are from straight lines at even speed: the "
        "squared velocity's excess over the squared way, 0 where one step would do. Measured "
        "from held-out examples. Blind to where the paths lead.",
        source="Liu et al. 2022, Flow Straight and Fast: Learning to Generate and Transfer Data "
        "with Rectified Flow, https://arxiv.org/abs/2209.03003",
    )  # fmt: skip


def _metric(
    id_: str,
    label: str,
    unit: str,
    direction: str,
    *,
    source: str = _SOURCE,
    module: str = "metrics",
    **options: Any,
) -> MetricSpec:
    return MetricSpec(
        id=id_,
        suite="speed",
        label=label,
        unit=unit,
        direction=direction,
        reference=source,
        target=f"gengauge_suites.speed.{module}:{id_}",
        **{"uses_samples": False, "hardware_bound": True, **options},
    )
