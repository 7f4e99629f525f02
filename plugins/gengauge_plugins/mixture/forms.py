"""The four forms a covariance may have, and the features in which EM is two matrix products.

The log-density of a Gaussian is linear in the products ``x_i x_j`` and in ``x`` itself, and so are
the sums that its next mean and covariance are made of. With features ``f(x)`` of ``m`` rows the
E-step of all components is ``W f + c`` and their M-step ``r f^T``, half of what ``x - mean`` for
one component after another costs, as each product of two values is formed once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gengauge.errors import DivergedError

_EMPTY = 10 * torch.finfo(torch.float64).eps  # scikit-learn's guard of components without points


class IllDefinedError(DivergedError):
    """A covariance that cannot be factorised."""


@dataclass(frozen=True)
class Mixture:
    """Weights ``[k]``, means ``[k, d]`` and covariances, which have scikit-learn's shapes.

    Those are ``[k, d, d]`` full, ``[d, d]`` tied, ``[k, d]`` diagonal and ``[k]`` spherical.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor


class Form(Protocol):
    """What EM asks of one form of covariance."""

    def prepare(self, mixture: Mixture) -> tuple[Tensor, Tensor]:
        """Return ``W`` ``[k, m]`` and ``c`` ``[k]``: log p(x, component) is ``W f(x) + c``.

        ``IllDefinedError`` where a covariance is not positive definite.
        """
        ...

    def features(self, x: Tensor) -> Tensor:
        """Return ``f`` ``[m, b]`` of the columns ``x`` ``[d, b]``; the last d rows are ``x``."""
        ...

    def mixture(self, sums: Tensor, counts: Tensor, regularisation: float) -> Mixture:
        """Return the mixture of highest likelihood given ``sums`` ``[k, m]``, ``counts`` ``[k]``.

        ``sums`` are of responsibility times features; ``regularisation`` goes on each variance.
        """
        ...


def form_of(kind: str, z: Tensor) -> Form:
    """Return the form for ``kind`` (full, tied, diag, spherical) on standardised ``z`` [n, d]."""
    d = z.shape[1]
    if kind == "full":
        return Full(d)
    return Tied(z) if kind == "tied" else Diagonal(d, spherical=kind == "spherical")


def factors(covariances: Tensor) -> Tensor:
    """Return upper triangular ``U`` ``[..., d, d]`` with ``U U^T`` the inverse of ``covariances``.

    ``IllDefinedError`` where one is not positive definite.
    """
    lower, failed = torch.linalg.cholesky_ex(covariances)
    if bool(failed.any()) or not bool(torch.isfinite(lower).all()):
        raise IllDefinedError("a component's covariance is not positive definite")
    eye = torch.eye(covariances.shape[-1], dtype=lower.dtype, device=lower.device)
    upper: Tensor = torch.linalg.solve_triangular(lower, eye, upper=False).mT
    return upper


def inverse_deviations(variances: Tensor) -> Tensor:
    """Return one over the root of ``variances``; ``IllDefinedError`` unless all are positive."""
    if not bool((variances > 0).all()):
        raise IllDefinedError("a component's variance is not positive")
    return variances.rsqrt()


def _log_scale(mixture: Mixture) -> Tensor:
    return mixture.weights.log() - 0.5 * mixture.means.shape[1] * math.log(2 * math.pi)


