"""The Frechet distance at infinitely many samples: by left-out blocks, or by a line in 1/n."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from gengauge_suites.fidelity.moments import Factor, Moments, distance, of_blocks, roots

POINTS = 15  # prefixes a line is fitted to, as Chong & Forsyth do


def corrected(x: Tensor, y: Tensor, whole: tuple[Moments, Moments]) -> float:
    """Return the distance less its O(1/n) bias, by leaving a block out of both clouds at once.

    Twenty blocks, or five where each distance takes seconds; those leave a little more of the
    O(1/n^2) bias.
    """
    blocks = blocks_of(x.shape[1])
    return without_blocks(whole, of_blocks(x, blocks), of_blocks(y, blocks))


def blocks_of(d: int) -> int:
    """Return how many blocks are left out of clouds of ``d`` features."""
    return 20 if d <= 512 else 5


def without_blocks(
    whole: tuple[Moments, Moments], x: Iterable[Moments], y: Iterable[Moments]
) -> float:
    """Return the corrected distance from the moments of ``whole`` clouds and of their blocks."""
    values = []
    for of_x, of_y in zip(x, y, strict=True):
        a, b = whole[0].without(of_x), whole[1].without(of_y)
        values.append(distance(a.mean, a.covariance, b.mean, b.covariance))
    a, b = whole
    value = distance(a.mean, a.covariance, b.mean, b.covariance)
    blocks = len(values)
    return blocks * value - (blocks - 1) * float(np.mean(values))


def line(x: Tensor, reference: Moments, factor: Factor) -> tuple[float, float, float]:
    """Return the intercept of the distance's line in 1/n over prefixes of ``x`` ``[n, d]``.

    Also what its variance takes: the mean squared weight of an example (the weights are 1 on
    average) and the second-order factor, (1/n + 1/m)^2 summed over pairs of prefixes. Only the
    samples' bias goes (Chong & Forsyth 2020, section 4). The prefixes run from a tenth of the
    samples, as 5,000 to 50,000 do there, and are nested where theirs are drawn anew.
    """
    sizes = np.unique(np.linspace(max(2, len(x) // 10), len(x), POINTS).astype(int))
    values: list[float] = []
    seen: Moments | None = None
    for start, stop in zip((0, *sizes[:-1]), sizes, strict=True):
        part = Moments.of(x[start:stop])
        seen = part if seen is None else seen.joined(part)
        gap = seen.mean - reference.mean
        cross = roots(factor.product(seen.covariance)).sum()
        traces = seen.covariance.trace() + reference.covariance.trace()
        values.append(float(gap @ gap + traces - 2 * cross))
    share = np.linalg.pinv(np.stack([np.ones(len(sizes)), 1 / sizes], 1))[0]
    weight = np.zeros(len(x))
    for size, part_of in zip(sizes, share, strict=True):
        weight[:size] += part_of * len(x) / size
    pairs = 1 / np.maximum.outer(sizes, sizes) + 1 / reference.n
    second = float(share @ pairs**2 @ share)
    return float(share @ np.array(values)), float((weight**2).mean()), second
