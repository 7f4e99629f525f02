"""Gaussian naive Bayes, as a generator and as a classifier."""

import torch
from safetensors.torch import load_file, save_file

from gengauge import check_training


class Discriminant:
    """For each class a normal along the axes."""

    def fit(self, data, run):
        """Take means and deviations of each class."""
        check_training(data, "discriminant")
        x, labels = data.train.x.double().to(run.device), data.train.labels.to(run.device)
        counts = torch.bincount(labels).double()
        n = counts.clamp_min(1)[:, None]
        empty = torch.zeros(len(counts), x.shape[1]).to(x)
        self.means = empty.index_add(0, labels, x) / n
        squares = empty.index_add(0, labels, (x - self.means[labels]).square()) / n
        self.spread = (squares + 1e-3 * x.var(0, correction=0) + 1e-6).sqrt()
        self.share = counts / counts.sum()
        run.spend(1, len(x))

    def sample(self, n, condition, generator):
        """Return ``[n, d]``, of each class as often as training data has it."""
        chosen = torch.multinomial(self.share, n, replacement=True, generator=generator)
        shape = (n, self.means.shape[1])
        noise = torch.randn(shape, generator=generator, device=generator.device)
        return (self.means[chosen] + self.spread[chosen] * noise).float()

    def class_probabilities(self, x):
        """Return each class's posterior probability ``[n, classes]``."""
        far = (x.double().to(self.means.device)[:, None] - self.means) / self.spread
        fit = -0.5 * far.square().sum(-1) - self.spread.log().sum(-1)
        return (fit + self.share.log()).softmax(1)

    def save(self, folder):
        """Write means, deviations and shares."""
        folder.mkdir(parents=True, exist_ok=True)
        held = {"means": self.means, "spread": self.spread, "share": self.share}
        save_file(held, folder / "model.safetensors")

    def load(self, folder, device):
        """Restore what ``save`` wrote."""
        held = load_file(folder / "model.safetensors", device=str(device))
        self.means, self.spread, self.share = held["means"], held["spread"], held["share"]
