"""The memorisation suite: whether samples are new, and varied."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.hooks import hookimpl
from gengauge.parameters import Parameter
from gengauge.specs import MetricSpec

_HOME = "gengauge_suites.memorisation"
_FLD = (
    "Jiralerspong et al. 2023, Feature Likelihood Divergence: Evaluating the Generalization of "
    "Generative Models Using Samples, https://arxiv.org/abs/2302.04440"
)


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the memorisation metrics."""
    yield from _likelihood()
    yield from _copying()
    yield _metric(
        "vendi", "Vendi", "effective samples", "higher", "vendi:vendi",
        summary="Number of samples that would be as varied if all differed fully. Grows with the "
        "number drawn, so compare at equal n and beside the real row. Blind to copied training "
        "data and to quality.",
        reference="Friedman & Dieng 2023, The Vendi Score: A Diversity Evaluation Metric for "
        "Machine Learning, https://arxiv.org/abs/2210.02410",
    )  # fmt: skip


def _likelihood() -> Iterable[MetricSpec]:
    yield _metric(
        "fld", "FLD", "% of a nat/dim", "lower", "likelihood:fld", headline=True,
        summary="How unlikely test data is under Gaussians at the samples, as wide as training "
        "data asks: poor, monotonous and copied samples all raise it, and 0 is what half of the "
        "training data scores. Samples drawn in towards the mean may beat real data.",
        reference=_FLD,
    )  # fmt: skip
    yield _metric(
        "fld_gap", "FLD gap", "% of a nat/dim", "higher", "likelihood:fld_gap",
        summary="FLD of training data minus FLD of test data: far below 0 when samples lie closer "
        "to the training data than new data does, which is copying. An embedder that was trained "
        "on the same data gives real samples a gap too: see the real row. Blind to quality: noise "
        "has no gap.",
        reference=_FLD,
    )  # fmt: skip


def _copying() -> Iterable[MetricSpec]:
    yield _metric(
        "auth_pct", "AuthPct", "share", "higher", "authenticity:auth_pct",
        summary="Share of samples that lie farther from their closest training example than that "
        "example lies from its own neighbour. Real data scores 0.37 to 0.88 by dimension, so "
        "read it beside the real row; noise scores 1.",
        reference="Alaa et al. 2022, How Faithful is your Synthetic Data?, "
        "https://arxiv.org/abs/2102.08921",
    )  # fmt: skip
    yield _metric(
        "c_t", "C_T", "standard deviations", "higher", "copying:c_t",
        summary="Whether samples lie closer to the training data than test data does: far below 0 "
        "is copying, far above 0 is too far away, near 0 is right. About N(0, 1) for a perfect "
        "model, only roughly; copies and noise in one model cancel.",
        parameters=(Parameter("cells", 3, "k-means cells it is averaged over", minimum=1),),
        reference="Meehan et al. 2020, A Non-Parametric Test to Detect Data-Copying in Generative "
        "Models, https://arxiv.org/abs/2004.05675",
    )  # fmt: skip


def _metric(
    id_: str,
    label: str,
    unit: str,
    direction: str,
    target: str,
    *,
    summary: str,
    reference: str,
    parameters: tuple[Parameter, ...] = (),
    headline: bool = False,
) -> MetricSpec:
    return MetricSpec(
        id=id_,
        suite="memorisation",
        label=label,
        unit=unit,
        direction=direction,
        modalities=("image", "points", "table"),
        embedded=True,
        headline=headline,
        parameters=parameters,
        target=f"{_HOME}.{target}",
        summary=summary,
        reference=reference,
    )
