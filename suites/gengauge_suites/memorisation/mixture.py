"""The mixture behind FLD: a Gaussian at every sample, as wide as the training data wants it.

Source: Jiralerspong et al. 2023, Feature Likelihood Divergence, section 3.1,
https://arxiv.org/abs/2302.04440; the fit and its constants are those of the authors' code,
https://github.com/marcojira/fld, with gradients in closed form and in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

EPOCHS, RATE, BATCH = 50, 0.5, 10_000
_ORIGIN = 0.9**2  # the authors pull every example a tenth of the way to the common centre
_WIDEST, _NARROWEST = 20.0, -40.0  # logarithms of variances: copies ask for zero
_ROWS = 1000  # of the distance table at a time
_DOUBLE = 1 << 27  # entries; a larger table of distances is kept in single precision
# Squared distances come from a matrix product; equal points then differ by rounding only.
_SLACK = 1e-11
_FAINT = -600.0  # logarithm of a share that counts as none: below it arithmetic is ten times slower


@dataclass(frozen=True)
class Mixture:
    """Equally likely round Gaussians with ``centres`` ``[n, d]`` and log-variances ``[n]``."""

    centres: Tensor
    log_variances: Tensor

    def negative_log_likelihood(self, x: Tensor, block: Tensor | None = None) -> Tensor:
        """Return ``-log p(x) / d`` in nats a dimension ``[m, 1]`` of ``x`` ``[m, d]``.

        ``block`` ``[n]`` gives each Gaussian a number 0 .. B - 1; the result is then
        ``[m, B + 1]``: column b without the Gaussians of block b, the last with all.
        """
        n, d = self.centres.shape
        block = torch.zeros(n, dtype=torch.int64) if block is None else block
        counts = block.bincount()
        weight, shift = _coefficients(self.log_variances, d)
        parts = []
        for rows in torch.split(x, _ROWS):
            logs = torch.addcmul(shift, squared_distances(rows, self.centres), weight)
            of = [logs[:, block == b].logsumexp(1) for b in range(len(counts))]
            parts.append(torch.stack(of, 1))
        sums = torch.cat(parts)
        scale = (n / (n - counts)).log()  # those that are left weigh more
        left = [
            sums[:, torch.arange(len(counts)) != b].logsumexp(1) + scale[b]
            for b in range(len(counts)) if len(counts) > 1
        ]  # fmt: skip
        return -torch.stack([*left, sums.logsumexp(1)], 1) / d


def fitted(centres: Tensor, x: Tensor, generator: torch.Generator) -> Mixture:
    """Return the mixture at ``centres`` ``[n, d]`` whose variances make ``x`` ``[m, d]`` likely.

    Adam runs on the log-variances for 50 epochs, from each centre's distance to its nearest
    example. One more Gaussian at the mean of ``x`` keeps far examples from ruling the fit; it has
    no part in the likelihood. ``generator`` orders batches, of which there is one up to 10,000
    examples.
    """
    x = x[torch.randperm(len(x), generator=generator)]
    table = _table(x, centres)
    origin = _ORIGIN * ((x - x.mean(0)) ** 2).sum(1)
    nearest = table.amin(0).to(torch.float64)
    log_variances = ((nearest + 1e-3) / x.shape[1]).log()
    state = torch.cat([log_variances, torch.zeros(1, dtype=torch.float64)])  # the mean's is last
    adam = _Adam(torch.zeros_like(state), torch.zeros_like(state))
    for _ in range(EPOCHS):
        for rows, far in zip(torch.split(table, BATCH), torch.split(origin, BATCH), strict=True):
            state += adam.step(_gradient(rows, far, state, x.shape[1]))
            state[:-1].clamp_(_NARROWEST, _WIDEST)
    return Mixture(centres, state[:-1])


@dataclass
class _Adam:
    """Kingma & Ba 2015; torch's own imports its compiler (3 s, 40 MB) at the first step."""

    first: Tensor
    second: Tensor
    count: int = 0

    def step(self, gradient: Tensor) -> Tensor:
        """Return what to add to the parameters."""
        self.count += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        first = self.first / (1 - 0.9**self.count)
        second = self.second / (1 - 0.999**self.count)
        return -RATE * first / (second.sqrt() + 1e-8)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return squared distances ``[n, m]`` of ``a`` ``[n, d]`` to ``b`` ``[m, d]``; copies at 0."""
    norms = (a**2).sum(1)[:, None] + (b**2).sum(1)
    squared = torch.addmm(norms, a, b.T, alpha=-2)
    return squared.masked_fill_(squared <= _SLACK * norms, 0.0)


def _table(x: Tensor, centres: Tensor) -> Tensor:
    precision = torch.float64 if len(x) * len(centres) <= _DOUBLE else torch.float32
    table = torch.empty(len(x), len(centres), dtype=precision)
    for first in range(0, len(x), _ROWS):
        rows = slice(first, first + _ROWS)
        table[rows] = squared_distances(x[rows], centres)
    return table


def _coefficients(log_variances: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """Return factor and summand ``[n]`` that turn a squared distance into a log-density."""
    shift = -0.5 * d * (log_variances + math.log(2 * math.pi)) - math.log(len(log_variances))
    return -0.5 * (-log_variances).exp(), shift


def _gradient(table: Tensor, origin: Tensor, state: Tensor, d: int) -> Tensor:
    """Return the gradient ``[n + 1]`` of the mean of ``-log p / d`` over the rows of ``table``.

    By log-variance it is the share of each example that a Gaussian takes, times
    ``d / 2 - squared distance / (2 variance)``.
    """
    weight, shift = _coefficients(state[:-1], d)
    far_weight, far_shift = _coefficients(state[-1:], d)
    shares, moments = torch.zeros_like(state), torch.zeros_like(state)
    for squared, far in zip(torch.split(table, _ROWS), torch.split(origin, _ROWS), strict=True):
        squared = squared.to(torch.float64)
        logs = torch.addcmul(shift, squared, weight)
        far_logs = far_shift + far * far_weight
        top = torch.maximum(logs.amax(1), far_logs)
        parts = logs.sub_(top[:, None]).clamp_(min=_FAINT).exp_()
        far_parts = (far_logs - top).exp()
        scale = 1 / (parts.sum(1) + far_parts)
        shares[:-1] += scale @ parts
        moments[:-1] += scale @ parts.mul_(squared)
        shares[-1] += scale @ far_parts
        moments[-1] += scale @ (far_parts * far)
    return (0.5 * d * shares + torch.cat([weight, far_weight]) * moments) / (len(table) * d)
