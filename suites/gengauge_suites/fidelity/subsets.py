"""KID by the protocol that papers report: the mean over 100 random subsets of 1,000.

Source: Binkowski et al. 2018, Demystifying MMD GANs, section 4, https://arxiv.org/abs/1801.01401;
the subsets, their seed and their order are those of torch-fidelity, so that values agree. The full
statistic, ``kid``, is less noisy.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gengauge.evidence import Evidence
from gengauge.metric import Embedder, Score, unscored
from gengauge_suites.fidelity.clouds import problem
from gengauge_suites.fidelity.intervals import normal
from gengauge_suites.fidelity.kernel import cubic, kid

SEED = 2020  # torch-fidelity's
_BLOCK = 1000  # rows at a time


def kid_subsets(evidence: Evidence, embedder: Embedder, subsets: int, size: int) -> Score:
    """Return the mean unbiased MMD^2 of ``subsets`` pairs of random subsets of ``size``.

    The spread of the subsets, which is often printed behind a +-, is no standard error: they
    overlap, and it does not fall as samples are added. It goes to the details. The interval has
    the error of the full statistic and, on top, that of drawing so many subsets.
    """
    n, m = len(evidence.samples), evidence.n_reference
    if reason := problem(evidence):
        return unscored(reason)
    if min(n, m) < size:
        return unscored(f"needs at least {size} samples and reference examples, got {n} and {m}")
    found = evidence.features(embedder)
    picks = drawn(n, m, subsets, size)
    values = subset_values(found.samples, found.reference, *picks)
    full = kid(evidence, embedder)
    if full.interval is None or full.interval.standard_error is None:
        return full
    spread = float(values.std()) if subsets > 1 else 0.0
    error = math.hypot(full.interval.standard_error, spread / math.sqrt(subsets))
    value = float(values.mean())
    method = "normal, error of the full statistic and of the draw of subsets"
    interval = normal(value, error, method)
    details = {"spread of subsets": spread, "all pairs": full.value}
    return Score(value, interval, n_samples=n, n_reference=m, details=details)


def drawn(n: int, m: int, subsets: int, size: int) -> tuple[Tensor, Tensor]:
    """Return the rows of each subset of samples and of reference ``[subsets, size]``."""
    stream = np.random.RandomState(SEED)
    pairs = [
        (stream.choice(n, size, replace=False), stream.choice(m, size, replace=False))
        for _ in range(subsets)
    ]
    x, y = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
    return x, y


def subset_values(x: Tensor, y: Tensor, of_x: Tensor, of_y: Tensor) -> Tensor:
    """Return MMD^2 ``[subsets]`` of rows ``of_x`` of ``x`` ``[n, d]`` and ``of_y`` of ``y``.

    Where subsets overlap much, every pair's kernel is computed once for all of them; else each
    subset by itself. The sums are the same.
    """
    if max(len(x), len(y)) ** 2 <= of_x.numel() * of_x.shape[1]:
        return _mmd(x, y, _members(of_x, len(x)), _members(of_y, len(y)))
    one = torch.ones(of_x.shape[1], 1, dtype=torch.float64)
    parts = [_mmd(x[i], y[j], one, one) for i, j in zip(of_x, of_y, strict=True)]
    return torch.cat(parts)


def _members(rows: Tensor, n: int) -> Tensor:
    """Return which of ``n`` rows are in which subset ``[n, subsets]``, as 0 and 1."""
    member = torch.zeros(n, len(rows), dtype=torch.float64)
    return member.scatter_(0, rows.T, 1.0)


def _mmd(x: Tensor, y: Tensor, in_x: Tensor, in_y: Tensor) -> Tensor:
    n, m = in_x.sum(0), in_y.sum(0)
    within = [
        (_sums(z, z, inside, inside) - _own(z, inside)) / (size * (size - 1))
        for z, inside, size in ((x, in_x, n), (y, in_y, m))
    ]
    return within[0] + within[1] - 2 * _sums(x, y, in_x, in_y) / (n * m)


def _sums(a: Tensor, b: Tensor, in_a: Tensor, in_b: Tensor) -> Tensor:
    """Return each subset's sum of the kernel over its pairs ``[subsets]``."""
    total = torch.zeros(in_a.shape[1], dtype=torch.float64)
    for part, inside in zip(torch.split(a, _BLOCK), torch.split(in_a, _BLOCK), strict=True):
        total += (inside * (cubic(part, b) @ in_b)).sum(0)
    return total


def _own(a: Tensor, in_a: Tensor) -> Tensor:
    """Return each subset's sum of the kernel of rows with themselves ``[subsets]``."""
    return (((a**2).sum(1) / a.shape[1] + 1) ** 3) @ in_a
