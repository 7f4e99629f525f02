"""The utility suite: what a model is good for beside sampling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gengauge.hooks import hookimpl
from gengauge.parameters import Parameter
from gengauge.specs import MetricSpec
from gengauge_suites.utility.specs_adaptation import adapted

_HOME = "gengauge_suites.utility"


@hookimpl
def gengauge_metrics() -> Iterable[MetricSpec]:
    """Return the utility metrics."""
    yield from _restoration()
    yield from _classification()
    yield from _clustering()
    yield from adapted()
    yield _metric(
        "caption_accuracy", "Caption accuracy", "share", "higher", "captions:caption_accuracy",
        modalities=("image",), condition="caption",
        version=2,
        summary="Share of test images of which all holds that the model's caption says. A caption "
        "that is not understood counts as wrong; blind to how well it is phrased, and to what the "
        "language leaves open.",
        reference="The grammar of the dataset, which knows every attribute of every image",
    )  # fmt: skip


def _restoration() -> Iterable[MetricSpec]:
    yield _metric(
        "psnr", "PSNR", "dB", "higher", "restoration:psnr", modalities=("image",),
        summary="How near test images come to themselves after Gaussian noise of 0.1, 0.2 and 0.4 "
        "of the range is removed, averaged over the three. Favours blurred guesses: the mean of "
        "all answers scores best.",
        reference="Huynh-Thu & Ghanbari 2008, Scope of validity of PSNR in image/video quality "
        "assessment, https://doi.org/10.1049/el:20080522",
    )  # fmt: skip
    yield _metric(
        "ssim", "SSIM", "similarity", "higher", "restoration:ssim", modalities=("image",),
        summary="Similarity of local brightness, contrast and structure of test images and of "
        "themselves after noise was put on and removed, averaged over three noise levels. Blind "
        "to what lies beyond a window of 7 or 11 pixels.",
        reference="Wang et al. 2004, Image Quality Assessment: From Error Visibility to "
        "Structural Similarity, https://doi.org/10.1109/TIP.2003.819861",
    )  # fmt: skip
    yield _metric(
        "reconstruction_mse", "Reconstruction MSE", "squared data units", "lower",
        "restoration:reconstruction_mse", modalities=("image", "points", "table"),
        summary="Mean squared error a value between test examples and their reconstruction. "
        "On tables each column counts in its own standard deviations. Blind to sampling: a model "
        "that only copies its input is perfect.",
        reference="Hinton & Salakhutdinov 2006, Reducing the Dimensionality of Data with Neural "
        "Networks, https://doi.org/10.1126/science.1127647",
    )  # fmt: skip
    yield _metric(
        "code_size", "Code size", "bits/dim", "lower", "codes:code_size",
        modalities=("image", "points", "table"),
        parameters=(
            Parameter("bits", 8, "a float of a code is stored as one of 2^bits steps of its range",
                      minimum=1),
        ),
        summary="Bits a value of the data that its code takes when each number of the code is "
        "rounded to a grid and entropy-coded by how often training data has it. Blind to what the "
        "code loses: read it beside the reconstruction error.",
        reference="Theis et al. 2017, Lossy Image Compression with Compressive Autoencoders, "
        "https://arxiv.org/abs/1703.00395; prior counts of a half: Krichevsky & Trofimov 1981, "
        "https://doi.org/10.1109/TIT.1981.1056331",
    )  # fmt: skip


def _classification() -> Iterable[MetricSpec]:
    yield _metric(
        "accuracy", "Accuracy", "share", "higher", "recognition:accuracy", condition="class",
        summary="Share of test examples whose most probable class by the model is the right one. "
        "Blind to how sure it is.",
        reference="Pedregosa et al. 2011, Scikit-learn: Machine Learning in Python, "
        "https://scikit-learn.org",
    )  # fmt: skip
    yield _metric(
        "calibration_error", "ECE", "probability", "lower", "recognition:calibration_error",
        condition="class",
        parameters=(Parameter("bins", 15, "equal bins of confidence", minimum=1),),
        summary="Expected calibration error: gap between how sure the model is of its class and "
        "how often it is right, over bins of confidence. Few examples a bin raise it, and a model "
        "that always states the average accuracy is perfect.",
        reference="Guo et al. 2017, On Calibration of Modern Neural Networks, "
        "https://arxiv.org/abs/1706.04599",
    )  # fmt: skip


def _clustering() -> Iterable[MetricSpec]:
    rows = (
        ("ari", "ARI", "index", "Agreement of the model's clusters with the classes over pairs of "
         "test examples, corrected for chance: 0 is chance, 1 is equal. Low for a finer split of "
         "the classes, however pure.",
         "Hubert & Arabie 1985, Comparing partitions, https://doi.org/10.1007/BF01908075"),
        ("nmi", "NMI", "share", "Information that clusters and classes share, over the mean of "
         "their entropies: 1 is equal. Not corrected for chance, so many clusters raise it.",
         "Vinh et al. 2010, Information Theoretic Measures for Clusterings Comparison, "
         "https://jmlr.org/papers/v11/vinh10a.html"),
    )  # fmt: skip
    for name, label, unit, summary, reference in rows:
        yield _metric(
            name, label, unit, "higher", f"recognition:{name}", condition="class",
            summary=summary, reference=reference,
        )  # fmt: skip


def _metric(
    id_: str, label: str, unit: str, direction: str, target: str, **more: Any
) -> MetricSpec:
    return MetricSpec(
        id=id_,
        suite="utility",
        label=label,
        unit=unit,
        direction=direction,
        target=f"{_HOME}.{target}",
        uses_samples=False,
        **more,
    )
