"""One pass over the pairs of two clouds: balls either way, nearest examples and kernel sums."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_suites.fidelity.balls import Balls
from gengauge_suites.fidelity.cubes import Cubes, add_tile
from gengauge_suites.fidelity.tiles import Cloud, full_precision, products
from gengauge_suites.fidelity.within import Within


@dataclass(frozen=True)
class Between:
    """What one pass over samples ``[n]`` and reference ``[m]`` found.

    ``about_reference`` and ``about_samples`` hold the balls by k; ``nearest_reference`` is of each
    sample and ``nearest_sample`` of each reference example. ``kernel_samples`` ``[n]`` and
    ``kernel_reference`` ``[m]`` are sums of the cubic kernel.
    """

    about_reference: dict[int, Balls]
    about_samples: dict[int, Balls]
    nearest_reference: Nearest
    nearest_sample: Nearest
    kernel_samples: Tensor
    kernel_reference: Tensor


def between(
    x: Cloud,
    y: Cloud,
    about_reference: dict[int, Within] | None = None,
    about_samples: dict[int, Within] | None = None,
) -> Between:
    """Return the pass over ``x`` and ``y``, two clouds about one centre.

    ``about_reference`` and ``about_samples`` give, by k, the neighbours that set the radii.
    """
    of_y = {k: Balls(x, y, k, known) for k, known in (about_reference or {}).items()}
    of_x = {k: Balls(y, x, k, known) for k, known in (about_samples or {}).items()}
    over_y, over_x = Cubes.of(x, y), Cubes.of(y, x)
    to_y, to_x = Nearest(len(x), x), Nearest(len(y), x)
    with full_precision():
        for rows in x.blocks():
            for columns in y.blocks():
                h = products(x, rows, y, columns)
                add_tile(over_y, over_x, h, (rows, columns))
                low, high = bounds(x, rows, y, columns, h)
                to_y.offer(low, rows, columns)
                to_x.offer(low.T, columns, rows)
                for balls in of_y.values():
                    balls.add(low, high, rows, columns)
                for balls in of_x.values():
                    balls.add(low.T, high.T, columns, rows)
    return Between(of_y, of_x, to_y, to_x, over_y.totals(False), over_x.totals(False))


def bounds(x: Cloud, rows: slice, y: Cloud, columns: slice, h: Tensor) -> tuple[Tensor, Tensor]:
    """Return bounds of squared distances over d from the products ``h``, which is overwritten."""
    eps = x.rounding
    a, b = x.squared[rows, None], y.squared[columns]
    spread = (2 * eps * a).to(h.dtype) + (2 * eps * b).to(h.dtype)
    low = ((1 - eps) * a).to(h.dtype) + ((1 - eps) * b).to(h.dtype)
    low = torch.add(low, h, alpha=-2, out=h)
    return low, spread.add_(low)


class Nearest:
    """The nearest of the other cloud to each of ``n`` points; ``squared`` holds to rounding."""

    def __init__(self, n: int, like: Cloud) -> None:
        device = like.given.device
        self.squared = torch.full((n,), torch.inf, dtype=like.scaled.dtype, device=device)
        self.index = torch.zeros(n, dtype=torch.int64, device=device)

    def offer(self, table: Tensor, rows: slice, columns: slice) -> None:
        """Consider squared distances ``[rows, columns]``."""
        near = table.amin(1)
        better = (near < self.squared[rows]).nonzero().flatten()
        self.squared[rows] = torch.minimum(near, self.squared[rows])
        self.index[rows.start + better] = table[better].argmin(1) + columns.start
