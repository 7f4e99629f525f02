"""The fidelity suite: how far the samples are from held-out real data."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.hooks import hookimpl
from gengauge.parameters import Parameter
from gengauge.specs import MetricSpec
from gengauge_suites.fidelity.specs_modes import modal
from gengauge_suites.fidelity.specs_named import named

_HOME = "gengauge_suites.fidelity"
_EMBEDDED = ("image", "points", "table", "text")
_VECTORS = ("points", "table")
_COLUMNS = " On tables each column counts in its own standard deviations."


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the fidelity metrics."""
    yield from _frechet()
    yield from _neighbours()
    yield from _transport()
    yield from _kernels()
    yield from _classifier()
    yield from named()
    yield from modal()


def _frechet() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="fd",
        suite="fidelity",
        label="FD",
        unit="squared feature distance",
        direction="lower",
        modalities=_EMBEDDED,
        embedded=True,
        not_in=("inception",),  # there it is called FID
        headline=True,
        target=f"{_HOME}.frechet:fd",
        summary="Frechet distance: gap between mean and covariance of sample and test features. "
        "Falls as more samples are used, so compare at equal n; nearly blind to copied training "
        "data and to anything beyond mean and covariance.",
        reference="Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, "
        "https://arxiv.org/abs/1706.08500",
        version=2,
    )
    yield MetricSpec(
        id="fd_infinity",
        suite="fidelity",
        label="FD at infinity",
        unit="squared feature distance",
        direction="lower",
        modalities=_EMBEDDED,
        embedded=True,
        parameters=(
            Parameter(
                "method",
                "jackknife",
                "left-out blocks of both clouds, or Chong & Forsyth's line in 1/n over the samples",
                choices=("jackknife", "line"),
            ),
        ),
        target=f"{_HOME}.frechet:fd_infinity",
        summary="Frechet distance with the bias of finite samples and reference removed by a "
        "jackknife; may be slightly negative for a near-perfect model. Blind to copied training "
        "data.",
        reference="After Chong & Forsyth 2020, Effectively Unbiased FID, "
        "https://arxiv.org/abs/1911.07023",
        version=2,
    )


def _neighbours() -> Iterable[MetricSpec]:
    improved = (
        "Kynkaanniemi et al. 2019, Improved Precision and Recall, https://arxiv.org/abs/1904.06991"
    )
    reliable = (
        "Naeem et al. 2020, Reliable Fidelity and Diversity, https://arxiv.org/abs/2002.09797"
    )
    rows = (
        ("precision", 3, improved, "share", "Share of samples that lie near a real example: "
         "quality. Blind to missing modes and to copies; outliers in the data inflate it."),
        ("recall", 3, improved, "share", "Share of real examples that lie near a sample: variety. "
         "Scattered samples inflate it, since they make the neighbourhoods large."),
        ("density", 5, reliable, "ratio", "How many real neighbourhoods a sample lies in: quality "
         "that one outlier cannot inflate; about 1 for real data, above 1 for samples that are "
         "too typical."),
        ("coverage", 5, reliable, "share", "Share of real examples with a sample in their own "
         "neighbourhood: variety that scattered samples cannot inflate; about 0.97 for real "
         "data. Blind to copied training data."),
    )  # fmt: skip
    for name, k, reference, unit, summary in rows:
        yield MetricSpec(
            id=name,
            suite="fidelity",
            label=name.capitalize(),
            unit=unit,
            direction="higher",
            modalities=_EMBEDDED,
            embedded=True,
            headline=name == "coverage",
            parameters=(Parameter("k", k, "which neighbour sets the radius", minimum=1),),
            target=f"{_HOME}.neighbours:{name}",
            summary=summary,
            reference=reference,
            version=2,
        )


def _transport() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="w2",
        suite="fidelity",
        label="W2",
        unit="data units",
        direction="lower",
        modalities=_VECTORS,
        headline=True,
        parameters=(
            Parameter("pairs", 10, "disjoint subsets of samples and reference", minimum=2),
            Parameter("size", 500, "points of each subset", minimum=2),
        ),
        target=f"{_HOME}.transport:w2",
        summary="Wasserstein-2 distance: how far points must be moved to turn samples into data. "
        "Exact on subsets of 500, which are some way apart even for a perfect model: see the "
        "real row for that floor." + _COLUMNS,
        reference="Flamary et al. 2021, POT: Python Optimal Transport, https://pythonot.github.io",
    )
    yield MetricSpec(
        id="sliced_w2",
        suite="fidelity",
        label="Sliced W2",
        unit="data units",
        direction="lower",
        modalities=_VECTORS,
        parameters=(Parameter("projections", 128, "directions averaged over", minimum=1),),
        target=f"{_HOME}.transport:sliced_w2",
        summary="Wasserstein-2 distance of shadows on lines, averaged over directions: uses all "
        "points and has a low floor, but sees detail in many dimensions poorly." + _COLUMNS,
        reference="Bonneel et al. 2015, Sliced and Radon Wasserstein Barycenters of Measures, "
        "https://doi.org/10.1007/s10851-014-0506-3",
    )


def _kernels() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="kid",
        suite="fidelity",
        label="KID",
        unit="squared MMD",
        direction="lower",
        modalities=_EMBEDDED,
        embedded=True,
        target=f"{_HOME}.kernel:kid",
        summary="Kernel distance between sample and test features (cubic kernel, all pairs): "
        "unbiased at any sample size, so it may be negative. Blind to copied training data.",
        reference="Binkowski et al. 2018, Demystifying MMD GANs, https://arxiv.org/abs/1801.01401",
        version=2,
    )
    yield MetricSpec(
        id="mmd",
        suite="fidelity",
        label="MMD^2",
        unit="squared MMD",
        direction="lower",
        modalities=_VECTORS,
        target=f"{_HOME}.kernel:mmd",
        summary="Kernel distance between samples and data (Gaussian kernel as wide as the data's "
        "median distance): unbiased, may be negative; blind to detail much finer than that width."
        + _COLUMNS,
        reference="Gretton et al. 2012, A Kernel Two-Sample Test, "
        "https://jmlr.org/papers/v13/gretton12a.html",
        version=2,
    )


def _classifier() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="c2st",
        suite="fidelity",
        label="C2ST",
        unit="accuracy",
        direction="lower",
        modalities=_VECTORS,
        headline=True,
        target=f"{_HOME}.classifier:c2st",
        summary="How often a nearest-neighbour classifier tells samples from data: 0.5 is "
        "indistinguishable, 1 is told apart at once. Blind to differences finer than its "
        "neighbourhood." + _COLUMNS,
        reference="Lopez-Paz & Oquab 2017, Revisiting Classifier Two-Sample Tests, "
        "https://arxiv.org/abs/1610.06545",
    )
