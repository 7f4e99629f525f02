"""Samples that lie in memory, written down as the files that ``gengauge score`` reads."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gengauge.errors import GengaugeError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_NAME = re.compile(r"[^\w.+=-]+")


def named_samples(given: Any, name: str) -> dict[str, Any]:
    """Return samples by the name of their row: the mapping that was given, or the one of ``name``.

    ``UsageError`` where there are none.
    """
    found = dict(given) if isinstance(given, Mapping) else {name: given}
    if not found:
        raise UsageError("no samples were given; give a path, an array, images or texts")
    return found


@contextmanager
def in_memory() -> Iterator[Path]:
    """Give a folder for samples in memory; no error names it: the user has not written it."""
    with tempfile.TemporaryDirectory(prefix="gengauge-") as folder:
        try:
            yield Path(folder)
        except GengaugeError as error:
            if folder in str(error):
                raise type(error)(str(error).replace(f"{folder}{os.sep}", "")) from None
            raise


def written(
    samples: Any, name: str, folder: Path, options: Mapping[str, object] | None = None
) -> str:
    """Return the path of samples, those in memory written below ``folder`` and with ``options``.

    Arrays become a file ``.npy``, images a folder of PNG files, texts a file with one a line.
    ``UsageError`` for what is none of these.
    """
    if isinstance(samples, str | PathLike):
        return str(samples)
    given = ",".join(f"{key}={value}" for key, value in (options or {}).items())
    path = _saved(samples, name, folder / (_NAME.sub("-", name) or "samples"))
    return f"{path}[{given}]" if given else path


def _saved(samples: Any, name: str, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    array = _array(samples)
    if array is not None:
        return _save_array(array, target.with_name(f"{target.name}.npy"))
    items = list(samples) if isinstance(samples, Iterable) else []
    if items and all(isinstance(item, str) for item in items):
        return _save_texts(items, target.with_name(f"{target.name}.txt"))
    if items and all(hasattr(item, "save") and hasattr(item, "getbands") for item in items):
        return _save_images(items, target)
    held = type(items[0]).__name__ if items else type(samples).__name__
    what = f"a {type(samples).__name__} of {held}" if items else f"an empty {held}"
    raise UsageError(
        f"samples '{name}' are {what}; expected a path, a tensor or array [n, ...], a list of "
        "PIL images or a list of texts"
    )


def _array(samples: Any) -> NDArray[Any] | None:
    """Return what is a tensor or an array as an array; None for anything else."""
    import numpy as np
    import torch

    if isinstance(samples, torch.Tensor):
        return samples.detach().to("cpu", copy=False).contiguous().numpy()
    return samples if isinstance(samples, np.ndarray) else None


def _save_array(array: NDArray[Any], path: Path) -> str:
    import numpy as np

    if array.dtype.kind not in "fiub":
        raise UsageError(f"samples '{path.stem}' are of {array.dtype}; expected numbers")
    np.save(path, array, allow_pickle=False)
    return str(path)


def _save_texts(texts: Sequence[str], path: Path) -> str:
    for i, text in enumerate(texts):
        if len(text.splitlines()) > 1:
            raise UsageError(
                f"text {i} of samples '{path.stem}' has a line break, and a text is one line: "
                "replace it by a space or another sign"
            )
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return str(path)


def _save_images(images: Sequence[Image], folder: Path) -> str:
    folder.mkdir(parents=True)
    digits = len(str(len(images)))
    for i, image in enumerate(images):
        image.save(folder / f"{i:0{digits}}.png")
    return str(folder)
