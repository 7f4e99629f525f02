"""A histogram of points in the plane."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training
from gengauge.errors import UnsupportedError

OUTSIDE = 0.02  # of the mass, for what lies outside the grid
MARGIN = 1e-6  # so that a coordinate that is always the same still has a width


class Histogram:
    """Counts of the training points in ``bins`` x ``bins`` cells, each begun at one."""

    def __init__(self, bins):
        self.bins = bins

    def fit(self, data, run):
        """Count the training points; the test points are not even here."""
        check_training(data, "histogram")
        x = data.train.x.double().to(run.device)
        if x.shape[1] != 2:
            raise UnsupportedError(f"takes points of 2 dimensions, not of {x.shape[1]}")
        self.low, self.high = x.min(0).values - MARGIN, x.max(0).values + MARGIN
        counts = torch.bincount(self._cells(x), minlength=self.bins**2).double() + 1
        self.mass = counts / counts.sum()
        self.mean, self.spread = x.mean(0), 3 * x.std(0, correction=0) + MARGIN
        run.spend(steps=1, examples=len(x))

    def sample(self, n, condition, generator):
        """Return ``[n, 2]``; every random number comes from ``generator``."""
        cell = torch.multinomial(self.mass, n, replacement=True, generator=generator)
        corner = torch.stack([cell // self.bins, cell % self.bins], 1)
        draw = {"generator": generator, "device": generator.device, "dtype": torch.float64}
        u = torch.rand(n, 2, **draw)
        inside = self.low + (corner + u) * (self.high - self.low) / self.bins
        normal = torch.randn(n, 2, **draw)
        wide = self.mean + self.spread * normal
        outside = torch.rand(n, 1, **draw) < OUTSIDE
        return torch.where(outside, wide, inside).float()

    def log_prob(self, x):
        """Return the log-density of ``x`` ``[n, 2]`` in nats ``[n]``."""
        x = x.double()
        area = ((self.high - self.low) / self.bins).prod()
        within = ((x >= self.low) & (x <= self.high)).all(1)
        inside = within * self.mass[self._cells(x)] / area
        normal = torch.distributions.Normal(self.mean, self.spread)
        wide = normal.log_prob(x).sum(1).exp()
        return ((1 - OUTSIDE) * inside + OUTSIDE * wide).log()

    def _cells(self, x):
        place = ((x - self.low) / (self.high - self.low) * self.bins).long()
        place = place.clamp(0, self.bins - 1)
        return place[:, 0] * self.bins + place[:, 1]

    def save(self, folder):
        """Write everything that ``load`` needs."""
        folder.mkdir(parents=True, exist_ok=True)
        names = ("low", "high", "mass", "mean", "spread")
        held = {name: getattr(self, name) for name in names}
        save_file(held, folder / "histogram.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote, on ``device``."""
        held = load_file(folder / "histogram.safetensors", device=str(device))
        for name, value in held.items():
            setattr(self, name, value)
