"""Stand-ins for trained models, so that the suites are tested without any plugin."""

from __future__ import annotations

import math
import time

import torch

from gengauge.data import Dataset, Split
from gengauge.evidence import Evidence


class StandIn:
    """Has the four verbs of a model and samples zeros."""

    def fit(self, data, run): ...

    def sample(self, n, condition, generator):
        return torch.zeros(n, 2)

    def save(self, folder): ...

    def load(self, folder, device): ...


class Sleeper(StandIn):
    """Takes a known time for every call."""

    evaluations_per_sample = 7.0
    n_parameters = 12

    def __init__(self, seconds):
        self.seconds = seconds

    def sample(self, n, condition, generator):
        time.sleep(self.seconds)
        return torch.zeros(n, 2)


class Allocator(StandIn):
    """Holds ``mib`` MiB of tensors at its peak, and as much again of numpy."""

    def __init__(self, mib):
        self.mib = mib

    def sample(self, n, condition, generator):
        import numpy as np

        block = torch.zeros(self.mib, 2**20, dtype=torch.uint8) + 1  # two storages for a moment
        view = block[0]
        array = np.ones((self.mib, 2**20), dtype=np.uint8)
        return torch.full((n, 2), float(view[0]) + float(array[0, 0]))


class UniformDensity(StandIn):
    """Uniform over the unit cube."""

    def log_prob(self, x):
        inside = ((x >= 0) & (x < 1)).flatten(1).all(1)
        return torch.where(inside, 0.0, -math.inf)


class UniformMass(StandIn):
    """Every level equally likely, independently."""

    def __init__(self, levels):
        self.levels = levels

    def log_mass(self, x):
        return torch.full((len(x),), -math.log(self.levels) * x[0].numel(), dtype=torch.float64)


class ProbabilisticPCA(StandIn):
    """x = W z + noise; ``widen`` multiplies the posterior's variance in the proposal."""

    def __init__(self, weight, noise, widen=1.0):
        self.weight, self.noise, self.widen = weight, noise, widen

    def log_density(self, x):
        d = len(self.weight)
        cov = self.weight @ self.weight.T + self.noise**2 * torch.eye(d, dtype=torch.float64)
        zero = torch.zeros(d, dtype=torch.float64)
        return torch.distributions.MultivariateNormal(zero, cov).log_prob(x.double())

    def log_weights(self, x, k, generator):
        w, x = self.weight, x.double()
        q = w.shape[1]
        precision = torch.eye(q, dtype=torch.float64) + w.T @ w / self.noise**2
        cov = torch.linalg.inv(precision)
        mean = x @ w @ cov / self.noise**2
        proposal = torch.distributions.MultivariateNormal(mean, self.widen * cov)
        noise = torch.randn(k, len(x), q, generator=generator, dtype=torch.float64)
        z = mean + noise @ torch.linalg.cholesky(self.widen * cov).T
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
        fit = torch.distributions.Normal(z @ w.T, self.noise).log_prob(x).sum(-1)
        return prior + fit - proposal.log_prob(z)


class LinearDecoder(StandIn):
    """z standard normal, decoded as W z + b, in float64: a generator without noise of its own."""

    def __init__(self, weight, shift=0.0):
        self.weight, self.shift = weight, shift

    def draw_prior(self, n, generator):
        return torch.randn(n, self.weight.shape[1], generator=generator, dtype=torch.float64)

    def log_prior(self, z):
        return torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)

    def decode(self, z):
        return z @ self.weight.T + self.shift


class LinearGaussian(LinearDecoder):
    """The same with Gaussian noise: probabilistic PCA as a decoder."""

    def __init__(self, weight, noise):
        super().__init__(weight)
        self.noise = noise

    def log_observation(self, x, z):
        return torch.distributions.Normal(self.decode(z), self.noise).log_prob(x).sum(-1)

    def draw_observation(self, z, generator):
        centre = self.decode(z)
        noise = torch.randn(centre.shape, generator=generator, dtype=torch.float64)
        return centre + self.noise * noise


def evidence(
    model=None, samples=None, *,
    test=None, train=None, validation=None, levels=None, truth=None, labels=None, **more,
):  # fmt: skip
    """Return evidence of ``samples`` against the ``test`` examples."""
    test = torch.zeros(4, 2) if test is None else test
    empty = Split(test[:0])
    seen = empty if train is None else Split(train)
    kept = empty if validation is None else Split(validation)
    modality = "points" if levels is None else "image"
    data = Dataset("made", modality, seen, kept, Split(test, labels), levels, truth=truth)
    samples = test if samples is None else samples
    return Evidence(data, model or StandIn(), samples, seed=0, **more)


def normal(n, d, seed, scale=1.0):
    """Return standard normal points ``[n, d]``, float64."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, d, generator=generator, dtype=torch.float64)
