"""Metrics that papers report by name: fixed to one network or one protocol."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.parameters import Parameter
from gengauge.specs import MetricSpec

_HOME = "gengauge_suites.fidelity"


def named() -> Iterable[MetricSpec]:
    """Return the metrics that are comparable with published numbers."""
    yield from _inception()
    yield from _kernels()
    yield _energy()


def _inception() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="fid",
        suite="fidelity",
        label="FID",
        unit="squared feature distance",
        direction="lower",
        modalities=("image",),
        embedded=True,
        embedders=("inception",),
        headline=True,
        target=f"{_HOME}.frechet:fd",
        summary="Frechet distance in the canonical Inception network, the one number papers call "
        "FID. Falls as more samples are used, so compare at equal n; nearly blind to copied "
        "training data, can be trained on directly, and misranks images unlike ImageNet's.",
        reference="Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, "
        "https://arxiv.org/abs/1706.08500",
    )
    yield MetricSpec(
        id="sfid",
        suite="fidelity",
        label="sFID",
        unit="squared feature distance",
        direction="lower",
        modalities=("image",),
        embedded=True,
        embedders=("inception",),
        uses="spatial",
        target=f"{_HOME}.inception:sfid",
        summary="Frechet distance of Inception features that keep their places (7 channels of "
        "17 x 17): sees wrong layout that FID averages away. Strongly biased below some "
        "ten thousand samples and nearly blind to copied training data.",
        reference="Nash et al. 2021, Generating Images with Sparse Representations, "
        "https://arxiv.org/abs/2103.03841",
    )
    yield MetricSpec(
        id="inception_score",
        suite="fidelity",
        label="Inception score",
        unit="effective classes",
        direction="higher",
        modalities=("image",),
        embedded=True,
        embedders=("inception",),
        uses="classes",
        parameters=(Parameter("splits", 10, "stretches that are averaged", minimum=2),),
        target=f"{_HOME}.inception:inception_score",
        summary="How sure the Inception network is of each sample's ImageNet class, and how many "
        "classes there are. Never looks at the data: blind to copies and to variety within a "
        "class, rewards ImageNet's classes only, and gives noise 1.6.",
        reference="Salimans et al. 2016, Improved Techniques for Training GANs, "
        "https://arxiv.org/abs/1606.03498",
    )


def _kernels() -> Iterable[MetricSpec]:
    yield MetricSpec(
        id="kid_subsets",
        suite="fidelity",
        label="KID (100 x 1000)",
        unit="squared MMD",
        direction="lower",
        modalities=("image", "points", "table"),
        embedded=True,
        embedders=("inception", "dinov2", "clip/ViT-*", "identity"),
        parameters=(
            Parameter("subsets", 100, "random subsets that are averaged", minimum=1),
            Parameter("size", 1000, "examples of each subset", minimum=2),
        ),
        target=f"{_HOME}.subsets:kid_subsets",
        summary="KID as papers and torch-fidelity report it, the mean over 100 subsets of 1,000: "
        "for comparison with them. Noisier than KID over all pairs and just as blind to copied "
        "training data.",
        reference="Binkowski et al. 2018, Demystifying MMD GANs, https://arxiv.org/abs/1801.01401",
    )
    yield MetricSpec(
        id="cmmd",
        suite="fidelity",
        label="CMMD",
        unit="1000 x squared MMD",
        direction="lower",
        modalities=("image",),
        embedded=True,
        embedders=("clip/ViT-L-14-336",),
        headline=True,
        target=f"{_HOME}.cmmd:cmmd",
        summary="Kernel distance between CLIP features (fixed Gaussian kernel): assumes no shape "
        "of the clouds and needs fewer samples than FID. Slightly above 0 for a perfect model, "
        "blind to copied training data and to what CLIP does not see, such as fine texture.",
        reference="Jayasumana et al. 2024, Rethinking FID: Towards a Better Evaluation Metric for "
        "Image Generation, https://arxiv.org/abs/2401.09603",
    )


def _energy() -> MetricSpec:
    return MetricSpec(
        id="energy_distance",
        suite="fidelity",
        label="Energy distance",
        unit="data units",
        direction="lower",
        modalities=("points", "table"),
        target=f"{_HOME}.energy:energy_distance",
        summary="How much farther samples lie from data than points of either lie from each other: "
        "zero only for equal distributions, has no kernel width to choose, unbiased and so "
        "sometimes negative. Sees large-scale differences better than fine detail. On tables each "
        "column counts in its own standard deviations.",
        reference="Szekely & Rizzo 2013, Energy statistics: a class of statistics based on "
        "distances, https://doi.org/10.1016/j.jspi.2013.03.018",
    )
