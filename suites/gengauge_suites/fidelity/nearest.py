"""The nearest example of one cloud to each point of another, alone: no balls and no kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from gengauge_suites.fidelity.between import Nearest, bounds
from gengauge_suites.fidelity.tiles import Cloud, full_precision, products, squared_distances


def nearest(x: Cloud, y: Cloud) -> Tensor:
    """Return for each point of x which of y is nearest, ``[n]``.

    ``x`` ``[n, d]`` and ``y`` ``[m, d]`` are about one centre.
    """
    found = Nearest(len(x), x)
    with full_precision():
        for rows in x.blocks():
            for columns in y.blocks():
                h = products(x, rows, y, columns)
                found.offer(bounds(x, rows, y, columns, h)[0], rows, columns)
    return found.index


def gaps(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
    """Return ``|x_i - y_index(i)|^2 / d`` ``[n]`` float64 of ``x`` ``[n, d]``, ``y`` ``[m, d]``."""
    return squared_distances(x, torch.arange(len(x), device=x.device), y, index)
