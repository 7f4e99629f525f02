"""What training data must be beside what the harness asks of all."""

from __future__ import annotations

from gengauge import Dataset


def check_varies(data: Dataset, model: str) -> None:
    """Raise ``ValueError`` where all training examples are equal, or a column of floats constant.

    Networks would learn the one example by heart, and the density of a constant has no bound.
    """
    x = data.train.x.flatten(1)
    constant = (x == x[:1]).all(0)
    if bool(constant.all()):
        raise ValueError(
            f"{model} needs training examples that differ, and the {len(x)} of {data.id} are "
            "equal; look at the dataset's train split"
        )
    if data.levels is None and bool(constant.any()):
        which = constant.nonzero().flatten().tolist()
        raise ValueError(
            f"{model} has a density, which grows without bound on a constant, and of {data.id} "
            f"the columns {', '.join(map(str, which[:10]))} are; remove them"
        )
