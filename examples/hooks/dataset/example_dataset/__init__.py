"""A data set whose density is known: a checkerboard."""

from gengauge import DatasetSpec, hookimpl


@hookimpl
def gengauge_datasets():
    """Return the data set, described."""
    return [
        DatasetSpec(
            id="example/checkerboard",
            summary="Points on the dark squares of a board of 4 x 4",
            target="example_dataset.data:load",
            modality="points",
            labelled=True,
            has_truth=True,
        )
    ]
