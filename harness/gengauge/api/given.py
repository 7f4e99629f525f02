"""What the functions for Python are given, as the command line writes it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from os import PathLike
from typing import TYPE_CHECKING

from gengauge.errors import UsageError

if TYPE_CHECKING:
    from gengauge.turns import Listener

Names = str | Sequence[str]
Place = str | PathLike[str]


def names_of(given: Names) -> tuple[str, ...]:
    """Return names of which there may be one.

    >>> names_of("vae[latent=8,16]"), names_of(["gmm", "vae"])
    (('vae[latent=8,16]',), ('gmm', 'vae'))
    """
    return (given,) if isinstance(given, str) else tuple(given)


def seeds_of(given: int | str | Sequence[int] | None) -> str | None:
    """Return seeds as the command line writes them.

    >>> seeds_of(3), seeds_of([0, 2]), seeds_of("0-2"), seeds_of(range(2))
    ('3', '0,2', '0-2', '0,1')
    """
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, int):
        return str(given)
    if not given:
        raise UsageError("seeds names no seed; give 0, [0, 1, 2] or '0-2'")
    return ",".join(map(str, given))


def listening(given: bool | Listener) -> AbstractContextManager[Listener]:
    """Return what gives the listener that was asked for."""
    from gengauge.progress import progress

    return progress(given) if isinstance(given, bool) else nullcontext(given)


def say(text: str) -> None:
    """Warn as Python does, and write notes where progress is written."""
    if not text.startswith("warning: "):
        print(text, file=sys.stderr)
    warn(text)


def warn(text: str) -> None:
    """Warn as Python does, and write no notes."""
    if text.startswith("warning: "):
        warnings.warn(text.removeprefix("warning: "), stacklevel=4)


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """Let numeric libraries use so many threads, here and in what is started, and put it back."""
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from gengauge.session import THREADS, use_threads

    if count < 1:
        raise UsageError(f"threads is {count}, expected at least 1")
    before, there = {name: os.environ.get(name) for name in THREADS}, torch.get_num_threads()
    use_threads(count)
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(there)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
