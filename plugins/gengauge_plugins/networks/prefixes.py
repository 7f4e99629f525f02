"""The beginnings of text that a model is asked to go on from."""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge.errors import UnsupportedError
from gengauge.model import Condition


def asked_prefixes(condition: Condition, n: int, length: int, levels: int, model: str) -> Tensor:
    """Return the tokens ``[n, p]`` that ``condition`` asks samples to begin with, int64, CPU.

    ``UnsupportedError`` for anything but tokens; ``ValueError`` for another number of them, for a
    prefix that leaves nothing of ``length`` to add, and for tokens that are not among ``levels``.
    """
    if not isinstance(condition, Tensor) or condition.ndim != 2:
        raise UnsupportedError(
            f"{model} goes on from beginnings of text only: tokens [n, p], p below {length}"
        )
    prefix = condition.to("cpu", torch.int64)
    if len(prefix) != n:
        raise ValueError(f"expected {n} prefixes for {n} samples, got {len(prefix)}")
    if prefix.shape[1] >= length:
        raise ValueError(
            f"a prefix of {prefix.shape[1]} tokens leaves nothing to add to texts of {length}; "
            f"give at most {length - 1}"
        )
    if prefix.numel() and not 0 <= int(prefix.min()) <= int(prefix.max()) < levels:
        raise ValueError(
            f"{model} knows the tokens 0 to {levels - 1}, and a prefix has "
            f"{int(prefix.min())} to {int(prefix.max())}"
        )
    return prefix
