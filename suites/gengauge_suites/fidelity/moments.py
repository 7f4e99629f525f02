"""Means and covariances in float64, and the Frechet distance between two pairs of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import lapack
from torch import Tensor

from gengauge_suites.fidelity.tiles import centre_of

_ROWS = 4096  # rows turned into float64 at a time


def gram(x: Tensor) -> Tensor:
    """Return ``x^T x`` ``[d, d]`` of ``x`` ``[n, d]`` float64.

    On the CPU numpy sees that the two factors are one and makes half of the product.
    """
    if x.device.type != "cpu":
        return x.T @ x
    a = x.numpy()
    return torch.from_numpy(np.matmul(a.T, a))


@dataclass(frozen=True)
class Moments:
    """Number of rows, mean ``[d]`` and scatter ``[d, d]``: the sum of products about the mean."""

    n: int
    mean: Tensor
    scatter: Tensor

    @property
    def covariance(self) -> Tensor:
        """Scatter over n - 1."""
        return self.scatter / (self.n - 1)

    @classmethod
    def of(cls, x: Tensor) -> Moments:
        """Return the moments of ``x`` ``[n, d]`` of any float type."""
        mean = centre_of(x)
        scatter = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=x.device)
        for part in torch.split(x, _ROWS):
            scatter += gram(part.to(torch.float64) - mean)
        return cls(len(x), mean, scatter)

    def without(self, part: Moments) -> Moments:
        """Return the moments of the rows that are not in ``part``."""
        n = self.n - part.n
        mean = (self.n * self.mean - part.n * part.mean) / n
        gap = part.mean - mean
        scatter = self.scatter - part.scatter - part.n * n / self.n * torch.outer(gap, gap)
        return Moments(n, mean, scatter)

    def joined(self, part: Moments) -> Moments:
        """Return the moments of both sets of rows together."""
        n = self.n + part.n
        gap = part.mean - self.mean
        scatter = self.scatter + part.scatter + self.n * part.n / n * torch.outer(gap, gap)
        return Moments(n, self.mean + part.n / n * gap, scatter)


def of_blocks(x: Tensor, blocks: int) -> Iterator[Moments]:
    """Yield the moments of ``blocks`` stretches of ``x`` ``[n, d]``, sizes equal to one row."""
    for part in torch.tensor_split(x, blocks):
        yield Moments.of(part)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean ``[d]`` and covariance ``[d, d]`` (n - 1) of ``x`` ``[n, d]``, float64."""
    found = Moments.of(x)
    return found.mean, found.covariance


@dataclass(frozen=True)
class Factor:
    """``S = F F^T``: ``root`` ``[d, r]``, lower triangular where S is positive definite."""

    root: Tensor
    triangular: bool

    @classmethod
    def of(cls, covariance: Tensor) -> Factor:
        """Return the Cholesky factor, or that of the eigenvectors where there is none."""
        root, failed = torch.linalg.cholesky_ex(covariance)
        if not failed:
            return cls(root, True)
        values, vectors = torch.linalg.eigh(covariance)
        kept = positive(values)
        return cls(vectors[:, kept] * values[kept].sqrt(), False)

    def product(self, covariance: Tensor) -> Tensor:
        """Return ``F^T S1 F`` ``[r, r]``; only its lower triangle is to be read."""
        if not self.triangular or self.root.device.type != "cpu":
            return self.root.T @ covariance @ self.root
        upper, a = self.root.numpy().T, covariance.numpy().T  # Fortran order without a copy
        found, _ = lapack.dsygst(a, upper, itype=2, lower=0)
        return torch.from_numpy(found.T)

    def whitened(self, y: Tensor) -> Tensor:
        """Return ``F^-1 y`` of columns ``y`` ``[d, p]``, of least norm where S is singular."""
        if self.triangular:
            found: Tensor = torch.linalg.solve_triangular(self.root, y, upper=False)
            return found
        return (self.root.T @ y) / (self.root**2).sum(0)[:, None]


def distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """Return ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`` from moments, float64.

    With ``S2 = L L^T`` the symmetric ``L^T S1 L`` has the eigenvalues of ``S1 S2``; `eigvalsh` of
    the product itself would be wrong, and a matrix square root is ten times slower.
    """
    cross = roots(Factor.of(cov2).product(cov1)).sum()
    return _sum(mean1, cov1, mean2, cov2, cross)


def positive(values: Tensor) -> Tensor:
    """Return which eigenvalues ``[d]`` are above rounding, bool."""
    largest = values.amax() if len(values) else values.sum()
    return values > len(values) * torch.finfo(values.dtype).eps * largest.clamp_min(0)


def roots(product: Tensor) -> Tensor:
    """Return the square roots of the eigenvalues of a symmetric matrix given below its diagonal."""
    values: Tensor = torch.linalg.eigvalsh(product)
    return values.clamp_min(0).sqrt()


def _sum(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor, cross: Tensor) -> float:
    shift = ((mean1 - mean2) ** 2).sum()
    return float(shift + cov1.trace() + cov2.trace() - 2 * cross)


def distance_of_few(x: Tensor, y: Tensor) -> float:
    """Return the distance of clouds ``[n, d]``, ``[m, d]`` of fewer examples than features.

    ``tr((S1 S2)^(1/2))`` is the sum of singular values of the cross-Gram matrix of the centred
    clouds; the d x d forms lose four digits there.
    """
    a, b = (z.to(torch.float64) - centre_of(z) for z in (x, y))
    a, b = a / (len(x) - 1) ** 0.5, b / (len(y) - 1) ** 0.5
    cross = torch.linalg.svdvals(a @ b.T).sum()
    shift = ((centre_of(x) - centre_of(y)) ** 2).sum()
    return float(shift + (a**2).sum() + (b**2).sum() - 2 * cross)
