"""Many pictures of the user's as a collection: alike, in a fixed order, decoded when asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from gengauge.collection import Collection
from gengauge.errors import UsageError
from gengauge_suites.datasets.picture import Bytes, Rule, decode

LEVELS = 256
_SMALL = 3 * 32 * 32  # values up to which pictures are compared as they are, too


def judges(shape: Sequence[int]) -> tuple[str, ...]:
    """Return the embedders that pictures of the user's are measured in, unless others are named.

    Those of the field, unscored with the reason where their weights are missing, and small
    pictures as they are: the covariance of large ones would not fit in memory.

    >>> judges((1, 28, 28)), judges((3, 256, 256))
    (('inception', 'dinov2', 'identity'), ('inception', 'dinov2'))
    """
    small = int(np.prod(shape)) <= _SMALL
    return ("inception", "dinov2", "identity") if small else ("inception", "dinov2")


def described(shape: Sequence[int], labelled: bool, captioned: bool, levels: int) -> dict[str, Any]:
    """Return what pictures of ``shape`` ``[C, H, W]`` say of their data set's description."""
    return {
        "modality": "image", "levels": levels, "labelled": labelled, "captioned": captioned,
        "embedders": judges(shape),
    }  # fmt: skip


def gathered(
    count: int, name: Callable[[int], str], get: Callable[[int], Bytes], **known: Any
) -> Collection:
    """Return ``count`` pictures that ``get`` returns by number, ``[C, H, W]`` each.

    The first says what all are like; another is refused by its ``name``.
    """
    shape = get(0).shape

    def read(start: int, stop: int) -> Tensor:
        x = np.empty((stop - start, *shape), np.uint8)
        for i in range(start, stop):
            one = get(i)
            if one.shape != shape:
                raise _unlike(name(i), one.shape, name(0), shape)
            x[i - start] = one
        return torch.from_numpy(x)

    return Collection("image", count, shape, read, LEVELS, **known)


def decoded(
    name: Callable[[int], str],
    opened: Callable[[int], AbstractContextManager[IO[bytes]]],
    rule: Rule,
) -> Callable[[int], Bytes]:
    """Return what decodes the picture of a number out of the file that ``opened`` gives."""

    def get(i: int) -> Bytes:
        try:
            with opened(i) as stream:
                return decode(stream, name(i), rule)
        except OSError as error:
            raise UsageError(
                f"'{name(i)}' cannot be read: {error.strerror}; allow it, or take it away"
            ) from None

    return get


def _unlike(name: str, found: Sequence[int], first: str, shape: Sequence[int]) -> UsageError:
    if list(found[1:]) != list(shape[1:]):
        one, other = (f"{w} x {h} pixels" for _, h, w in (found, shape))
        return UsageError(
            f"'{name}' has {one} and '{first}' {other}; pictures must be of one size: give size=N "
            "with resize=squash, crop or pad, or make them so"
        )
    colours = {1: "grey", 3: "in colour"}
    return UsageError(
        f"'{name}' is {colours[found[0]]} and '{first}' {colours[shape[0]]}; give channels=1 or "
        "channels=3 for all"
    )


def stamped(path: Path, content: str, options: Mapping[str, Any]) -> str:
    """Return what tells examples read so from others: where they lie, content and options.

    Files of one archive may well share their sizes and times of change.
    """
    told = sorted((name, value) for name, value in options.items() if name != "path")
    place = os.fsencode(path.resolve())
    return hashlib.sha256(place + f"\0{content} {told}".encode()).hexdigest()[:16]
