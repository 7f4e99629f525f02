"""Metrics of mode coverage, on data whose modes are known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gengauge.parameters import Parameter
from gengauge.specs import MetricSpec

_METZ = (
    "Metz et al. 2017, Unrolled Generative Adversarial Networks, https://arxiv.org/abs/1611.02163"
)
_LIN = (
    "Lin et al. 2018, PacGAN: The power of two samples in generative adversarial networks, "
    "https://arxiv.org/abs/1712.04086"
)


def modal() -> Iterable[MetricSpec]:
    """Return the metrics that count modes."""
    yield _metric(
        "modes_covered", "Modes covered", "modes", "higher", reference=_LIN, headline=True,
        summary="Modes that at least one sample of high quality (within three deviations of a "
        "centre) is nearest to: the published count. One sample is enough, so it is blind to modes "
        "that are almost lost, and rises with the number of samples.",
    )  # fmt: skip
    yield _metric(
        "modes_represented", "Modes represented", "modes", "higher",
        parameters=(
            Parameter("share", 0.1, "least part of its true share at which a mode counts",
                      minimum=0),
        ),
        reference=f"After {_LIN}",
        summary="Modes that get at least a tenth of their true share as samples of high quality: "
        "what is left of the published count without modes that single samples stray to. Blind to "
        "uneven shares above that.",
    )  # fmt: skip
    yield _metric(
        "high_quality", "High quality", "share", "higher", reference=_LIN,
        summary="Share of samples within three standard deviations of some mode's centre; 0.989 "
        "for the truth in the plane, and more for modes that shrank. Blind to missing modes.",
    )  # fmt: skip
    yield _metric(
        "mode_kl", "Mode KL", "nats", "lower", reference=f"{_METZ}; {_LIN}",
        summary="Kullback-Leibler divergence of the modes' shares among samples of high quality "
        "from those of the truth: 0 is even, log m is one mode of m. Bias-corrected, so chance may "
        "put it slightly below 0; blind to samples between modes and to the shape of modes.",
    )  # fmt: skip


def _metric(id_: str, label: str, unit: str, direction: str, **options: Any) -> MetricSpec:
    return MetricSpec(
        id=id_,
        suite="fidelity",
        label=label,
        unit=unit,
        direction=direction,
        modalities=("points", "table"),
        needs_modes=True,
        target=f"gengauge_suites.fidelity.modes:{id_}",
        **options,
    )
