"""The differential equation in both directions, and what training it costs."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchdiffeq import odeint

from gengauge_plugins.flow.continuous.field import Field, divergence, unit_directions
from gengauge_plugins.flow.continuous.whiten import Whiten
from gengauge_plugins.flow.kinds import log_normal


class Network(nn.Module):
    """Whitened data carried to noise: dz/dt = v(z, t, class), 0 at the data and 1 at the noise.

    Steps have a fixed length (fourth-order Runge-Kutta): one chosen by its error would be chosen
    for a whole batch, and no example's likelihood may depend on the others.
    """

    def __init__(
        self, whiten: Whiten, *, hidden: int, depth: int, classes: int, steps: int
    ) -> None:
        super().__init__()
        self.whiten = whiten
        self.classes, self.steps = classes, steps
        features = len(whiten.shift)
        self.field = Field(features, hidden=hidden, depth=depth, context=1 + classes)

    def _context(self, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return what the field is told: the time, and which class; no class is all zeros."""
        if not self.classes:
            return t[:, None]
        if labels is None:
            labels = torch.full((len(t),), -1, device=t.device)
        known = F.one_hot(labels.clamp_min(0), self.classes) * (labels >= 0)[:, None]
        return torch.cat([t[:, None], known.to(t.dtype)], 1)

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """Return dx/dt ``[n, d]``, float64, of data ``x`` ``[n, d]`` at times ``t`` ``[n]``."""
        dtype = next(self.field.parameters()).dtype
        z, t = self.whiten(x).to(dtype), t.to(x.device, dtype)
        return self.whiten.push(self.field.velocity(z, self._context(t, None)))

    def log_base(self, x: Tensor) -> Tensor:
        """Return the log-density of the noise in nats ``[n]``, in the units of the data."""
        return log_normal(self.whiten(x)) + self.whiten.log_det

    def to_noise(
        self, z: Tensor, labels: Tensor | None, signs: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return noise ``[n, d]``, log |det| ``[n]`` and the path's roughness ``[n]``.

        ``signs`` ``[1, n, d]`` estimate the divergence (Hutchinson); None sums it exactly.
        Roughness is the kinetic energy and the squared derivatives along the directions.
        """
        directions = unit_directions(z) if signs is None else signs
        rows = 1 if labels is None else len(z)  # one time, and without labels one context, for all

        def rates(t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            context = self._context(t.expand(rows), labels)
            v, slopes = self.field(state[0], context, directions)
            energy = v.pow(2).sum(1) + slopes.pow(2).sum((0, 2))
            return v, divergence(directions, slopes), energy

        zero = z.new_zeros(len(z))
        times = torch.tensor([0.0, 1.0], dtype=z.dtype, device=z.device)
        ends = odeint(rates, (z, zero, zero), times, method="rk4",
                      options={"step_size": 1 / self.steps})  # fmt: skip
        noise, log_det, energy = (end[-1] for end in ends)
        return noise, log_det, energy

    def from_noise(self, noise: Tensor, labels: Tensor | None, steps: int) -> Tensor:
        """Return data ``[n, d]``, float64, carried back from ``noise`` in ``steps`` steps."""
        rows = 1 if labels is None else len(noise)

        def back(t: Tensor, z: Tensor) -> Tensor:
            return self.field.velocity(z, self._context(t.expand(rows), labels))

        times = torch.tensor([1.0, 0.0], dtype=noise.dtype, device=noise.device)
        ends = odeint(back, noise, times, method="rk4", options={"step_size": 1 / steps})
        return self.whiten.inverse(cast(Tensor, ends[-1]))
