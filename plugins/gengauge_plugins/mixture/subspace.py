"""A subspace for the mixture, and independent Gaussians for what lies outside it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from gengauge_plugins.networks.drawing import normal

_EXACT = 1024  # values up to which every principal axis is found; beyond, twice the subspace's
_BLOCK = 4096  # rows turned at once
_SHRINKAGES = (0.0, 0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
_LEAST = 1e-8  # of the mean residual variance: a residual that never varies is rounding


class Subspace:
    """Orthonormal axes, a mixture on the first of them and a Gaussian on each of the others.

    Probabilistic PCA (Tipping & Bishop 1999) with more than one variance: along a principal axis
    outside the subspace the data has that axis' variance, drawn towards their mean as far as the
    held-out data likes it, and off all axes one variance. The density is exact in full space.

    Arguments:
        centre: Mean of the data ``[d]``.
        axes: Orthonormal columns ``[d, m]``, of which the first ``size`` span the subspace.
        variances: Variances ``[m - size]`` along the other columns.
        rest: Variance along each of the ``d - m`` axes that are not among the columns.
        size: Dimensions of the subspace.
    """

    def __init__(
        self, centre: Tensor, axes: Tensor, variances: Tensor, rest: float, size: int
    ) -> None:
        self.centre, self.axes, self.variances = centre, axes, variances
        self.rest, self.size = rest, size

    @classmethod
    def fitted(cls, x: Tensor, held_out: Tensor, size: int, seed: int) -> Subspace:
        """Return the first ``size`` principal axes of ``x`` ``[n, d]``, float64, and the others.

        Shrinkage is the best of seven on ``held_out`` ``[m, d]``. Beyond 1024 values the axes
        are those of a randomised decomposition (Halko et al. 2011), seeded by ``seed``.
        """
        centre, d = x.mean(0), x.shape[1]
        if d <= _EXACT:
            scatter = x.new_zeros(d, d)
            for part in torch.split(x, _BLOCK):
                part = part - centre
                scatter.addmm_(part.T, part)
            values, axes = (a.flip(-1) for a in torch.linalg.eigh(scatter / len(x)))
        else:
            many = min(2 * size, len(x))
            _, roots, rows = randomized_svd((x - centre).cpu().numpy(), many, random_state=seed)
            axes = torch.from_numpy(rows.copy()).to(x).T
            values = torch.from_numpy(roots).to(x) ** 2 / len(x)
        found = cls(centre, axes, values[size:].clamp_min(0), 0.0, size)
        found._shrink(x, held_out)
        return found

    def _shrink(self, x: Tensor, held_out: Tensor) -> None:
        """Choose the residual's variances for the likelihood of ``held_out``."""
        d, m = self.axes.shape
        along, off = self._energies(held_out)
        raw, raw_rest = self.variances, float(self._energies(x)[1]) / max(1, d - m)
        mean = (float(raw.sum()) + raw_rest * (d - m)) / max(1, d - self.size)
        least, losses = _LEAST * mean + 1e-18 * (1 + float(self.centre.abs().max()) ** 2), {}
        for share in _SHRINKAGES:
            variances = ((1 - share) * raw + share * mean).clamp_min(least)
            rest = max(least, (1 - share) * raw_rest + share * mean)
            loss = (variances.log() + along / variances).sum() + float(off) / rest
            losses[float(loss) + (d - m) * math.log(rest)] = variances, rest
        self.variances, self.rest = losses[min(losses)]

    def _energies(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean squares of ``x`` along each of the other columns, and off all columns."""
        along, off = torch.zeros_like(self.variances), x.new_zeros(())
        for part in torch.split(x, _BLOCK):
            _, beside, away = self._turned(part)
            along, off = along + beside.sum(0), off + away.sum()
        return along / len(x), off / len(x)

    def _turned(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return coordinates, squares along the other columns, and the square off all of them."""
        centred = x - self.centre
        turned = centred @ self.axes
        squares = turned[:, self.size :] ** 2
        off = (centred.pow(2).sum(1) - turned.pow(2).sum(1)).clamp_min(0)
        return turned[:, : self.size], squares, off

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return coordinates ``[n, size]`` of ``x`` ``[n, d]`` and log p of the rest ``[n]``."""
        (d, m), coordinates, rests = self.axes.shape, [], []
        constant = float(self.variances.log().sum()) + (d - m) * math.log(self.rest)
        constant += (d - self.size) * math.log(2 * math.pi)
        for part in torch.split(x, _BLOCK):
            u, squares, off = self._turned(part)
            distance = squares @ (1 / self.variances) + (off / self.rest if d > m else 0.0)
            coordinates.append(u)
            rests.append(-0.5 * (distance + constant))
        return torch.cat(coordinates), torch.cat(rests)

    def denoised(self, x: Tensor, u: Tensor, sigma: float) -> Tensor:
        """Return the mean ``[n, d]`` of what is behind ``x``, which has noise ``sigma`` on it.

        Its coordinates are already known to be ``u`` ``[n, size]``; the rest is independent.
        """
        clean = torch.empty_like(x)
        for rows in torch.split(torch.arange(len(x), device=x.device), _BLOCK):
            centred = x[rows] - self.centre
            turned = centred @ self.axes
            off = (centred - turned @ self.axes.T) * (self.rest / (self.rest + sigma**2))
            beside = turned[:, self.size :] * (self.variances / (self.variances + sigma**2))
            clean[rows] = self.centre + off + torch.cat([u[rows], beside], 1) @ self.axes.T
        return clean

    def place(self, u: Tensor, generator: torch.Generator) -> Tensor:
        """Return points ``[n, d]`` with coordinates ``u`` ``[n, size]``, the rest drawn."""
        d, m = self.axes.shape
        beside = normal((len(u), m - self.size), generator, u.device, u.dtype)
        x = torch.cat([u, beside * self.variances.sqrt()], 1) @ self.axes.T + self.centre
        if d > m:
            noise = normal((len(u), d), generator, u.device, u.dtype)
            x += math.sqrt(self.rest) * (noise - noise @ self.axes @ self.axes.T)
        return x

    @property
    def n_parameters(self) -> int:
        """Free numbers: of the axes, which are orthonormal, and of the residual with its mean."""
        d, m = self.axes.shape
        return d * m - m * (m + 1) // 2 + len(self.variances) + int(d > m) + d - self.size

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return tensors and numbers that ``restored`` takes."""
        tensors = {"centre": self.centre, "axes": self.axes, "variances": self.variances}
        return tensors, {"rest": self.rest, "size": self.size}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> Subspace:
        """Return the subspace whose state was saved."""
        centre, axes, variances = (tensors[name] for name in ("centre", "axes", "variances"))
        return cls(centre, axes, variances, float(numbers["rest"]), int(numbers["size"]))
