"""Descriptions of what is measured on fine-tuned models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gengauge.specs import MetricSpec

_LORA = (
    "Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models, "
    "https://arxiv.org/abs/2106.09685"
)
_FRECHET = (
    "Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, "
    "https://arxiv.org/abs/1706.08500"
)
_SLICED = (
    "Bonneel et al. 2015, Sliced and Radon Wasserstein Barycenters of Measures, "
    "https://doi.org/10.1007/s10851-014-0506-3"
)


def adapted() -> Iterable[MetricSpec]:
    """Return the metrics of a model that was adapted from a base, as differences from it."""
    for name, label, words, unit, reference, options in (
        ("fd", "FD", "Frechet distance", "squared feature distance", _FRECHET,
         {"modalities": ("image",), "embedded": True}),
        ("sliced_w2", "Sliced W2", "sliced Wasserstein distance", "data units", _SLICED,
         {"modalities": ("points", "table")}),
    ):  # fmt: skip
        yield _metric(
            f"{name}_new_delta", f"{label} gained", unit, reference=reference, **options,
            summary=f"What adapting won on the new classes: {words} between samples for them and "
            "test examples, of the adapted model less of its base, from the same noise. Negative "
            "is better; blind to what the old classes lost.",
        )  # fmt: skip
        yield _metric(
            f"{name}_old_delta", f"{label} forgotten", unit, reference=reference, **options,
            summary=f"What adapting lost on the old classes: {words} between samples for them and "
            "test examples, of the adapted model less of its base, from the same noise. Positive "
            "is forgetting; blind to what the new classes won.",
        )  # fmt: skip
    yield _metric(
        "adapter_parameters", "Adapter", "numbers",
        summary="Fitted numbers that are stored beside the base. Blind to what they achieve.",
    )  # fmt: skip
    yield _metric(
        "adapter_share", "Adapter share", "ratio",
        summary="Fitted numbers of the adapter over those of its base. Blind to what they achieve.",
    )  # fmt: skip
    yield _metric(
        "adaptation_seconds", "Adaptation", "s", hardware_bound=True,
        summary="Wall-clock time of training the adapter, the base's own training left out. One "
        "run: no interval.",
    )  # fmt: skip


def _metric(
    id_: str, label: str, unit: str, *, reference: str = _LORA, summary: str, **more: Any
) -> MetricSpec:
    options: dict[str, Any] = {"modalities": ("image", "points", "table"), **more}
    return MetricSpec(
        id=id_,
        suite="utility",
        label=label,
        unit=unit,
        direction="lower",
        condition="class",
        uses_samples=False,
        target=f"gengauge_suites.utility.adaptation:{id_}",
        summary=summary,
        reference=reference,
        **options,
    )
