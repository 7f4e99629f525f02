"""Descriptions of the data sets that the user brings: pictures and arrays in files."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.parameters import Parameter
from gengauge.specs import DatasetSpec

_HOME = "gengauge_suites.datasets"
_LOAD = "gengauge.loading:load_opened"
_FIELD = ("inception", "dinov2", "identity")  # the last for small pictures alone
_ALIKE = (
    Parameter("size", 0, "side of the square that pictures are resized to; 0: none is", minimum=0),
    Parameter(
        "resize", "", "how: squash both sides, crop the centred square, or pad with black; by "
        "Pillow's bicubic filter", choices=("", "squash", "crop", "pad"),
    ),
    Parameter(
        "channels", 0, "1: grey, 3: RGB, whatever pictures have; 0: as they are",
        choices=(0, 1, 3),
    ),
    Parameter(
        "alpha", "", "ground to lay transparent pictures on; else they are refused",
        choices=("", "white", "black"),
    ),
)  # fmt: skip
_BESIDE = (
    Parameter("captions", "", "csv or jsonl file with a column caption or text"),
    Parameter("labels", "", "csv or jsonl file with a column label"),
)


def brought() -> Iterable[DatasetSpec]:
    """Return the data sets whose id is followed by a path of the user's."""
    yield _folder()
    yield _arrays()
    yield _idx()
    yield _torchvision()
    yield _webdataset()


def _folder() -> DatasetSpec:
    return DatasetSpec(
        id="folder",
        summary="A folder of PNG, JPEG or WebP pictures of yours, nested; with classes as folders, "
        "captions or labels in metadata.csv, splits as train, validation and test",
        target=_LOAD,
        opens=f"{_HOME}.folder:open_folder",
        describes=f"{_HOME}.folder:describe_folder",
        suffixes=("/",),
        modality="image",
        levels=256,
        embedders=_FIELD,
        takes_path=True,
        parameters=(
            *_ALIKE,
            *_BESIDE,
            Parameter("classes", True, "whether folders of pictures are classes"),
            Parameter(
                "others", "refuse", "what is done with files that are no pictures",
                choices=("refuse", "skip"),
            ),
        ),
    )  # fmt: skip


def _arrays() -> DatasetSpec:
    return DatasetSpec(
        id="npz",
        summary="Points [n, d] or pictures [n, C, H, W] of yours in an .npz, .npy or .safetensors "
        "file: an array x, samples, images or arr_0, or train, validation and test",
        target=_LOAD,
        opens=f"{_HOME}.arrays:open_arrays",
        describes=f"{_HOME}.arrays:describe_arrays",
        suffixes=(".npz", ".npy", ".safetensors"),
        modality="points",
        takes_path=True,
        parameters=(
            Parameter("key", "", "name of the array to read"),
            Parameter("levels", 0, "levels of pictures whose values are no bytes", minimum=0),
            Parameter(
                "layout", "auto", "order of the axes", choices=("auto", "nchw", "nhwc", "nhw")
            ),
            *_BESIDE,
        ),
    )


def _idx() -> DatasetSpec:
    return DatasetSpec(
        id="idx",
        summary="Grey pictures of yours in IDX files, as MNIST and its relatives come, packed or "
        "not: a folder of them, or one file with the labels beside it",
        target=_LOAD,
        opens=f"{_HOME}.idx:open_idx",
        describes=f"{_HOME}.idx:describe_idx",
        suffixes=("-ubyte", "-ubyte.gz"),
        modality="image",
        levels=256,
        embedders=_FIELD,
        takes_path=True,
    )


def _torchvision() -> DatasetSpec:
    return DatasetSpec(
        id="torchvision",
        summary="A data set of torchvision by its name there, such as torchvision:CIFAR10, with "
        "its splits and classes",
        target=_LOAD,
        opens=f"{_HOME}.from_torchvision:open_torchvision",
        describes=f"{_HOME}.from_torchvision:describe_torchvision",
        reference="https://docs.pytorch.org/vision/stable/datasets.html",
        modality="image",
        levels=256,
        embedders=_FIELD,
        takes_path=True,
        parameters=(
            Parameter("root", "", "folder that torchvision has filled, or fills"),
            Parameter("download", False, "whether torchvision may download what is missing"),
            Parameter("subset", "", "which one, of those with subsets: letters of EMNIST"),
            *_ALIKE,
        ),
    )


def _webdataset() -> DatasetSpec:
    return DatasetSpec(
        id="webdataset",
        summary="Pictures of yours in webdataset's shards, such as faces-{000..012}.tar: png, jpg "
        "or webp, with cls, txt or json beside each",
        target=_LOAD,
        opens=f"{_HOME}.shards:open_shards",
        describes=f"{_HOME}.shards:describe_shards",
        suffixes=(".tar",),
        reference="https://github.com/webdataset/webdataset",
        modality="image",
        levels=256,
        embedders=_FIELD,
        takes_path=True,
        parameters=_ALIKE,
    )
