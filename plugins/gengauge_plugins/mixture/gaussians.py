"""Fitted Gaussians in the units of the data: density, draws, and the mean given a noisy example."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gengauge_plugins.mixture.forms import Mixture, factors, inverse_deviations
from gengauge_plugins.networks.drawing import normal

_BLOCK = 8192  # rows whose distances are held at once


@dataclass(frozen=True)
class Gaussians:
    """A mixture of ``k`` Gaussians over ``d`` values, float64, of one class or of several.

    Attributes:
        means: ``[k, d]``.
        factors: Upper triangular U ``[f, d, d]``, where U U^T is a precision; or, where values
            are independent, one over their deviations ``[f, d]``.
        which: Index ``[k]`` of each component's factor, as some share one.
        owners: Index ``[k]`` of the class that each component belongs to, rising.
        log_mixing: Logarithms ``[k]`` of weights that sum to one over all classes.
    """

    means: Tensor
    factors: Tensor
    which: Tensor
    owners: Tensor
    log_mixing: Tensor

    @classmethod
    def of(
        cls, mixtures: Sequence[Mixture], kind: str, shares: Tensor, shift: Tensor, scale: Tensor
    ) -> Gaussians:
        """Return one mixture of each class' fit of ``(x - shift) / scale``, in the units of x.

        ``shares`` ``[classes]`` say how probable each class is.
        """
        upper, which, first = [], [], 0
        for mixture in mixtures:
            k = len(mixture.means)
            mine = _factors(mixture, kind, scale)
            which += [first] * k if kind == "tied" else list(range(first, first + k))
            upper.append(mine)
            first += len(mine)
        logs = [m.weights.log() + math.log(s) for m, s in zip(mixtures, shares, strict=True)]
        owners = [i for i, mixture in enumerate(mixtures) for _ in mixture.means]
        means = torch.cat([mixture.means for mixture in mixtures]) * scale + shift
        to_factor, to_class = (torch.tensor(i, device=means.device) for i in (which, owners))
        return cls(means, torch.cat(upper), to_factor, to_class, torch.cat(logs))

    def factor(self, component: int) -> Tensor:
        """Return the factor ``[d, d]`` or ``[d]`` of one component."""
        return self.factors[self.which[component]]

    def log_joint(self, x: Tensor) -> Tensor:
        """Return log p(x, component) in nats ``[n, k]`` of ``x`` ``[n, d]``."""
        parts = [self._log_joint(part) for part in torch.split(x.to(self.means), _BLOCK)]
        return torch.cat(parts) if parts else self.means.new_zeros(0, len(self.means))

    def _log_joint(self, x: Tensor) -> Tensor:
        parts = []
        for k, mean in enumerate(self.means):
            factor = self.factor(k)
            flat = factor.ndim == 1
            z = (x - mean) * factor if flat else (x - mean) @ factor
            log_det = (factor if flat else factor.diagonal()).log().sum()
            parts.append(self.log_mixing[k] + log_det - 0.5 * (z**2).sum(-1))
        return torch.stack(parts, 1) - 0.5 * x.shape[1] * math.log(2 * math.pi)

    def by_class(self, log_joint: Tensor) -> Tensor:
        """Return log p(x, class) ``[n, classes]`` out of log p(x, component) ``[n, k]``."""
        parts = torch.split(log_joint, self.owners.bincount().tolist(), dim=1)
        return torch.stack([part.logsumexp(1) for part in parts], 1)

    def log_priors(self) -> Tensor:
        """Return log p(class) ``[classes]``."""
        return self.by_class(self.log_mixing[None])[0]

    def choose(self, n: int, classes: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return components ``[n]``, drawn by weight, among those of ``classes`` ``[n]`` if any."""
        weights = self.log_mixing.exp().to(generator.device)
        if classes is None:
            return torch.multinomial(weights, n, replacement=True, generator=generator)
        owners = self.owners.to(weights.device)
        rows = weights * (owners[None] == torch.unique(owners)[:, None])  # [classes, k]
        return torch.multinomial(rows[classes.to(rows.device)], 1, generator=generator)[:, 0]

    def draw(self, components: Tensor, generator: torch.Generator) -> Tensor:
        """Return a point ``[n, d]`` of each of ``components`` ``[n]``."""
        components, device = components.to(self.means.device), self.means.device
        z = normal((len(components), self.means.shape[1]), generator, device, torch.float64)
        x = torch.empty_like(z)
        for k, mean in enumerate(self.means):
            factor, mine = self.factor(k), components == k
            if factor.ndim == 1:
                x[mine] = mean + z[mine] / factor
            else:  # x - mean = U^-T z, as (U U^T)^-1 is the covariance
                x[mine] = mean + torch.linalg.solve_triangular(factor.T, z[mine].T, upper=False).T
        return x

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        """Return the mean ``[n, d]`` of what is behind ``x``, which has noise ``sigma`` on it.

        Each component answers as a Wiener filter, weighted by how well it explains x.
        """
        parts = [self._denoised(part, sigma) for part in torch.split(x.to(self.means), _BLOCK)]
        return torch.cat(parts) if parts else x

    def _denoised(self, x: Tensor, sigma: float) -> Tensor:
        logs, guesses = [], []
        for k, mean in enumerate(self.means):
            axes, variances = _principal(self.factor(k))
            z = (x - mean) @ axes if axes is not None else x - mean
            total = variances + sigma**2
            logs.append(self.log_mixing[k] - 0.5 * (z**2 / total + total.log()).sum(-1))
            z = z * (variances / total)
            guesses.append(mean + (z @ axes.T if axes is not None else z))
        weights = torch.stack(logs).softmax(0)
        guess: Tensor = (weights[..., None] * torch.stack(guesses)).sum(0)
        return guess

    def n_parameters(self, kind: str) -> int:
        """Free numbers: weights less one, means, and the distinct covariance entries."""
        (k, d), f = self.means.shape, len(self.factors)
        return k - 1 + k * d + f * {"diag": d, "spherical": 1}.get(kind, d * (d + 1) // 2)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors to be saved; ``Gaussians(**state)`` restores them."""
        return {"means": self.means, "factors": self.factors, "which": self.which,
                "owners": self.owners, "log_mixing": self.log_mixing}  # fmt: skip


def _factors(mixture: Mixture, kind: str, scale: Tensor) -> Tensor:
    """Return the factors of ``mixture``, of values divided by ``scale`` ``[d]``, in their units."""
    d = len(scale)
    if kind in ("full", "tied"):
        return factors(mixture.covariances).view(-1, d, d) / scale[:, None]
    inverse = inverse_deviations(mixture.covariances)
    return inverse.view(len(inverse), -1) / scale


def _principal(factor: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return principal axes ``[d, d]``, None for the coordinates, and their variances."""
    if factor.ndim == 1:
        return None, factor**-2.0
    axes, values, _ = torch.linalg.svd(factor)  # the precision is U U^T
    return axes, values**-2.0
