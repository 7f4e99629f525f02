"""Small datasets: digits and clothes, grey or binary, shapes, planar densities, a table, text."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.hooks import hookimpl
from gengauge.specs import DatasetSpec
from gengauge_suites.datasets.brought import brought
from gengauge_suites.datasets.brought_hub import hub_names
from gengauge_suites.datasets.brought_tables import table_files
from gengauge_suites.datasets.brought_text import text_files

_POINTS = {
    "eight-gaussians": "Eight round modes on a circle: does a model find every mode?",
    "moons": "Two interleaved arcs: does a model bend without bridging the gap?",
    "checkerboard": "Uniform on eight squares: does a model draw sharp edges?",
    "spiral": "Two spiral arms that widen outwards: does a model follow a thin, long curve?",
    "rings": "Three concentric rings: does a model leave the holes empty?",
}


@hookimpl
def gengauge_datasets() -> Iterable[DatasetSpec]:
    """Return the datasets that ship with gengauge."""
    yield DatasetSpec(
        id="digits",
        summary="1,797 handwritten digits of 8 x 8 pixels with 17 grey levels, in ten classes",
        target="gengauge_suites.datasets.digits:load",
        reference="Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, "
        "https://archive.ics.uci.edu/dataset/80",
        modality="image",
        levels=17,
        labelled=True,
        embedders=("digits",),
    )
    yield DatasetSpec(
        id="fashion-mnist",
        summary="70,000 pieces of clothing of 28 x 28 pixels with 256 grey levels, in ten classes",
        target="gengauge_suites.datasets.fashion:load",
        reference="Xiao, Rasul & Vollgraf 2017, Fashion-MNIST: a Novel Image Dataset for "
        "Benchmarking Machine Learning Algorithms, https://arxiv.org/abs/1708.07747",
        modality="image",
        levels=256,
        labelled=True,
        embedders=("fashion",),
    )
    yield from _shapes()
    yield from _binary()
    for name, summary in _POINTS.items():
        yield DatasetSpec(
            id=f"points/{name}",
            summary=f"{summary} 23,000 points, density known",
            target="gengauge_suites.datasets.points:load",
            modality="points",
            has_truth=True,
            has_modes=name == "eight-gaussians",
            labelled=name != "checkerboard",
        )
    yield DatasetSpec(
        id="table/breast-cancer",
        summary="556 cell samples with 30 measures of their nuclei each, in raw units: malignant "
        "or benign",
        target="gengauge_suites.datasets.tables:load",
        reference="Wolberg, Mangasarian, Street & Street 1995, Breast Cancer Wisconsin "
        "(Diagnostic), CC BY 4.0, https://doi.org/10.24432/C5DW2B",
        modality="table",
        labelled=True,
    )
    yield from brought()
    yield from table_files()
    yield from hub_names()
    yield from _texts()
    yield from text_files()


def _shapes() -> Iterable[DatasetSpec]:
    for id_, difficulty, what in (
        ("shapes/easy", "easy", "one shape each, of 540 sorts"),
        ("shapes", "normal", "one to three shapes"),
        ("shapes/hard", "hard", "two or three shapes on a cluttered ground"),
    ):
        yield DatasetSpec(
            id=id_,
            summary=f"60,000 drawings of 32 x 32 pixels: {what}, with a caption; a third of the "
            "test pictures show a shape in a colour it never has in training",
            target="gengauge_suites.datasets.shapes:load",
            modality="image",
            levels=256,
            labelled=difficulty == "easy",
            captioned=True,
            revision="2",
            embedders=("shapes", "clip/shapes"),
            arguments={"difficulty": difficulty},
        )


def _binary() -> Iterable[DatasetSpec]:
    for base, what in (
        ("digits", "1,797 digits of 8 x 8 pixels"),
        ("fashion-mnist", "70,000 pieces of clothing of 28 x 28 pixels"),
    ):
        yield DatasetSpec(
            id=f"{base}/binary",
            summary=f"{what} in black and white: each grey level thrown as a coin, once for all",
            target="gengauge_suites.datasets.binary:load",
            reference="Salakhutdinov & Murray 2008, On the Quantitative Analysis of Deep Belief "
            "Networks, https://doi.org/10.1145/1390156.1390266 (the protocol)",
            modality="image",
            levels=2,
            labelled=True,
        )


def _texts() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        id="text/devils-dictionary",
        summary="Bierce's Devil's Dictionary, 353,000 characters in windows of 64: prose and verse",
        target="gengauge_suites.datasets.text:load",
        reference="Bierce 1911, The Devil's Dictionary, Internet Wiretap edition (public domain), "
        "https://packages.debian.org/dict-devil",
        modality="text",
        levels=81,
    )
