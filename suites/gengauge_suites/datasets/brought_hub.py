"""Data sets of Hugging Face's library."""

from __future__ import annotations

from collections.abc import Iterable

from gengauge.parameters import Parameter
from gengauge.specs import DatasetSpec
from gengauge_suites.datasets.brought import _ALIKE as ALIKE
from gengauge_suites.datasets.brought_tables import AS, DROP, ONEHOT
from gengauge_suites.datasets.brought_text import WRITTEN

_FIELDS = (
    Parameter("config", "", "which of its configurations"),
    Parameter("split", "", "one split, to be split anew; else train, validation and test"),
    Parameter("revision", "", "commit, tag or branch on the hub"),
    Parameter("image", "", "column of pictures; default: the only one"),
    Parameter("text", "", "column of texts; default: the only one, where there are no numbers"),
    Parameter("label", "", "column of classes, or none; default: the only one of class labels"),
    Parameter("caption", "", "column of captions, or none; default: one called caption or text"),
)


def hub_names() -> Iterable[DatasetSpec]:
    """Return the data set whose path is a name on the hub or a folder that the library wrote."""
    yield DatasetSpec(
        id="hf",
        summary="A data set of Hugging Face by its name on the hub, or a folder of save_to_disk: "
        "pictures, texts or a table",
        target="gengauge.loading:load_opened",
        opens="gengauge_suites.datasets.hub.opening:open_hub",
        describes="gengauge_suites.datasets.hub.opening:describe_hub",
        reference="https://huggingface.co/docs/datasets",
        modality="image",
        takes_path=True,
        parameters=(*_FIELDS, *ALIKE, *WRITTEN, DROP, ONEHOT, AS),
    )
