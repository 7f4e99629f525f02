"""The variance of the Frechet distance from its derivative, at the cost of one factorisation.

The distance is differentiable in the moments, and those are means over the examples. So each
example has an influence, and the variance of their mean is that of the distance (the infinitesimal
jackknife, Efron 1982, chapter 6). With ``S2 = F F^T`` and ``F^T S1 F = U diag(l) U^T`` it is
    2 (m1 - m2).x + |x|^2 - |u(x)|^2,   u(x) = l^(-1/4) U^T F^T x,     x about m1, and
   -2 (m1 - m2).y + |y|^2 - |u(y)|^2,   u(y) = l^(1/4) U^T F^-1 y,     y about m2.
Where the two populations are nearly alike the derivative itself is mostly noise: it adds as much
variance again as there is, which is known from the second derivative and taken off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.linalg import eigh_tridiagonal, lapack
from torch import Tensor

from gengauge_suites.fidelity.moments import Factor, Moments, positive

SEEN = 300  # rows of each cloud whose influence is measured: its spread is then known to 4-6 %


@dataclass(frozen=True)
class Linearised:
    """Distance, and the variances of the influence of single samples and reference examples.

    ``noise`` is the second-order variance for one sample and one reference example: that of the
    distance between alike populations is ``2 noise (1/n + 1/m)^2``. ``influence`` ``[p]`` is that
    of the reference examples that were asked for.
    """

    value: float
    of_samples: float
    of_reference: float
    noise: float
    influence: Tensor | None = None

    def variance(
        self, n: float, m: float, spread: float = 1.0, second: float | None = None
    ) -> float:
        """Return the variance of the distance of ``n`` samples from ``m`` reference examples.

        Of a weighted distance (a line over prefixes), ``spread`` is the mean squared weight of a
        sample and ``second`` what stands for ``(1/n + 1/m)^2``.
        """
        both = 1 / n + 1 / m
        first = self.of_samples * spread / n + self.of_reference / m
        first -= 4 * self.noise * both * (spread / n + 1 / m)
        return max(first, 0.0) + 2 * self.noise * (both**2 if second is None else second)

    def pairs(self, value: float, m: float) -> Tensor | None:
        """Return ``value`` and the influence of reference examples on it, ``[p]``.

        Their mean is the value, and the variance of their mean the part of the value's that is
        the reference's of ``m`` examples: two models' differences, example by example, are free of
        what the reference does to both.
        """
        if self.influence is None:
            return None
        centred, p = self.influence - self.influence.mean(), len(self.influence)
        shown = float(centred.var()) / p
        return value + math.sqrt(self.shared(m) / shown if shown else 0.0) * centred

    def shared(self, m: float) -> float:
        """Return the part of the variance that a model shares with others on ``m`` examples.

        It is what the observed influences of reference examples show, less the noise that these
        examples themselves put into the derivative. The noise of the samples is left in: in a
        difference of two models it stands for the second-order term of samples and reference
        together, which has the same size, ``4 noise / (n m)``.
        """
        return max(self.of_reference / m - 2 * self.noise / m**2, 0.0)


def linearised(
    x: Tensor, y: Tensor, a: Moments, b: Moments, factor: Factor, asked: Tensor | None = None
) -> Linearised:
    """Return the distance of moments ``a`` from ``b`` and what its variance is made of.

    ``x`` ``[n, d]`` and ``y`` ``[m, d]`` are rows of the clouds in random order, ``factor`` that
    of b's covariance; ``asked`` ``[p, d]`` are reference examples whose influence is wanted.
    """
    cov1 = a.covariance
    seen = min(len(y), SEEN)
    y = y[:seen] if asked is None else torch.cat([y[:seen], asked])
    x, y = (z.to(torch.float64) - about.mean for z, about in ((x[:SEEN], a), (y, b)))
    given = torch.cat([factor.root.T @ x.T, factor.whitened(y.T)], 1)
    values, turned = spectrum(factor.product(cov1), given)
    known = positive(values)
    spread = values[known].sqrt()
    u, v = turned[known, : len(x)].T * spread**-0.5, turned[known, len(x) :].T * spread**0.5
    shift = a.mean - b.mean
    of_x = 2 * x @ shift + (x**2).sum(1) - (u**2).sum(1)
    of_y = -2 * y @ shift + (y**2).sum(1) - (v**2).sum(1)
    cross = values.clamp_min(0).sqrt().sum()
    value = shift @ shift + cov1.trace() + b.scatter.trace() / (b.n - 1) - 2 * cross
    noise = second_order(u, spread)
    if seen:  # of a reference that only moments are known of there are no rows
        noise = 0.5 * (noise + second_order(v[:seen], spread))
    return Linearised(
        float(value), float(of_x.var()), float(of_y[:seen].var()) if seen else 0.0, noise,
        None if asked is None else of_y[seen:],
    )  # fmt: skip


def spectrum(matrix: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues ``[d]`` of ``matrix`` and ``U^T given`` ``[d, p]``.

    ``matrix`` is read below its diagonal. The eigenvectors U are wanted on ``given`` alone, which
    spares turning all of them back from the tridiagonal form: most of the work of `eigh`.
    """
    if matrix.device.type != "cpu" or len(matrix) < 3:
        values, vectors = torch.linalg.eigh(matrix)
        return values, vectors.T @ given
    # dsytrd leaves the reflectors of a QR factorisation below the first row: dormqr applies them.
    a = matrix.numpy().copy(order="F")
    work = 64 * len(a)
    reflectors, diagonal, beside, tau, _ = lapack.dsytrd(a, lower=1, lwork=work, overwrite_a=1)
    values, vectors = eigh_tridiagonal(diagonal, beside)
    lower = given[1:].numpy().copy(order="F")
    size = 64 * max(1, lower.shape[1])
    lower, _, _ = lapack.dormqr("L", "T", reflectors[1:, :-1], tau, lower, size, overwrite_c=1)
    turned = vectors[0][:, None] * given[0].numpy() + vectors[1:].T @ lower
    return torch.from_numpy(values), torch.from_numpy(turned)


def second_order(u: Tensor, spread: Tensor) -> float:
    """Return the mean square of the second derivative on pairs of independent rows of ``u``.

    ``u`` ``[p, r]`` are examples in the eigenvectors, whose variances are ``spread`` ``[r]``. For
    equal populations the distance is the quadratic form |dm|^2 + sum dS_ab^2 / (2 (l_a + l_b)).
    """
    a, b = u[0 : len(u) // 2 * 2 : 2], u[1::2]
    both = a * b
    inverse = 1 / (spread[:, None] + spread)
    covariances = torch.linalg.vecdot(both @ inverse, both)
    own = 0.5 * ((a**2).sum(1) + (b**2).sum(1) - spread.sum())
    return float(((both.sum(1) + 0.5 * (covariances - own)) ** 2).mean())
