"""Ways a model can answer how probable data is: small Protocols found by ``isinstance``.

A model offers the ones that come naturally; the likelihood suite asks the strongest of them.
"Scaled space" is whatever affine image of the data a diffusion model works in.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Density(Protocol):
    """Knows its exact normalised log-density."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Return exact log p(x) in nats ``[n]`` of continuous ``x`` ``[n, *event]``.

        On levelled data ``x`` is the harness's dequantised ``y`` in ``[0, 1)``.
        """
        ...


@runtime_checkable
class Mass(Protocol):
    """Knows the exact probability of discrete data."""

    def log_mass(self, x: Tensor) -> Tensor:
        """Return exact log P(x) in nats ``[n]`` of integer ``x`` ``[n, *event]``."""
        ...


@runtime_checkable
class LatentVariable(Protocol):
    """Bounds its likelihood through an inference network q(z | x)."""

    def log_weights(self, x: Tensor, k: int, generator: torch.Generator) -> Tensor:
        """Return ``log p(x, z_i) - log q(z_i | x)`` in nats ``[k, n]``, z_i drawn from q.

        ``x`` is integers on levelled data (p is then a mass) and floats on continuous data.
        """
        ...


@runtime_checkable
class ClassDensity(Protocol):
    """Knows its exact normalised log-density within each class."""

    def log_prob_given(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return exact log p(x_i | labels_i) in nats ``[n]``, with ``x`` as in ``Density``."""
        ...


@runtime_checkable
class ClassMass(Protocol):
    """Knows the exact probability of discrete data within each class."""

    def log_mass_given(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return exact log P(x_i | labels_i) in nats ``[n]``, with ``x`` as in ``Mass``."""
        ...


@runtime_checkable
class ClassLatentVariable(Protocol):
    """Bounds its likelihood within each class through an inference network q(z | x, label)."""

    def log_weights_given(
        self, x: Tensor, labels: Tensor, k: int, generator: torch.Generator
    ) -> Tensor:
        """Return ``log p(x, z_i | label) - log q(z_i | x, label)`` in nats ``[k, n]``."""
        ...


@runtime_checkable
class VariationalBound(Protocol):
    """Knows a bound of its own."""

    def bound(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return a lower bound, in expectation, on log p(x) in nats ``[n]``.

        ``x`` is integers on levelled data (p is then a mass) and floats on continuous data.
        """
        ...


@runtime_checkable
class LatentDecoder(Protocol):
    """Turns draws of a prior into data: every GAN, and every decoder."""

    def draw_prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` latents ``[n, q]`` drawn from the prior, on the model's device."""
        ...

    def log_prior(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats ``[n]``, differentiable in ``z`` ``[n, q]``."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Return the noiseless datum ``[n, *event]``, differentiable in ``z`` ``[n, q]``.

        Floats in the data's units; on levelled data on the scale of ``sample``, 0 to 1.
        """
        ...


@runtime_checkable
class ObservationModel(LatentDecoder, Protocol):
    """A decoder that is a distribution p(x | z)."""

    def log_observation(self, x: Tensor, z: Tensor) -> Tensor:
        """Return exact log p(x_i | z_i) in nats ``[n]``, differentiable in ``z`` ``[n, q]``.

        ``x`` is integers on levelled data (p is then a mass) and floats on continuous data.
        """
        ...

    def draw_observation(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Return one draw of p(x | z_i) for each ``z`` ``[n, q]``, as ``log_observation`` takes."""
        ...


@runtime_checkable
class GaussianDiffusion(Protocol):
    """A chain of Gaussians x_T -> ... -> x_1 -> x_0 that was learned by denoising.

    The harness builds the reverse chain from these three answers and bounds the likelihood
    (Ho et al. 2020, Denoising Diffusion Probabilistic Models, eq. 5, arXiv:2006.11239).
    """

    def alphas_cumprod(self) -> Tensor:
        """Return the signal's share ``[T]`` of the variance after each step, falling, in (0, 1)."""
        ...

    def scaling(self) -> tuple[Tensor, Tensor]:
        """Return shift and spread, broadcastable to the event: scaled = (x - shift) / spread."""
        ...

    def predict(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the predicted x_0 and the reverse step's log-variance, both in scaled space.

        ``x_t`` is ``[n, *event]`` and ``t`` int64 ``[n]`` from 0 to T - 1 (t = 0 is the least
        noise). The log-variance broadcasts to ``[n, *event]``; None stands for that of
        q(x_{t-1} | x_t, x_0), the "fixed small" choice.
        """
        ...


@runtime_checkable
class DiffusionDecoder(GaussianDiffusion, Protocol):
    """A diffusion whose last step is a distribution of its own, such as a softmax over levels."""

    def log_reconstruction(self, x: Tensor, x_1: Tensor) -> Tensor:
        """Return exact log p(x | x_1) in nats ``[n]`` of data ``x`` ``[n, *event]``.

        ``x`` is integers on levelled data; ``x_1`` is the least noisy state, in scaled space.
        """
        ...


@runtime_checkable
class ProbabilityFlow(Protocol):
    """An ordinary differential equation dx/dt = v(x, t) that carries data to a known base."""

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """Return v ``[n, *event]`` at times ``t`` ``[n]``, 0 at the data and 1 at the base.

        ``x`` is in the data's units; on levelled data on the scale of the dequantised data, in
        which the levels fill ``[0, 1)``. Differentiable in ``x``.
        """
        ...

    def log_base(self, x: Tensor) -> Tensor:
        """Return the log-density of the base in nats ``[n]`` of states ``x`` at t = 1."""
        ...
