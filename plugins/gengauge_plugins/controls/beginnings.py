"""Answers the beginnings of texts that controls are asked to go on from."""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor

from gengauge.model import Condition

_ROWS = 500  # prefixes looked up at a time


def nearest_beginning(prefix: Tensor, x: Tensor, order: Tensor) -> Tensor:
    """Return the index ``[n]`` of a text of ``x`` ``[m, length]`` for each ``prefix`` ``[n, p]``.

    It is the one that agrees with the prefix in most tokens in a row right before position p,
    whatever comes earlier: what follows there has followed the same tokens. Of equals the first
    in ``order`` ``[m]`` is taken.

    >>> x = torch.tensor([[7, 1, 2, 5], [3, 1, 2, 6], [3, 1, 9, 8]])
    >>> nearest_beginning(torch.tensor([[3, 1, 2], [0, 0, 9]]), x, torch.arange(3))
    tensor([1, 2])
    """
    known = x[order]
    found = [_agreeing(part, known).argmax(1) for part in torch.split(prefix, _ROWS)]
    return order[torch.cat(found)]


def _agreeing(prefix: Tensor, known: Tensor) -> Tensor:
    """Return how many last tokens ``[n, m]`` of each prefix stand in each text, in a row."""
    same = torch.ones(len(prefix), len(known), dtype=torch.bool)
    length = torch.zeros(same.shape, dtype=torch.int16)
    for place in reversed(range(prefix.shape[1])):
        same &= prefix[:, place, None] == known[:, place]
        if not bool(same.any()):
            break
        length += same
    return length


def is_beginning(condition: Condition | None) -> TypeGuard[Tensor]:
    """Return whether ``condition`` is beginnings of text ``[n, p]``, and not labels or captions."""
    return isinstance(condition, Tensor) and condition.ndim == 2


def begun(x: Tensor, condition: Condition | None) -> Tensor:
    """Return texts ``x`` ``[n, length]`` that begin with ``condition``, if that is beginnings."""
    if not is_beginning(condition):
        return x
    return torch.cat([condition.to(x.device, x.dtype), x[:, condition.shape[1] :]], 1)