class Full:
    """A covariance for each component; features are the ``d (d + 1) / 2`` products, and x."""

    def __init__(self, d: int) -> None:
        self.d, self.products = d, d * (d + 1) // 2

    def prepare(self, mixture: Mixture) -> tuple[Tensor, Tensor]:
        """See ``Form``: products weigh minus half the precision, both halves of it at once."""
        upper = factors(mixture.covariances)
        precision = upper @ upper.mT
        linear = (precision @ mixture.means[..., None])[..., 0]
        rows, columns = torch.triu_indices(self.d, self.d, device=upper.device)
        weights = -precision[:, rows, columns]
        weights[:, rows == columns] *= 0.5
        log_det = upper.diagonal(dim1=1, dim2=2).log().sum(1)
        constant = _log_scale(mixture) + log_det - 0.5 * (linear * mixture.means).sum(1)
        return torch.cat([weights, linear], 1), constant

    def features(self, x: Tensor) -> Tensor:
        """See ``Form``: rows of the upper triangle, one after the other."""
        out = x.new_empty(self.products + self.d, x.shape[1])
        start = 0
        for i in range(self.d):
            torch.mul(x[i:], x[i], out=out[start : start + self.d - i])
            start += self.d - i
        out[start:] = x
        return out

    def mixture(self, sums: Tensor, counts: Tensor, regularisation: float) -> Mixture:
        """See ``Form``."""
        counts = counts + _EMPTY
        means = sums[:, self.products :] / counts[:, None]
        second = sums.new_empty(len(sums), self.d, self.d)
        rows, columns = torch.triu_indices(self.d, self.d, device=sums.device)
        second[:, rows, columns] = second[:, columns, rows] = sums[:, : self.products]
        covariances = second / counts[:, None, None] - means[:, :, None] * means[:, None]
        covariances.diagonal(dim1=1, dim2=2).add_(regularisation)
        return Mixture(counts / counts.sum(), means, covariances)


class Tied:
    """One covariance for all: its data term is the same in every sweep, so only x is summed."""

    def __init__(self, z: Tensor) -> None:
        self.scatter, self.upper = z.T @ z, torch.eye(z.shape[1], dtype=z.dtype, device=z.device)

    def prepare(self, mixture: Mixture) -> tuple[Tensor, Tensor]:
        """See ``Form``; the quadratic term is one feature, which this sweep's factor gives."""
        self.upper = factors(mixture.covariances)
        linear = mixture.means @ self.upper @ self.upper.T
        constant = self.upper.diagonal().log().sum() - 0.5 * (linear * mixture.means).sum(1)
        half = torch.full_like(constant[:, None], -0.5)
        return torch.cat([half, linear], 1), _log_scale(mixture) + constant

    def features(self, x: Tensor) -> Tensor:
        """See ``Form``."""
        return torch.cat([(self.upper.T @ x).pow(2).sum(0, keepdim=True), x])

    def mixture(self, sums: Tensor, counts: Tensor, regularisation: float) -> Mixture:
        """See ``Form``."""
        counts = counts + _EMPTY
        means = sums[:, 1:] / counts[:, None]
        covariance = (self.scatter - (means.T * counts) @ means) / counts.sum()
        covariance.diagonal().add_(regularisation)
        return Mixture(counts / counts.sum(), means, covariance)


class Diagonal:
    """A variance for each value of each component, or with ``spherical`` one for each component."""

    def __init__(self, d: int, spherical: bool) -> None:
        self.d, self.spherical = d, spherical

    def prepare(self, mixture: Mixture) -> tuple[Tensor, Tensor]:
        """See ``Form``; the squares of a spherical Gaussian are one feature, their sum."""
        inverse = inverse_deviations(mixture.covariances).view(len(mixture.means), -1)
        precision = inverse**2
        linear = precision * mixture.means
        log_det = inverse.log().expand_as(mixture.means).sum(1)
        constant = _log_scale(mixture) + log_det - 0.5 * (linear * mixture.means).sum(1)
        return torch.cat([-0.5 * precision, linear], 1), constant

    def features(self, x: Tensor) -> Tensor:
        """See ``Form``."""
        squares = x**2
        return torch.cat([squares.sum(0, keepdim=True) if self.spherical else squares, x])

    def mixture(self, sums: Tensor, counts: Tensor, regularisation: float) -> Mixture:
        """See ``Form``."""
        counts = counts + _EMPTY
        means = sums[:, -self.d :] / counts[:, None]
        second = sums[:, : -self.d] / counts[:, None]
        if self.spherical:
            variances = (second[:, 0] - means.pow(2).sum(1)) / self.d + regularisation
        else:
            variances = second - means**2 + regularisation
        return Mixture(counts / counts.sum(), means, variances)
